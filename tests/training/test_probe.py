"""A probe's batch, its pass through a network, and what that pass leaves unchanged."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from launching import launch, results

from visualdl_embedding import Probe, open_run
from visualdl_embedding.training._forward import undisturbed
from visualdl_embedding.training._probe import ProbeSource

pytestmark = pytest.mark.filterwarnings("ignore:When training, we now always track global mean")

N, T, D = 6, 5, 4
IDS = np.arange(N * T).reshape(N, T) % 20
MASK = (np.arange(T) < np.array([[5], [3], [1], [4], [2], [5]])).astype("int64")


class Encoder(paddle.nn.Layer):
    """Hidden states of tokens, a pooled vector, and everything that a careless evaluation changes."""

    def __init__(self) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(20, D)
        self.dropout = paddle.nn.Dropout(0.5)
        self.norm = paddle.nn.BatchNorm1D(D)
        self.frozen = paddle.nn.Sequential(
            paddle.nn.Dropout(0.5),
            paddle.nn.BatchNorm1D(D, use_global_stats=False),  # updates its statistics in evaluation, too
        )
        self.frozen.eval()
        self.pooler = paddle.nn.Linear(D, 3)
        self.register_buffer("gain", paddle.ones([1]))
        self.register_buffer("calls", paddle.zeros([1]))
        self.register_buffer("seen", paddle.zeros([1]))

    def forward(self, ids: paddle.Tensor, mask: Any = None, scale: float = 1.0) -> Any:
        self.calls.add_(paddle.ones([1]))
        self.seen = self.seen + 1
        random.random() + np.random.rand() + float(paddle.rand([]))  # noqa: NPY002
        hidden = self.dropout(self.word(ids)) * scale * self.gain
        self.frozen(self.norm(hidden.reshape([-1, D])))
        pooled = self.pooler(hidden.mean(axis=1))
        return hidden, pooled


@pytest.fixture
def network() -> Encoder:
    paddle.seed(0)
    return Encoder()


def source(probe: Probe, network: paddle.nn.Layer) -> ProbeSource:
    return ProbeSource("sentences", probe, network)


def vectors(probe: Probe, network: paddle.nn.Layer) -> Any:
    return source(probe, network).snapshot(0).vectors


def hidden(network: Encoder) -> Any:
    return network.word.weight.numpy()[IDS]


def state(network: paddle.nn.Layer) -> Iterator[Any]:
    for layer in network.sublayers(include_self=True):
        yield layer.training
        yield sorted(layer._forward_post_hooks)
    for name, tensor in {**dict(network.named_parameters()), **dict(network.named_buffers())}.items():
        yield name, id(tensor), tensor.numpy().tobytes(), None if tensor.grad is None else tensor.grad.numpy().tobytes()
    yield repr(np.random.get_state()), random.getstate()  # noqa: NPY002
    generators = paddle.get_rng_state()
    yield paddle.rand([3]).numpy().tobytes()
    paddle.set_rng_state(generators)
    yield paddle.get_default_dtype(), paddle.is_grad_enabled()


def test_a_layer_by_its_name_gives_its_output_in_evaluation_mode(network: Encoder) -> None:
    pooler = network.pooler
    expected = hidden(network).mean(axis=1) @ pooler.weight.numpy() + pooler.bias.numpy()
    found = source(Probe(IDS, layer="pooler", labels=list("abcdef"), watch="b"), network)
    assert (found.table.name, found.table.num_rows, found.table.dim, found.table.dtype) == (
        "sentences",
        N,
        3,
        "float32",
    )
    assert (found.rows.labels, found.rows.watch, found.rows.ids.tolist()) == (tuple("abcdef"), ("b",), list(range(N)))
    snapshot = found.snapshot(7)
    assert snapshot.step == 7
    assert not snapshot.row_values
    np.testing.assert_allclose(snapshot.vectors, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "inputs",
    [
        IDS,
        paddle.to_tensor(IDS),
        (IDS,),
        [IDS, None, 1.0],
        {"ids": IDS},
        {"ids": paddle.to_tensor(IDS), "scale": 1.0},
        (IDS, MASK),
    ],
    ids=["array", "tensor", "tuple", "list", "dict", "dict with a number", "two arrays"],
)
def test_inputs_by_position_and_keyword_and_a_function(network: Encoder, inputs: Any) -> None:
    expected = vectors(Probe(IDS, layer="pooler"), network)
    assert np.array_equal(vectors(Probe(inputs, layer="pooler"), network), expected)
    assert np.array_equal(vectors(Probe(inputs, select=1), network), expected)

    def output(network: Any, inputs: Any) -> Any:
        ids = inputs["ids"] if isinstance(inputs, dict) else inputs[0] if isinstance(inputs, tuple) else inputs
        return network.pooler(network.word(ids).mean(axis=1))

    np.testing.assert_allclose(vectors(Probe(inputs, layer=output), network), expected, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 4, 6, 100])
def test_pieces_give_what_the_whole_batch_gives(network: Encoder, size: int) -> None:
    whole = vectors(Probe((IDS, MASK), layer="dropout", pool="mean", mask=1), network)
    pieces = vectors(Probe((IDS, MASK), layer="dropout", pool="mean", mask=MASK, batch_size=size), network)
    np.testing.assert_allclose(pieces, whole, rtol=1e-6)


def test_pools_choose_among_the_positions_of_a_row(network: Encoder) -> None:
    states, ends = hidden(network), MASK.sum(axis=1)
    keyed = {"ids": IDS, "mask": MASK}
    for pool, mask, expected in [
        ("first", None, states[:, 0]),
        ("last", None, states[:, -1]),
        ("mean", None, states.mean(axis=1)),
        ("last", "mask", states[np.arange(N), ends - 1]),
        ("first", 1 - MASK, states[np.arange(N), np.minimum(ends, T - 1)]),
        ("mean", "mask", np.stack([row[:end].mean(axis=0) for row, end in zip(states, ends, strict=True)])),
    ]:
        found = vectors(Probe(keyed, layer="word", pool=pool, mask=mask), network)  # type: ignore[arg-type]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7, err_msg=str((pool, mask)))


def test_masked_positions_that_are_not_finite_do_not_count(network: Encoder) -> None:
    table = network.word.weight.numpy()
    table[19] = np.nan
    network.word.weight.set_value(table)
    ids, mask = np.array([[1, 2, 19], [3, 19, 19]]), np.array([[True, True, False], [True, False, False]])
    found = vectors(Probe(ids, layer="word", pool="mean", mask=mask), network)
    assert np.isfinite(found).all()
    assert np.isnan(vectors(Probe(ids, layer="word", pool="last"), network)).all()


@pytest.mark.parametrize("fails", [False, True])
def test_a_pass_leaves_the_network_and_all_generators_as_they_were(network: Encoder, fails: bool) -> None:
    network(paddle.to_tensor(IDS))[1].sum().backward()
    before = list(state(network))
    assert network.training
    assert not network.frozen.training
    seen: list[bool] = []

    def output(network: Any, inputs: Any) -> Any:
        seen.append(network.training or network.dropout.training or paddle.is_grad_enabled())
        result = network(inputs)[1]
        inputs.add_(paddle.ones_like(inputs))  # the next pass gets the same inputs nevertheless
        if fails:
            raise RuntimeError("no output")
        return result

    probe = Probe(IDS, layer=output)
    if fails:
        with pytest.raises(ValueError, match="Probe 'sentences': RuntimeError: no output"):
            source(probe, network)
    else:
        assert np.array_equal(vectors(probe, network), vectors(Probe(IDS, layer="pooler"), network))
    assert list(state(network)) == before
    assert not any(seen)


def test_a_pass_between_forward_and_backward_keeps_the_gradients(network: Encoder) -> None:
    def gradient(between: Callable[[], Any]) -> Any:
        network.clear_gradients()
        paddle.seed(1)
        loss = network(paddle.to_tensor(IDS))[1].square().sum()
        between()
        loss.backward()
        return network.word.weight.grad.numpy()

    probe = source(Probe(IDS, layer="pooler"), network)
    assert np.array_equal(gradient(lambda: probe.snapshot(1)), gradient(lambda: None))


def test_autocast_of_the_caller_does_not_reach_the_probe(network: Encoder) -> None:
    # On the CPU `paddle.amp.auto_cast` changes no types, so this reads and sets what it sets on a device.
    tracer, levels = paddle.framework._dygraph_tracer(), paddle.framework.core.AmpLevel
    seen: set[Any] = set()

    def output(network: Any, ids: Any) -> Any:
        seen.add(tracer._amp_level)
        return network(ids)[1]

    tracer._amp_level = levels.O1
    try:
        source(Probe(IDS, layer=output), network)
        assert (seen, tracer._amp_level) == ({levels.O0}, levels.O1)
    finally:
        tracer._amp_level = levels.O0


def test_half_precision_is_recorded_as_float32(network: Encoder) -> None:
    found = source(Probe(IDS, layer=lambda net, ids: net.word(ids)[:, 0].astype("bfloat16")), network)
    assert found.table.dtype == "bfloat16"
    snapshot = found.snapshot(0)
    np.testing.assert_allclose(snapshot.vectors, hidden(network)[:, 0], rtol=1e-2)


class Compiled(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(20, D)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.word(ids).mean(axis=1)


@pytest.mark.filterwarnings("ignore:Tensor do not have 'place':UserWarning")
@pytest.mark.parametrize("full_graph", [True, False])
def test_a_compiled_network_is_run_without_to_static(full_graph: bool) -> None:
    network = Compiled()
    plain = vectors(Probe(IDS, layer="word", pool="mean"), network)
    network = paddle.jit.to_static(network, full_graph=full_graph)
    before = network(paddle.to_tensor(IDS)).numpy()
    np.testing.assert_allclose(vectors(Probe(IDS, layer="word", pool="mean"), network), plain, rtol=1e-6)
    assert np.array_equal(network(paddle.to_tensor(IDS)).numpy(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "poler"}, r"Encoder has no layer 'poler'; did you mean 'pooler'\?$"),
        ({"layer": ""}, r"the output holds 0: \(6, 5, 4\), 1: \(6, 3\); choose one of them by select=, not None"),
        ({"layer": "", "select": "last"}, "choose one of them by select=, not 'last'"),
        ({"select": 0}, r"the output is one tensor of shape \(6, 3\). Remove select=0"),
        ({"layer": "word"}, r'\(6, 5, 4\), with 5 positions a row. Choose by pool="first", "mean" or "last"'),
        (
            {"layer": "word", "pool": "mean", "mask": MASK[:, :3]},
            r"mask must be 1 or 0 in shape \(6, 5\); it has .*3\)",
        ),
        ({"layer": "norm"}, r"the output has shape \(30, 4\), not \(6, d\)"),
        ({"layer": lambda net, ids: ids}, "the output holds int64, not real numbers"),
        ({"layer": lambda net, ids: "x"}, "the output is a str, not a tensor"),
        ({"layer": lambda net, ids: net(ids)[1].sum()}, r"the output has shape \(\), not \(6, d\)"),
        (
            {"inputs": {"words": IDS}},
            r"TypeError: .*unexpected keyword argument 'words'. It was run on words \(6, 5\) int64: check that",
        ),
        ({"inputs": IDS + 15}, "expected >= 0 and < 20.*It was run on inputs"),
        ({"inputs": IDS * 0.5}, r"only support int32.*It was run on inputs \(6, 5\) float64: check that the network"),
        ({"watch": "z"}, "watch has labels that are not in the probe"),
        ({"metadata": {"group": ["a"] * 7}}, "1 of 7|No entry|not in the probe"),
    ],
)
def test_what_does_not_fit_is_said_with_the_name_of_the_probe(
    network: Encoder, options: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        source(Probe(**{"inputs": IDS, "layer": "pooler", **options}), network)
    except ValueError as error:
        caplog.handler.setLevel(0)
        said = str(error)
    else:
        (said,) = [record.getMessage() for record in caplog.records]
    assert re.match("Probe '?sentences'?: ", said)
    assert re.search(message, said), said
    assert "\n" not in said


def test_a_layer_that_is_called_twice_or_never_is_refused() -> None:
    class Twins(Compiled):
        def __init__(self) -> None:
            super().__init__()
            self.unused = paddle.nn.Linear(D, D)

        def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
            return self.word(ids).mean(axis=1) - self.word(ids + 1).mean(axis=1)

    for layer, times in (("word", 2), ("unused", 0)):
        with pytest.raises(ValueError, match=f"the layer '{layer}' is called {times} times .* must be called once"):
            source(Probe(IDS[:3] % 10, layer=layer), Twins())


def test_a_layer_that_changes_its_weights_in_evaluation_is_refused() -> None:
    network = paddle.nn.Sequential(paddle.nn.Embedding(20, D, max_norm=0.01))
    with pytest.raises(ValueError, match=r"the forward pass changes '0.weight' also in evaluation mode.*max_norm"):
        source(Probe(IDS[:, 0]), network)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": (IDS, MASK[:4])}, "the same number of rows, at least 1; it has 6 in 0, 4 in 1"),
        ({"inputs": None}, "it has no array"),
        ({"inputs": ["服务真好", "太差"]}, "it has no array. .*texts must be tokenized first"),
        ({"inputs": np.zeros((0, 3))}, "it has 0 in inputs"),
        ({"inputs": [[1, 2], [3, 4]]}, "The input 0 of a probe is a list. Give it as an array"),
        ({"labels": ["a"]}, "A probe of 6 rows takes 6 labels, .* not 1 labels"),
        ({"labels": ["a", "b", "c", "d", "e", ""]}, "not the label ''"),
        ({"layer": 3}, "layer takes the name of a sublayer or a function, not int"),
        ({"pool": "max"}, "pool takes 'first', 'mean', 'last' or None, not 'max'"),
        ({"mask": MASK}, "Give pool, or remove mask"),
        ({"mask": "mask", "pool": "mean"}, "mask='mask' is no input of this probe; it has inputs"),
        ({"batch_size": 0}, "batch_size takes a number of rows from 1"),
    ],
)
def test_wrong_options_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Probe(**{"inputs": IDS, **options})


def test_repeated_labels_become_distinct_and_special_ones_are_kept(network: Encoder) -> None:
    probe = Probe(
        IDS, layer="pooler", labels=["好", "好", "[PAD]", "##a", "a b", "好"], metadata=[{"group": list("ppnnni")}]
    )
    rows = source(probe, network).rows
    assert rows.labels == ("好 (0)", "好 (1)", "[PAD]", "##a", "a b", "好 (5)")
    assert rows.columns["group"] == tuple("ppnnni")
    assert source(Probe(IDS, layer="pooler"), network).rows.labels[:2] == ("row 0", "row 1")


def test_the_modes_are_restored_if_the_body_is_interrupted(network: Encoder) -> None:
    def interrupted() -> None:
        with undisturbed(network):
            assert not network.training
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert network.training
    assert not network.frozen.training
    assert paddle.jit.dy2static.program_translator.ProgramTranslator.get_instance().enable_to_static


@pytest.mark.slow
def test_rank_0_runs_a_whole_network_and_all_ranks_refuse_a_split_one(tmp_path: Path) -> None:
    launch(Path(__file__).with_name("split_network.py"), tmp_path, folder=tmp_path)
    run = open_run(tmp_path / "run")
    assert (run.tables(), run.steps("words")) == (["0", "words"], [0, 1])
    for result in results(tmp_path):
        assert result["said"].startswith("Probe 'words': several processes hold parts of this network's layers")


def test_a_static_program_has_no_layers_to_run() -> None:
    with pytest.raises(ValueError, match=r"Probe 'words': a probe runs a paddle.nn.Layer, not a _?Scope"):
        ProbeSource("words", Probe(IDS), paddle.static.Scope())
