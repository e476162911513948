"""Lookups against a brute-force count, gradients against Paddle's own."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np
import paddle
import pytest
from callback_training import Sentences, fit, make_model
from numpy.typing import NDArray

from visualdl_embedding.training.history import TrainingHistory

V, D = 50, 8
WATCHED = np.array([3, 7, 11, 40, 49, 20])


def make_layer(**options: Any) -> paddle.nn.Embedding:
    paddle.seed(0)
    return paddle.nn.Embedding(V, D, **options)


def draw_ids(*shape: int, seed: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, V, shape)


def loss_of(vectors: paddle.Tensor) -> paddle.Tensor:
    """Whose gradient differs from lookup to lookup."""
    return (vectors * vectors).sum()


@pytest.fixture(params=["mapped", "searched"])
def large(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions of rows by the map of smaller tables, and by the search of larger ones."""
    if request.param == "searched":
        monkeypatch.setattr("visualdl_embedding.training._positions._MAX_MAPPED", 0)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("sparse", [True, False])
def test_lookups_are_those_of_a_brute_force_count(sparse: bool) -> None:
    layer, counted = make_layer(sparse=sparse), Counter[int]()
    optimizer = paddle.optimizer.SGD(0.01, parameters=layer.parameters())
    history = TrainingHistory(layer, WATCHED)
    for seed in range(5):
        ids = draw_ids(4, 30, seed=seed)
        loss_of(layer(paddle.to_tensor(ids))).backward()
        optimizer.step()
        optimizer.clear_grad()
        counted.update(ids.ravel().tolist())
    counts = history.take()
    assert counts.lookups.tolist() == [counted[i] for i in WATCHED.tolist()]
    assert counts.lookups.dtype == np.int64
    assert counts.forwards == 5
    assert min(counted[i] for i in WATCHED.tolist()) > 0
    history.close()


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_gradients_of_ids_that_occur_once_are_paddles(sparse: bool, dtype: str) -> None:
    layer = make_layer(sparse=sparse)
    ids = np.random.default_rng(1).permutation(V)[:30].reshape(5, 6)
    history = TrainingHistory(layer, np.arange(V))
    loss_of(layer(paddle.to_tensor(ids.astype(dtype)))).backward()
    gradient = np.zeros((V, D), np.float32)
    if sparse:
        rows = layer.weight.grad.get_selected_rows()
        gradient[rows.rows()] = np.array(rows.get_tensor())
    else:
        gradient = layer.weight.grad.numpy()
    mean = history.take().gradient_mean
    used = np.isin(np.arange(V), ids)
    np.testing.assert_allclose(mean[used], np.linalg.norm(gradient[used], axis=1), rtol=1e-5)
    assert np.isnan(mean[~used]).all()
    assert (mean[used] > 0.1).all()


def test_gradients_are_averaged_over_lookups() -> None:
    layer = make_layer()
    history = TrainingHistory(layer, np.array([5, 6]))
    weights = np.float32([3, 5, 7])
    out = layer(paddle.to_tensor([5, 5, 1]))
    (out[:, 0] * paddle.to_tensor(weights)).sum().backward()
    (layer(paddle.to_tensor([5]))[:, 0].sum() * 1.0).backward()
    counts = history.take()
    assert counts.lookups.tolist() == [3, 0]
    assert counts.gradient_mean[0] == pytest.approx((3 + 5 + 1) / 3)
    assert np.isnan(counts.gradient_mean[1])


def test_a_gradient_hook_sees_the_sum_of_all_uses_of_the_output() -> None:
    layer = make_layer()
    history = TrainingHistory(layer, np.array([5]))
    out = layer(paddle.to_tensor([5]))
    (out.sum() + 2 * out.sum()).backward()
    assert history.take().gradient_mean[0] == pytest.approx(3 * np.sqrt(D))


def test_evaluation_no_grad_and_frozen_tables_are_not_counted() -> None:
    layer, ids = make_layer(), paddle.to_tensor(draw_ids(4, 30))
    history = TrainingHistory(layer, np.arange(V))
    layer.eval()
    layer(ids)
    layer.train()
    with paddle.no_grad():
        layer(ids)
    layer.weight.stop_gradient = True
    layer(ids)
    assert history.take().lookups.sum() == 0
    assert history.take().forwards == 0
    layer.weight.stop_gradient = False
    layer(ids)
    assert history.take().lookups.sum() == 120


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("padding_idx", [0, 7, -1])
@pytest.mark.parametrize("sparse", [True, False])
def test_padding_is_not_counted(padding_idx: int, sparse: bool) -> None:
    layer = make_layer(padding_idx=padding_idx, sparse=sparse)
    history = TrainingHistory(layer, np.arange(V))
    loss_of(layer(paddle.to_tensor([[padding_idx % V, 3, 3]]))).backward()
    counts = history.take()
    assert counts.lookups[padding_idx] == 0
    assert np.isnan(counts.gradient_mean[padding_idx])
    assert counts.lookups.sum() == counts.lookups[3] == 2


def test_layers_of_one_table_count_together_and_a_layer_given_twice_once() -> None:
    one, other = make_layer(), make_layer()
    other.weight = one.weight
    history = TrainingHistory([one, other, one], np.array([4, 5]))
    (loss_of(one(paddle.to_tensor([4, 4]))) + loss_of(other(paddle.to_tensor([4, 5])))).backward()
    assert history.take().lookups.tolist() == [3, 1]
    assert history.take().forwards == 2


def test_ids_may_be_given_by_keyword() -> None:
    layer = make_layer()
    history = TrainingHistory(layer, np.array([4]))
    loss_of(layer(x=paddle.to_tensor([4, 4]))).backward()
    assert history.take().lookups.tolist() == [2]


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_recomputation_counts_a_lookup_once(use_reentrant: bool, nested: bool) -> None:
    from paddle.distributed.fleet.utils import recompute

    layer, hidden = make_layer(), paddle.nn.Linear(D, D)
    history = TrainingHistory(layer, np.array([4]))
    # Recomputation asks for an input that has a gradient.
    start = paddle.zeros([1, D])
    start.stop_gradient = False
    ids = paddle.to_tensor([4])

    def part(x: paddle.Tensor) -> paddle.Tensor:
        return hidden(x + layer(ids))

    def whole(x: paddle.Tensor) -> paddle.Tensor:
        return recompute(part, x, use_reentrant=not use_reentrant) if nested else part(x)

    recompute(whole, start, use_reentrant=use_reentrant).sum().backward()
    counts = history.take()
    assert counts.lookups.tolist() == [1]
    assert counts.gradient_mean[0] == pytest.approx(np.linalg.norm(hidden.weight.numpy().sum(axis=1)), rel=1e-5)


@pytest.mark.slow
def test_code_that_is_compiled_piece_by_piece_is_counted() -> None:
    layer = make_layer()
    history = TrainingHistory(layer, np.array([4]))
    compiled = paddle.jit.to_static(lambda ids: layer(ids).sum(), full_graph=False)
    step = paddle.jit.to_static(lambda ids: layer(ids).sum().backward(), full_graph=False)
    for _ in range(3):
        compiled(paddle.to_tensor([4, 4])).backward()
        step(paddle.to_tensor([4]))
    assert history.take().lookups.tolist() == [9]
    assert history.take().gradient_mean[0] == pytest.approx(np.sqrt(D))
    assert history.error is None


def test_a_composed_row_stays_at_zero() -> None:
    layer = make_layer()
    history = TrainingHistory(layer, np.array([-1, 4]))
    loss_of(layer(paddle.to_tensor([V - 1, 4]))).backward()
    assert history.take().lookups.tolist() == [0, 1]


def test_hooks_go_and_counts_stay() -> None:
    layer, ids = make_layer(), paddle.to_tensor([[3, 7]])
    history = TrainingHistory(layer, WATCHED)
    late = loss_of(layer(ids))
    history.close()
    history.close()
    late.backward()
    loss_of(layer(ids)).backward()
    counts = history.take()
    assert counts.lookups.sum() == 2
    assert np.isnan(counts.gradient_mean).all()
    assert not layer._forward_post_hooks


def test_watching_changes_no_bit_of_the_training() -> None:
    weights = []
    for watch in (False, True):
        model = make_model()
        if watch:
            history = TrainingHistory(model.network.word, np.arange(60))
        fit(model=model, epochs=2)
        weights.append(model.network.word.weight.numpy())
    assert np.array_equal(*weights)
    assert history.take().lookups.tolist() == (2 * np.bincount(Sentences().ids.ravel(), minlength=60)).tolist()
    assert history.take().forwards == 16


def test_an_error_ends_the_history_and_not_the_training() -> None:
    layer, told = make_layer(), list[Exception]()

    def tell(error: Exception) -> None:
        told.append(error)
        raise RuntimeError("the teller fails, too")

    history = TrainingHistory(layer, WATCHED, on_error=tell)
    loss_of(layer(paddle.to_tensor([3]))).backward()
    history._positions = np.zeros(1, np.int32).__getitem__
    loss_of(layer(paddle.to_tensor([3]))).backward()
    history._positions = np.zeros(V, np.int32).__getitem__
    loss_of(layer(paddle.to_tensor([3]))).backward()
    assert len(told) == 1
    assert history.error is told[0]
    assert history.take().lookups.sum() == 2  # the third forward pass came after the end
    history.close()


def test_an_error_in_the_gradients_hook_ends_the_history_and_not_the_training() -> None:
    layer, told = make_layer(), list[Exception]()
    history = TrainingHistory(layer, WATCHED, on_error=told.append)
    loss = loss_of(layer(paddle.to_tensor([3])))
    history._length_sum = np.zeros(0)
    loss.backward()
    assert isinstance(told[0], IndexError)
    assert np.abs(layer.weight.grad.numpy()[3]).sum() > 0
    history.close()


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_tables_of_other_types(dtype: str) -> None:
    layer = make_layer()
    layer.to(dtype=dtype)
    history = TrainingHistory(layer, np.array([3]))
    layer(paddle.to_tensor([3, 3])).astype("float32").sum().backward()
    assert history.take().gradient_mean[0] == pytest.approx(np.sqrt(D))
    assert history.error is None


def test_an_overflown_batch_has_no_gradients() -> None:
    layer = make_layer()
    history = TrainingHistory(layer, np.array([3, 4]))
    (layer(paddle.to_tensor([3, 4])) * paddle.to_tensor([[np.inf], [2.0]], dtype="float32")).sum().backward()
    counts = history.take()
    assert np.isnan(counts.gradient_mean[0])
    assert counts.gradient_mean[1] == pytest.approx(2 * np.sqrt(D))
    assert counts.lookups.tolist() == [1, 1]


def test_the_way_of_accelerators_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids and lengths wait on the device: here it is the CPU, told to be none."""
    from visualdl_embedding.training import history as _history

    found = []
    for waits in (False, True):
        monkeypatch.setattr(_history, "_on_cpu", lambda output, waits=waits: not waits)
        monkeypatch.setattr(_history, "_MAX_WAITING", 250)
        layer = make_layer(padding_idx=7)
        history = TrainingHistory(layer, WATCHED)
        for seed in range(5):
            ids = paddle.to_tensor(draw_ids(4, 30, seed=seed))
            loss_of(layer(ids)).backward()
            ids.zero_()
        found.append(history.take())
        assert history.error is None
        history.close()
    assert found[0].lookups.tolist() == found[1].lookups.tolist()
    np.testing.assert_allclose(found[0].gradient_mean, found[1].gradient_mean, rtol=1e-5)


@pytest.mark.parametrize(
    ("layers", "ids", "error", "message"),
    [
        ([], WATCHED, ValueError, "no layer was given"),
        (paddle.nn.Linear(2, 2), WATCHED, TypeError, "not Linear"),
        (paddle.nn.Embedding(5, 4), np.array([5]), ValueError, "0 to 4"),
        ([paddle.nn.Embedding(5, 4), paddle.nn.Embedding(6, 4)], np.array([1]), ValueError, r"\(5, 4\), \(6, 4\)"),
    ],
)
def test_wrong_arguments(layers: Any, ids: NDArray[np.int64], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        TrainingHistory(layers, ids)


@pytest.mark.soak
def test_a_batch_of_3200_lookups_takes_under_a_millisecond() -> None:
    layer = paddle.nn.Embedding(100_000, 128, sparse=True)
    ids = paddle.to_tensor(np.random.default_rng(0).integers(0, 4_000, (64, 50)))
    gradient = paddle.ones([64, 50, 128])
    with TrainingHistory(layer, np.arange(2_000)) as history:
        output = layer(ids)
        seconds = []
        for _ in range(30):
            begun = time.perf_counter()
            history._after_forward(layer, (ids,), {}, output)
            history._measure_on_cpu(gradient, ids.numpy().ravel())
            seconds.append(time.perf_counter() - begun)
        assert history.error is None
    assert min(seconds) < 1e-3


def test_lookups_are_all_counted_though_later_gradients_are_a_sample() -> None:
    layer = paddle.nn.Embedding(20, 4)
    rng = np.random.default_rng(0)
    with TrainingHistory(layer, np.arange(20)) as history:
        expected = np.zeros(20, dtype=np.int64)
        for _ in range(100):
            ids = rng.integers(0, 20, (4, 3))
            expected += np.bincount(ids.ravel(), minlength=20)
            layer(paddle.to_tensor(ids)).sum().backward()
        counts = history.take()
        np.testing.assert_array_equal(counts.lookups, expected)
        # All of 64, one of the next 32, and perhaps one of the last 4, each for 32.
        assert history._graded.sum() in {(64 + 32) * 12, (64 + 64) * 12}
        np.testing.assert_allclose(counts.gradient_mean, 2.0, rtol=1e-6)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_mean_gradient_is_that_of_all_passes(num_layers: int) -> None:
    """A gradient that decays; with two layers of one table, that of the second is ten times as long."""
    layers = [make_layer() for _ in range(num_layers)]
    layers[-1].weight = layers[0].weight
    ids, lengths = paddle.to_tensor([4]), []
    with TrainingHistory(layers, np.array([4])) as history:
        for step in range(1000 // num_layers):
            for scale in (1.0, 10.0)[:num_layers]:
                lengths.append(scale * (0.3 * np.exp(-step / 250) + 0.02))
                (layers[scale > 1](ids)[0, 0] * lengths[-1]).backward()
        (mean,) = history.take().gradient_mean
    # One of 32 passes gives a standard error of a tenth with two layers, and none with one; the first 64 passes had
    # 0.28 instead of 0.094.
    assert mean == pytest.approx(np.mean(lengths), rel=0.03 if num_layers == 1 else 0.3)
