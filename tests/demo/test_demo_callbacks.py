from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.demo import _callbacks
from visualdl_embedding.demo._callbacks import TrainingProgress, WaitForFrames
from visualdl_embedding.store import TableStore


@pytest.fixture
def unanalyzed(tmp_path: Path) -> Path:
    """A run with a snapshot that nobody analyses."""
    rows = Rows(np.arange(3), ("a", "b", "c"))
    store = TableStore.open_for_writing(tmp_path, Table("word", 3, 2), rows, config=Config())
    store.write_snapshot(Snapshot("word", 0, rows, np.eye(3, 2, dtype=np.float32)))
    return tmp_path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that only `sleep` moves."""
    clock = SimpleNamespace(now=0.0)

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(_callbacks, "time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep))
    return clock


def seconds_waited(clock: SimpleNamespace, wait: WaitForFrames, batches: int = 2) -> float:
    start = clock.now
    for step in range(batches):
        wait.on_train_batch_end(step)
    return float(clock.now - start)


def watched(session: object) -> SimpleNamespace:
    return SimpleNamespace(session_=session)


def test_it_waits_once_for_a_frame_that_never_comes(unanalyzed: Path, clock: SimpleNamespace) -> None:
    said: list[bool] = []
    wait = WaitForFrames(watched(object()), unanalyzed, every_n_steps=2, timeout=0.4, on_wait=said.append)
    assert seconds_waited(clock, wait, 1) == 0, "no snapshot is due after one batch"
    assert seconds_waited(clock, wait, 1) >= 0.4
    assert said == [True, False]
    assert seconds_waited(clock, wait, 10) == 0
    assert said == [True, False]


def test_it_does_not_wait_for_a_callback_that_is_off(unanalyzed: Path, clock: SimpleNamespace) -> None:
    assert seconds_waited(clock, WaitForFrames(watched(None), unanalyzed, every_n_steps=1)) == 0


def test_it_does_not_wait_where_nothing_is_recorded(tmp_path: Path, clock: SimpleNamespace) -> None:
    assert seconds_waited(clock, WaitForFrames(watched(object()), tmp_path, every_n_steps=1)) == 0


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_a_line_per_epoch_and_on_a_terminal_a_bar(terminal: bool) -> None:
    out = io.StringIO()
    progress = TrainingProgress(Console(file=out, force_terminal=terminal, width=100))
    progress.set_params({"epochs": 2, "steps": 3})
    progress.on_train_begin()
    for epoch, accuracy in enumerate((0.5, 0.75)):
        progress.on_epoch_begin(epoch)
        for step in range(3):
            progress.on_train_batch_end(step)
        progress.on_epoch_end(epoch, {"acc": 0.9})
        progress.on_eval_end({"acc": accuracy})
    progress.describe("Almost")
    progress.on_train_end()
    progress.stop()
    assert progress.held_out_accuracy == [0.5, 0.75]
    text = out.getvalue()
    assert "Epoch 2 of 2" in text
    assert ("Almost" in text) == terminal
    assert ("6/6" in text) == terminal
