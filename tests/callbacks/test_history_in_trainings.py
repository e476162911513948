"""Counts of lookups in compiled networks, beside other uses of the weight, and in resumed trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from callback_training import Bag, Sentences, fit, make_model

from visualdl_embedding import EmbeddingCallback, open_run
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.training.history import TrainingHistory

V, D = 50, 8
WATCHED = np.array([3, 7])


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(V, D)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.word(ids).sum()


@pytest.mark.filterwarnings("ignore:Tensor do not have 'place'")
def test_the_lookups_of_a_network_compiled_as_a_whole_are_unknown() -> None:
    net = Net()
    history = TrainingHistory(net.word, WATCHED)
    compiled = paddle.jit.to_static(net, full_graph=True)
    compiled(paddle.to_tensor([[3, 7]])).backward()
    assert history.error is None
    assert history.counters() == {"forwards": 0}
    history.close()


@pytest.mark.filterwarnings("ignore:Tensor do not have 'place'")
def test_a_trace_pauses_the_counts(tmp_path: Path) -> None:
    net, ids = Net(), paddle.to_tensor([[3, 7]])
    history = TrainingHistory(net.word, WATCHED)
    net(ids).backward()
    paddle.jit.save(net, str(tmp_path / "net"), input_spec=[paddle.static.InputSpec([None, 2], "int64")])
    net(ids).backward()
    assert history.error is None
    assert history.take().forwards == 2
    assert history.take().lookups[:2].tolist() == [2, 2]


def test_uses_of_the_weight_outside_its_layer_leave_the_lookups_unknown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Functional(Bag):
        def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
            return self.head(paddle.nn.functional.embedding(ids, self.word.weight).mean(axis=1))

    fit(EmbeddingCallback(tmp_path, rows=60, methods=(), background=False), model=make_model(Functional()))
    run = open_run(tmp_path)
    assert run.steps("word") == [0, 8, 16]
    for step in run.steps("word"):
        assert step == 0 or run.snapshot("word", step).row_values == {}
        assert run.snapshot("word", step).counters == {"forwards": 0}
        assert "never_trained_rows" not in run.analysis("word", step).scalars
    assert sum("no call of its layer was counted" in message for message in caplog.messages) == 1


def test_counts_go_on_in_a_resumed_training(tmp_path: Path) -> None:
    options: dict[str, Any] = {"rows": 60, "methods": (), "background": False}
    for name, parts in {"whole": (4,), "resumed": (1, 3)}.items():
        model = make_model()
        for i, epochs in enumerate(parts):
            fit(EmbeddingCallback(tmp_path / name, resume=i > 0, **options), model=model, epochs=epochs)
    whole, resumed = (open_run(tmp_path / name).snapshot("word", 32) for name in ("whole", "resumed"))
    assert whole.counters == resumed.counters == {"forwards": 32}
    np.testing.assert_array_equal(whole.row_values["lookups"], resumed.row_values["lookups"])
    np.testing.assert_allclose(whole.row_values["gradient_mean"], resumed.row_values["gradient_mean"], rtol=1e-5)
    # From a snapshot whose counts are unknown, counts of the rest would be wrong.
    fit(EmbeddingCallback(tmp_path / "off", training_history=False, **options), epochs=1)
    fit(EmbeddingCallback(tmp_path / "off", resume=True, **options), epochs=1)
    assert open_run(tmp_path / "off").snapshot("word", 16).row_values == {}
    # From an earlier checkpoint, counts of superseded steps do not count.
    fit(EmbeddingCallback(tmp_path / "whole", resume=True, initial_step=8, **options), epochs=1)
    again = open_run(tmp_path / "whole").snapshot("word", 16)
    assert again.counters == {"forwards": 16}
    assert again.row_values["lookups"].sum() == 2 * Sentences().ids.size


def test_composed_rows_go_on_too() -> None:
    layer = paddle.nn.Embedding(V, D)
    rows = Rows(np.array([4, -1]), ("a", "bc"), pieces={1: (4, 9)})
    weights, before = paddle.to_tensor([[3.0], [5.0]]), None
    for _ in range(2):
        with TrainingHistory(layer, rows.gather_ids, earlier=before) as history:
            (layer(paddle.to_tensor([4, 9]))[:, :1] * weights).sum().backward()
            before = Snapshot("t", 1, rows, np.zeros((2, D), np.float32), history.counters(), history.row_values(rows))
    assert before is not None
    assert before.counters == {"forwards": 2}
    assert before.row_values["lookups"].tolist() == [2, 2]
    assert before.row_values["gradient_mean"].tolist() == [3, 4]
