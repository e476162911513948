"""Monitor for training loops without a trainer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from visualdl_embedding.training import TrainingCallback

__all__ = ["EmbeddingMonitor"]

T = TypeVar("T")


class EmbeddingMonitor(TrainingCallback):
    """Record embedding tables in a training loop of your own, and log them for VisualDL.

    The recording begins and ends with a ``with`` block. If an exception ends the block, stored data is kept, analyses
    have 5 seconds to finish, and the exception propagates.

    Parameters
    ----------
    network
        A ``paddle.nn.Layer``; or the scope of a static program (``paddle.static.global_scope()``), with the names of
        its variables as `tables`.
    log_dir
        Run directory. Default: that of `writer`.
    options
        Those of `visualdl_embedding.EmbeddingCallback`. Without `every_n_steps` and `every_n_epochs`, the schedule is
        ``every_n_steps="geometric"``, because a loop may have no epochs.

    Attributes
    ----------
    should_stop
        Whether `stop_on` selected an alert: the loop must end. `iterate` ends by itself.
    run_dir_
        As in `EmbeddingCallback`.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError, FileExistsError, PermissionError
        If an argument is wrong; at construction or when the block begins.
    RuntimeError
        If a batch is counted outside the block.

    Examples
    --------
    >>> with EmbeddingMonitor(network, "runs/a", vocabulary="vocab.txt") as monitor:  # doctest: +SKIP
    ...     for batch in loader:
    ...         loss = train_on(batch)
    ...         monitor.step(loss=loss)
    ...         if monitor.should_stop:
    ...             break
    """

    def __init__(self, network: object, log_dir: str | os.PathLike[str] | None = None, **options: Any) -> None:
        if options.get("every_n_steps") is None and options.get("every_n_epochs") is None:
            options["every_n_steps"] = "geometric"
        super().__init__(log_dir, **options)
        self.should_stop = False
        self._network = network
        self._epoch = 0
        self._uncounted = False
        self._inside = False

    def __enter__(self) -> EmbeddingMonitor:
        """Choose tables and rows, open the run, and take the snapshot before training."""
        self.should_stop = self._uncounted = False
        theirs = getattr(self.writer, "logdir", None)
        self._begin(self._network, their_log_dir=theirs, where="writer with a directory")
        self._inside = True
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Take the last snapshot, wait for the analyses, and close the log."""
        if kind is None:
            self._count()
            self._inside = False
            self._end()
        else:
            self._inside = False
            self._abandon()

    def step(self, *, loss: Any = None) -> None:
        """Count a batch, log its `loss` as ``train/loss``, and take a snapshot if one is due.

        `loss` is a number or a tensor with one element. To read a tensor of a GPU, Python waits for its computation.
        """
        if not self._inside:
            raise RuntimeError(
                "step was called outside the with block of the monitor, so nothing is recorded. Write the loop inside: "
                'with EmbeddingMonitor(network, "runs/a") as monitor.'
            )
        self._uncounted = False
        self._after_batch(last=False, loss=None if loss is None else float(loss))

    def end_epoch(self) -> None:
        """Count an epoch, for `every_n_epochs`."""
        self._count()
        self._epoch += 1
        self._after_epoch(self._epoch, last=False)

    def iterate(self, batches: Iterable[T]) -> Iterator[T]:
        """Yield batches, such as those of a ``DataLoader``, and count each when the next one is requested.

        A batch that the loop counts by `step` is not counted again. After ``break``, the last batch is counted by the
        next call of the monitor or at the end of the block. The end of `batches` ends an epoch. If `should_stop` is
        True, the loop ends.
        """
        self._count()
        for batch in batches:
            if self.should_stop:
                return
            self._uncounted = True
            yield batch
            self._count()
            if self.should_stop:
                return
        self.end_epoch()

    def _count(self) -> None:
        if self._uncounted:
            self.step()

    def _stop_training(self) -> None:
        self.should_stop = True
