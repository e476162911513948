"""Trainings whose batches come from forked workers of a DataLoader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle
import psutil
import pytest
from callback_training import LABELS, Sentences, make_model

from visualdl_embedding import open_run
from visualdl_embedding.callbacks import EmbeddingCallback

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
