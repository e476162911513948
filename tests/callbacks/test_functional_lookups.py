"""Lookups by ``paddle.nn.functional.embedding``, and what is left of their hooks."""

from __future__ import annotations

import time
from itertools import chain
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest

from visualdl_embedding.training._functional import FunctionalHook
from visualdl_embedding.training.history import TrainingHistory

V, D = 50, 8


class Holder(paddle.nn.Layer):
    """Looks up rows in a parameter of its own, and in that of an embedding layer, with and without the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(V, D, padding_idx=0)
        self.table = self.create_parameter([V, D])

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.word(ids).sum() + F.embedding(ids, self.word.weight).sum() + F.embedding(ids, self.table).sum()


def of_table(holder: Holder, **options: Any) -> TrainingHistory:
    return TrainingHistory([], np.arange(V), weight=holder.table, holder=holder, **options)


def test_layers_and_functional_calls_are_counted_once_each() -> None:
    holder, ids = Holder(), paddle.to_tensor([[0, 3, 3]])
    with TrainingHistory(holder.word, np.arange(V)) as word, of_table(holder) as table, of_table(holder) as again:
        holder(ids).backward()
        paddle.nn.functional.embedding(input=ids, weight=holder.table).sum().backward()
        (F.embedding(ids, holder.word.weight) @ holder.word.weight.T).sum()  # a tied output layer looks nothing up
    assert (word.take().forwards, word.take().lookups[[0, 3]].tolist()) == (3, [0, 6])
    for history in (table, again):
        assert (history.take().forwards, history.take().lookups[[0, 3]].tolist()) == (2, [2, 4])
        assert history.take().gradient_mean[3] == pytest.approx(np.sqrt(D))


@pytest.mark.parametrize("on_cpu", [True, False])
@pytest.mark.parametrize("padding_idx", [3, 3 - V])
@pytest.mark.parametrize("dtype", ["int64", "int32"])
def test_the_padding_of_a_call_is_not_counted(
    monkeypatch: pytest.MonkeyPatch, on_cpu: bool, padding_idx: int, dtype: str
) -> None:
    monkeypatch.setattr("visualdl_embedding.training.history._on_cpu", lambda output: on_cpu)
    holder, ids = Holder(), paddle.to_tensor([3, 4, 4]).astype(dtype)
    with of_table(holder) as history:
        F.embedding(ids, holder.table, padding_idx=padding_idx).sum().backward()
        assert history.take().lookups[[3, 4]].tolist() == [0, 2]
        F.embedding(ids, holder.table).sum().backward()
    assert history.error is None
    assert history.take().lookups[[3, 4]].tolist() == [1, 4]
    assert history.take().gradient_mean[3:5] == pytest.approx([np.sqrt(D)] * 2)


def test_evaluation_and_no_grad_are_not_counted() -> None:
    holder, ids = Holder(), paddle.to_tensor([3])
    with TrainingHistory(holder.word, np.arange(V)) as word, of_table(holder) as table:
        holder.eval()
        holder(ids)
        holder.train()
        with paddle.no_grad():
            holder(ids)
    assert word.take().forwards == table.take().forwards == 0


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_recomputation_counts_a_lookup_once(use_reentrant: bool) -> None:
    from paddle.distributed.fleet.utils import recompute

    holder, start = Holder(), paddle.zeros([])
    start.stop_gradient = False
    with TrainingHistory(holder.word, np.arange(V)) as word, of_table(holder) as table:
        ids = paddle.to_tensor([4])
        recompute(lambda x: x + holder(ids), start, use_reentrant=use_reentrant).backward()
    assert (word.take().lookups[4], table.take().lookups[4]) == (2, 1)


@pytest.fixture
def unpatched() -> None:
    """Remove the hooks of histories that other tests did not close."""
    for hook in [*chain.from_iterable(FunctionalHook._by_weight.values())]:
        hook.remove()


@pytest.mark.usefixtures("unpatched")
def test_nothing_stays_patched() -> None:
    original, holder = F.embedding, Holder()
    first, second = of_table(holder), of_table(holder)
    assert F.embedding is not original
    first.close()
    first.close()
    assert F.embedding is not original
    second.close()
    assert F.embedding is original
    assert not FunctionalHook._by_weight


@pytest.mark.usefixtures("unpatched")
def test_another_patch_may_come_between() -> None:
    original, holder, ids = F.embedding, Holder(), paddle.to_tensor([3])
    first = of_table(holder)
    ours = F.embedding

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    try:
        F.embedding = theirs
        first.close()
        assert F.embedding is theirs
        with of_table(holder) as second:
            F.embedding(ids, holder.table)
        assert (first.take().forwards, second.take().forwards) == (0, 1)
        F.embedding = original  # they leave, and with them ours
        with of_table(holder) as third:
            F.embedding(ids, holder.table)
        assert third.take().forwards == 1
        assert F.embedding is original
    finally:
        F.embedding = original
        FunctionalHook._wrapper = None


def test_rows_that_a_table_gains_are_not_counted() -> None:
    holder = Holder()
    with TrainingHistory(holder.word, np.array([V - 1])) as history:
        holder.word.weight = paddle.create_parameter([V + 5, D], "float32")
        history.follow(holder.word.weight)
        ids = paddle.to_tensor([V - 1, V, V + 4])
        holder.word(ids).sum().backward()
        F.embedding(ids, holder.word.weight).sum().backward()
    assert history.error is None
    assert history.take().lookups.tolist() == [2]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("full_graph", [True, False])
@pytest.mark.parametrize("compiled_before", [True, False])
def test_compiled_networks_train_as_before(full_graph: bool, compiled_before: bool) -> None:
    holder, ids = Holder(), paddle.to_tensor([[3, 7, 7]])
    expected = float(holder(ids))
    if full_graph:
        run = paddle.jit.to_static(holder, full_graph=True)
    else:
        run = paddle.jit.to_static(lambda ids: holder(ids), full_graph=False)
    if compiled_before:
        run(ids).backward()
    with TrainingHistory(holder.word, np.arange(V)) as word, of_table(holder) as table:
        for _ in range(3):
            assert float(run(ids)) == pytest.approx(expected, rel=1e-5)
    assert word.error is table.error is None
    # The layer's hook interrupts code that is compiled in pieces, so that lookups are counted; some may be compiled.
    assert word.take().forwards in ({0} if full_graph else {0, 3, 6})
    assert float(run(ids)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.soak
def test_other_calls_take_less_than_a_microsecond_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds() -> float:
        begun = time.perf_counter()
        for _ in range(10_000):
            F.embedding(None, holder.table, padding_idx=None)
        return (time.perf_counter() - begun) / 10_000

    holder = Holder()
    monkeypatch.setattr(F, "embedding", lambda x, weight, padding_idx=None: x)
    before = min(seconds() for _ in range(10))
    with TrainingHistory(holder.word, np.arange(V)):
        assert min(seconds() for _ in range(10)) - before < 1e-6
