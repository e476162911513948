"""Trainings whose batches come from forked workers of a DataLoader."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import paddle
import psutil
import pytest
from callback_training import LABELS, Sentences, make_model

from visualdl_embedding import open_run
from visualdl_embedding.callbacks import EmbeddingCallback
from visualdl_embedding.store import TableStore

QUICK: dict[str, Any] = {"vocabulary": LABELS, "methods": ("pca",), "n_neighbors": 5}
FITS = 5


def fit_with_workers(*callbacks: Any, epochs: int, **loading: Any) -> None:
    loader = paddle.io.DataLoader(Sentences(), batch_size=8, **loading)
    make_model().fit(loader, epochs=epochs, verbose=0, callbacks=list(callbacks))


class ChildrenAtTrainBegin(paddle.callbacks.Callback):
    def on_train_begin(self, logs: Any = None) -> None:
        self.names = [" ".join(child.cmdline()) for child in psutil.Process().children()]


@pytest.mark.parametrize("resume", [False, True])
def test_the_analysis_process_starts_before_any_worker_is_forked(tmp_path: Path, resume: bool) -> None:
    if resume:
        fit_with_workers(EmbeddingCallback(tmp_path, background=False, **QUICK), epochs=1)
    seen = ChildrenAtTrainBegin()
    fit_with_workers(EmbeddingCallback(tmp_path, resume=resume, **QUICK), seen, epochs=1)
    assert sum("visualdl_embedding.training.worker" in name for name in seen.names) == 1


@pytest.mark.soak
@pytest.mark.parametrize("loading", [{}, {"num_workers": 2}, {"num_workers": 2, "persistent_workers": True}], ids=str)
def test_every_snapshot_is_stored(tmp_path: Path, loading: dict[str, Any]) -> None:
    for number in range(FITS):
        run = tmp_path / str(number)
        fit_with_workers(EmbeddingCallback(run, every_n_steps=4, **QUICK), epochs=3, **loading)
        assert open_run(run).steps("word") == list(range(0, 25, 4))
        assert open_run(run).steps("word", analyzed=True)[-1] == 24


class Stream(paddle.io.IterableDataset):
    """The sentences in order; `fit` does not know which batch is the last."""

    def __iter__(self) -> Any:
        sentences = Sentences()
        yield from (sentences[i] for i in range(len(sentences)))


def test_the_last_snapshot_is_stored_even_if_it_was_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = TableStore.write_snapshot

    def slow(store: TableStore, snapshot: Any) -> None:
        time.sleep(0.3)
        write(store, snapshot)

    monkeypatch.setattr(TableStore, "write_snapshot", slow)
    monkeypatch.setattr("visualdl_embedding.training._events.MAX_WAITING_BYTES", 1)
    monkeypatch.setattr("visualdl_embedding.training._recorder.HAND_OVER_SECONDS", 0.01)
    loader = paddle.io.DataLoader(Stream(), batch_size=8)
    callback = EmbeddingCallback(tmp_path, every_n_steps=1, **QUICK)
    make_model().fit(loader, epochs=1, verbose=0, callbacks=[callback])
    steps = open_run(tmp_path).steps("word")
    assert steps[-1] == 8
    assert len(steps) < 9
