"""Callbacks of the demo: progress display, and pauses until the analyses are done."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paddle
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from visualdl_embedding.callbacks import EmbeddingCallback
from visualdl_embedding.store import open_run

__all__ = ["TrainingProgress", "WaitForFrames"]

POLL_SECONDS = 0.05


class TrainingProgress(paddle.callbacks.Callback):  # type: ignore[misc]
    """Prints a line per epoch, with a progress bar if the console is a terminal.

    Parameters
    ----------
    console
        Console to print to.

    Attributes
    ----------
    held_out_accuracy
        Accuracy after each epoch, 0 to 1.
    """

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.held_out_accuracy: list[float] = []
        self._console = console
        self._epoch = 0
        self._trained: dict[str, Any] = {}
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("Training", total=None)

    def describe(self, what: str) -> None:
        """Set the text before the bar."""
        self._progress.update(self._task, description=what)

    def stop(self) -> None:
        """Remove the bar. Can be called twice."""
        self._progress.stop()

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the bar."""
        self._progress.update(self._task, total=self.params["epochs"] * self.params["steps"])
        self._progress.start()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Store the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        """Advance the bar."""
        self._progress.advance(self._task)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Store the training accuracy for `on_eval_end`."""
        self._trained = dict(logs or {})

    def on_eval_end(self, logs: Any = None) -> None:
        """Print the epoch's line."""
        accuracy = float((logs or {})["acc"])
        self.held_out_accuracy.append(accuracy)
        self._console.print(
            f"Epoch {self._epoch} of {self.params['epochs']}: accuracy {float(self._trained['acc']):.1%} "
            f"in training, {accuracy:.1%} held out.",
            highlight=False,
        )

    def on_train_end(self, logs: Any = None) -> None:
        """Remove the bar."""
        self.stop()


class WaitForFrames(paddle.callbacks.Callback):  # type: ignore[misc]
    """Pauses a short training until each snapshot is analyzed, so that every snapshot has a picture.

    The analyses run in another process, which skips snapshots if it falls behind. The first analysis compiles UMAP for
    10 to 30 s, longer than this training takes. Place it before the `EmbeddingCallback` in a fit.

    Parameters
    ----------
    watched
        Callback to wait for.
    log_dir
        Run directory of that callback.
    every_n_steps
        Interval of that callback's snapshots.
    timeout
        Maximum time in seconds; after one timeout it no longer waits.
    on_wait
        Called with True before a wait and with False afterwards.
    """

    def __init__(
        self,
        watched: EmbeddingCallback,
        log_dir: Path,
        *,
        every_n_steps: int,
        timeout: float = 120.0,
        on_wait: Callable[[bool], None] = lambda waiting: None,
    ) -> None:
        super().__init__()
        self._watched = watched
        self._log_dir = log_dir
        self._every_n_steps = every_n_steps
        self._timeout = timeout
        self._on_wait = on_wait
        self._step = 0

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        """Wait if a snapshot is due and the previous one is not analyzed yet."""
        self._step += 1
        if self._step % self._every_n_steps == 0:
            self._wait()

    def on_train_end(self, logs: Any = None) -> None:
        """Wait before the last snapshot."""
        self._wait()

    def _wait(self) -> None:
        if not self._behind():
            return
        self._on_wait(True)
        give_up = time.monotonic() + self._timeout
        while self._behind():
            if time.monotonic() > give_up:
                self._timeout = 0.0
            time.sleep(POLL_SECONDS)
        self._on_wait(False)

    def _behind(self) -> bool:
        # Without a session the callback is disabled, and no analysis will follow.
        if self._watched.session_ is None or self._timeout == 0:
            return False
        try:
            run = open_run(self._log_dir)
            return any(len(run.steps(t, analyzed=True)) < len(run.steps(t)) for t in run.tables())
        except FileNotFoundError:
            return False
