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

__all__ = ["Source", "TableSource"]

logger = logging.getLogger("visualdl_embedding")


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
        """Read the vectors and counts after `step` batches, on the training thread."""
        ...

    def close(self) -> None:
        """Stop counting."""
        ...


class TableSource:
    """Watched rows of an embedding table, with the lookups and gradients of its layers."""

    def __init__(self, model_table: ModelTable, rows: Rows, *, training_history: bool) -> None:
        self.table = model_table.table
        self.rows = rows
        self._model_table = model_table
        self._training_history = training_history
        self._history: TrainingHistory | None = None
        self._says_unseen = True

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
        vectors = self._model_table.vectors_of(self.rows)
        if self._history is None:
            return Snapshot(self.table.name, step, self.rows, vectors)
        counters, values = self._history.counters(), self._history.row_values(self.rows)
        if counters.get("forwards") == 0 and step:
            values = {}
            if self._says_unseen:
                self._says_unseen = False
                logger.warning(
                    "Table %s: no call of its layer was counted up to step %d, so lookups and gradients are unknown. "
                    "Calls of a trainable nn.Embedding in dynamic mode are counted, but neither "
                    "F.embedding(ids, weight) nor a network compiled as a whole by to_static.",
                    self.table.name,
                    step,
                )
        return Snapshot(self.table.name, step, self.rows, vectors, counters, values)

    def close(self) -> None:
        """Remove the hooks from the layers."""
        if self._history is not None:
            self._history.close()

    def _count_from(self, store: TableStore) -> TrainingHistory | None:
        """Count lookups from the last snapshot of a resumed training on; None if they cannot be counted."""
        from visualdl_embedding.training.history import TrainingHistory

        live = self._model_table.reader
        if not isinstance(live, LiveTable) or not live.layers:
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
            live.layers, self.rows.gather_ids, on_error=partial(_log_lost_history, self.table.name), earlier=earlier
        )


def _log_lost_history(table: str, error: Exception) -> None:
    logger.warning(
        "Table %s: lookups and gradients are no longer counted (%s: %s). Training and recording continue.",
        table,
        type(error).__name__,
        error,
    )
