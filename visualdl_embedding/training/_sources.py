"""What the snapshots of a training are taken of."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Protocol

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.errors import DamagedFileError
from visualdl_embedding.models import ModelTable
from visualdl_embedding.models.live import LiveTable
from visualdl_embedding.store import TableStore

if TYPE_CHECKING:
    from visualdl_embedding.training.history import TrainingHistory

__all__ = ["Source", "SourceEndedError", "TableSource"]

logger = logging.getLogger("visualdl_embedding")


class SourceEndedError(RuntimeError):
    """No more snapshots can be taken of a source; other sources are recorded on."""


class Source(Protocol):
    """Something in a training that has watched rows with vectors, such as a table."""

    @property
    def table(self) -> Table:
        """Name and shape for the run's description."""
        ...

    @property
    def rows(self) -> Rows:
        """Watched rows."""
        ...

    def begin(self, store: TableStore) -> None:
        """Start to count what is counted beside the vectors, from the counts of the last stored snapshot on."""
        ...

    def snapshot(self, step: int) -> Snapshot:
        """Read the vectors and counts after `step` batches, on the training thread.

        SourceEndedError ends the recording of this source.
        """
        ...

    def close(self) -> None:
        """Stop counting."""
        ...


class TableSource:
    """Watched rows of an embedding table, with the lookups and gradients of its layers and functional calls."""

    def __init__(self, model_table: ModelTable, rows: Rows, *, training_history: bool) -> None:
        self.table = model_table.table
        self.rows = rows
        self._model_table = model_table
        self._training_history = training_history
        self._history: TrainingHistory | None = None
        self._says_unseen = True
        self._num_rows = self.table.num_rows

    def begin(self, store: TableStore) -> None:
        """Log the choice of rows, and start to count lookups and gradients."""
        for note in self._model_table.notes:
            logger.warning("Table %s: %s", self.table.name, note)
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in self.rows.left_out.items() if count)
        logger.info(
            "Table %s (%d x %d): watching %d rows, %s%s.",
            self.table.name,
            self.table.num_rows,
            self.table.dim,
            len(self.rows),
            self.rows.how,
            f"; left out: {left_out}" if left_out else "",
        )
        if self._training_history:
            self._history = self._count_from(store)

    def snapshot(self, step: int) -> Snapshot:
        """Read the vectors and counts; without a call of the layer, training may use the table otherwise."""
        self._follow()
        vectors = self._model_table.vectors_of(self.rows)
        if self._history is None:
            return Snapshot(self.table.name, step, self.rows, vectors)
        counters, values = self._history.counters(), self._history.row_values(self.rows)
        if counters.get("forwards") == 0 and step:
            values = {}
            if self._says_unseen:
                self._says_unseen = False
                logger.warning(
                    "Table %s: no lookup was counted up to step %d, so lookups and gradients are unknown. Calls of a "
                    "trainable nn.Embedding and of paddle.nn.functional.embedding in dynamic mode are counted, but "
                    "neither other uses of the weight (also the function imported by its name before the training) "
                    "nor what to_static compiles.",
                    self.table.name,
                    step,
                )
        return Snapshot(self.table.name, step, self.rows, vectors, counters, values)

    def close(self) -> None:
        """Remove the hooks from the layers."""
        if self._history is not None:
            self._history.close()

    def _follow(self) -> None:
        """Look at the parameter that the layer holds now; SourceEndedError if it is another table."""
        live = self._model_table.reader
        if not isinstance(live, LiveTable):
            return
        before, now = (tuple(getattr(weight, "shape", ())) for weight in (live.parameter, live.current))
        if now[1:] != before[1:] or now[0] < before[0]:
            raise SourceEndedError(
                f"its layer now holds a weight of shape {now} instead of {before}, and the frames of a run must hold "
                "the same rows and columns"
            )
        if now[0] > self._num_rows:
            logger.info(
                "Table %s has grown from %d to %d rows; the same rows are watched as before.",
                self.table.name,
                self._num_rows,
                now[0],
            )
            self._num_rows = now[0]
        if self._history is not None:
            self._history.follow(live.current)

    def _count_from(self, store: TableStore) -> TrainingHistory | None:
        """Count lookups from the last snapshot of a resumed training on; None if they cannot be counted."""
        from visualdl_embedding.training.history import TrainingHistory

        live = self._model_table.reader
        if not isinstance(live, LiveTable):
            return None
        earlier = None
        if steps := store.steps():
            with contextlib.suppress(DamagedFileError):
                earlier = store.read_snapshot(steps[-1])
            if earlier is None or "lookups" not in earlier.row_values:
                logger.warning(
                    "Table %s: the stored snapshot of step %d has no readable counts of lookups, so those of the "
                    "resumed training remain unknown.",
                    self.table.name,
                    steps[-1],
                )
                return None
        return TrainingHistory(
            live.layers,
            self.rows.gather_ids,
            on_error=partial(_log_lost_history, self.table.name),
            earlier=earlier,
            weight=live.current,
            holder=live.holder[0] if live.holder else None,
        )


def _log_lost_history(table: str, error: Exception) -> None:
    logger.warning(
        "Table %s: lookups and gradients are no longer counted (%s: %s). Training and recording continue.",
        table,
        type(error).__name__,
        error,
    )
