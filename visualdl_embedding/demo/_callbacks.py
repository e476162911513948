"""Progress display of the demo."""

from __future__ import annotations

from typing import Any

import paddle
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["TrainingProgress"]


class TrainingProgress(paddle.callbacks.Callback):  # type: ignore[misc]
    """Prints a line per epoch, with a progress bar if the console is a terminal.

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
            TextColumn("Training, with an analysis of each snapshot"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=None)

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
