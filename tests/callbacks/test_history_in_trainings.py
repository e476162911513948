"""Counts of lookups in compiled networks, beside other uses of the weight, and in resumed trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from callback_training import Bag, Sentences, WithPositions, fit, make_model
from paddle.nn.functional import embedding as imported_by_name

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


class Functional(Bag):
    """Looks up rows of its layer's weight, and of a parameter of its own, with the layer's words as output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = self.create_parameter([60, 8])

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        vectors = F.embedding(ids, self.word.weight) + F.embedding(ids, self.table, padding_idx=5)
        return self.head(vectors.mean(axis=1)) + (vectors @ self.word.weight.T).mean()


def test_functional_lookups_of_parameters_are_counted(tmp_path: Path) -> None:
    original = F.embedding
    callback = EmbeddingCallback(
        tmp_path, rows={"word": 60, "table": "all"}, tables=["word", "table"], methods=(), background=False
    )
    fit(callback, model=make_model(Functional()))
    assert F.embedding is original
    run, expected = open_run(tmp_path), 2 * np.bincount(Sentences().ids.ravel(), minlength=60)
    for table in ("word", "table"):
        snapshot = run.snapshot(table, 16)
        assert snapshot.counters["forwards"] == 16
        wanted = expected if table == "word" else np.where(np.arange(60) == 5, 0, expected)
        assert snapshot.row_values["lookups"].tolist() == wanted.tolist()
        assert np.isnan(snapshot.row_values["gradient_mean"]).tolist() == (wanted == 0).tolist()


def test_uses_of_the_weight_that_are_no_counted_lookups_leave_them_unknown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Imported(Bag):
        def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
            return self.head(imported_by_name(ids, self.word.weight).mean(axis=1)) + self.word.weight.mean()

    fit(EmbeddingCallback(tmp_path, rows=60, methods=(), background=False), model=make_model(Imported()))
    run = open_run(tmp_path)
    assert run.steps("word") == [0, 8, 16]
    for step in run.steps("word"):
        assert step == 0 or run.snapshot("word", step).row_values == {}
        assert run.snapshot("word", step).counters == {"forwards": 0}
        assert "never_trained_rows" not in run.analysis("word", step).scalars
    assert sum("no lookup was counted up to step 8" in message for message in caplog.messages) == 1


def test_a_frozen_table_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = make_model()
    model.network.word.weight.stop_gradient = True
    with caplog.at_level("INFO", "visualdl_embedding"):
        fit(EmbeddingCallback(tmp_path, methods=(), background=False), model=model)
    message = "Table word is frozen (stop_gradient=True), so its lookups and gradients are not counted."
    assert caplog.messages.count(message) == 1
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("whole_layer", [False, True])
def test_a_table_that_grows_is_followed_and_one_that_becomes_another_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, whole_layer: bool
) -> None:
    class Growing(paddle.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            network = self.model.network
            if epoch == 1:
                if whole_layer:  # as PaddleNLP's resize_token_embeddings
                    network.word = paddle.nn.Embedding(70, 8)
                else:
                    network.word.weight = paddle.create_parameter([70, 8], "float32")
                network.word.weight.set_value(np.full([70, 8], 7.0, np.float32))
                network.position.weight = paddle.create_parameter([6, 8], "float32")

    model = make_model(WithPositions())
    with caplog.at_level("INFO"):
        fit(EmbeddingCallback(tmp_path, rows=60, methods=(), background=False), Growing(), model=model, epochs=3)
    run, words = open_run(tmp_path), model.network.word.weight.numpy()[:60]
    assert (run.steps("word"), run.steps("position")) == ([0, 8, 16, 24], [0, 8])
    assert np.array_equal(run.snapshot("word", 24).vectors, words)
    if whole_layer:
        assert not run.snapshot("word", 24).row_values
        assert sum("another layer has taken the place" in message for message in caplog.messages) == 1
    else:
        assert run.snapshot("word", 24).row_values["lookups"].sum() == 3 * Sentences().ids.size
    grown = [message for message in caplog.messages if "has grown from 60 to 70 rows" in message]
    ended = [message for message in caplog.messages if "Table position is no longer recorded from step 16" in message]
    assert (len(grown), len(ended)) == (1, 1)
    assert "shape (6, 8) instead of (12, 8)" in ended[0]


def test_a_table_of_another_width_is_an_error_if_errors_are_raised(tmp_path: Path) -> None:
    class Narrowing(paddle.callbacks.Callback):
        def on_train_batch_begin(self, step: int, logs: Any = None) -> None:
            self.model.network.spare.weight = paddle.create_parameter([60, 4], "float32")

    class Spare(Bag):
        def __init__(self) -> None:
            super().__init__()
            self.spare = paddle.nn.Embedding(60, 8)

    callback = EmbeddingCallback(tmp_path, methods=(), background=False, on_error="raise")
    with pytest.raises(RuntimeError, match=r"shape \(60, 4\) instead of \(60, 8\)"):
        fit(callback, Narrowing(), model=make_model(Spare()))


def test_weight_norm_is_followed(tmp_path: Path) -> None:
    network = Bag()
    paddle.nn.utils.weight_norm(network.word)
    model = make_model(network)
    fit(EmbeddingCallback(tmp_path, rows=60, methods=(), background=False), model=model)
    first, last = (open_run(tmp_path).snapshot("word", step) for step in (0, 16))
    # The layer computes its weight when it is called: that of the last batch.
    assert np.array_equal(last.vectors, network.word.weight.numpy())
    assert np.abs(last.vectors - first.vectors).max() > 0.01
    assert last.row_values["lookups"].sum() == 2 * Sentences().ids.size


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
    model = make_model()
    fit(EmbeddingCallback(tmp_path / "off", training_history=False, **options), model=model, epochs=1)
    fit(EmbeddingCallback(tmp_path / "off", resume=True, **options), model=model, epochs=1)
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
