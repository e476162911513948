"""What the snapshots of a training are taken of."""

from __future__ import annotations

import contextlib
import logging
import weakref
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.errors import DamagedFileError, EmbeddingError
from visualdl_embedding.models import ModelTable
from visualdl_embedding.models.live import LiveTable
from visualdl_embedding.store import TableStore
from visualdl_embedding.training._ranks import Ranks

if TYPE_CHECKING:
    from visualdl_embedding.training.history import TrainingHistory

__all__ = ["Source", "SourceEndedError", "TableSource"]

logger = logging.getLogger("visualdl_embedding")


class SourceEndedError(EmbeddingError, RuntimeError):
    """No more snapshots can be taken of a source; other sources are recorded on."""


class Source(Protocol):
    """Something in a training that has watched rows with vectors, such as a table.

    With several ranks all call each method at the same place of the training, and rank 0 records.
    """

    @property
    def table(self) -> Table:
        """Name and shape for the run's description."""
        ...

    @property
    def rows(self) -> Rows:
        """Watched rows."""
        ...

    def past(self, store: TableStore) -> Any:
        """Read what is counted beside the vectors from the last stored snapshot; only rank 0 does."""
        ...

    def begin(self, past: Any) -> None:
        """Start to count, on from the result of `past`."""
        ...

    def snapshot(self, step: int) -> Snapshot:
        """Read the vectors and counts after `step` batches, on the training thread.

        SourceEndedError ends the recording of this source.
        """
        ...

    def close(self) -> None:
        """Stop counting."""
        ...


@dataclass(frozen=True)
class _Past:
    """Last snapshot of a resumed training, without vectors; `is_known` is False if it has no readable counts."""

    snapshot: Snapshot | None = None
    is_known: bool = True


class TableSource:
    """Watched rows of an embedding table, with the lookups and gradients of its layers and functional calls."""

    def __init__(self, model_table: ModelTable, rows: Rows, *, training_history: bool, ranks: Ranks) -> None:
        self.table = model_table.table
        self.rows = rows
        self._ranks = ranks
        self._model_table = model_table
        live = model_table.reader
        self._counted = live if training_history and isinstance(live, LiveTable) and live.is_countable else None
        self._history: TrainingHistory | None = None
        self._says_unseen = True
        self._has_grown = False

    def past(self, store: TableStore) -> _Past:
        """Read the counts of the last snapshot of a resumed training."""
        if not (steps := store.steps()):
            return _Past()
        earlier = None
        with contextlib.suppress(DamagedFileError):
            earlier = store.read_snapshot(steps[-1])
        if earlier is not None and "lookups" in earlier.row_values:
            return _Past(replace(earlier, vectors=earlier.vectors[:, :0]))
        if self._counted is not None:
            logger.warning(
                "Table %s: the stored snapshot of step %d has no readable counts of lookups, so those of the "
                "resumed training remain unknown.",
                self.table.name,
                steps[-1],
            )
        return _Past(is_known=False)

    def begin(self, past: _Past) -> None:
        """Log the choice of rows, and start to count lookups and gradients."""
        if self._ranks.writes:
            self._log_choice()
        if (live := self._counted) is not None and past.is_known:
            from visualdl_embedding.training.history import TrainingHistory

            self._history = TrainingHistory(
                live.layers,
                self.rows.gather_ids,
                on_error=partial(_log_lost_history, self.table.name),
                earlier=past.snapshot,
                weight=live.current,
                holder=live.holder[0] if live.holder else None,
            )
            # The hooks, which hold the table, must not outlive a session that is freed without being closed.
            weakref.finalize(self, self._history.close).atexit = False

    def _log_choice(self) -> None:
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

    def snapshot(self, step: int) -> Snapshot:
        """Read the vectors and counts; without a call of the layer, training may use the table otherwise."""
        # First what needs all ranks: reading may fail on one of them.
        self._follow()
        counts = None if self._history is None else self._history.take(self._ranks.sum)
        vectors = self._model_table.vectors_of(self.rows)
        if self._history is None or self._counted is None:
            return Snapshot(self.table.name, step, self.rows, vectors)
        counters, values = self._history.counters(counts), self._history.row_values(self.rows, counts)
        if counters.get("forwards") == 0 and step:
            values = {}
            says_it = self._says_unseen and self._ranks.writes
            if says_it and self._counted.current.stop_gradient:
                logger.info(
                    "Table %s is frozen (stop_gradient=True), so its lookups and gradients are not counted.",
                    self.table.name,
                )
            elif says_it:
                logger.warning(
                    "Table %s: no lookup was counted up to step %d, so lookups and gradients are unknown. Calls of a "
                    "trainable nn.Embedding and of paddle.nn.functional.embedding in dynamic mode are counted, but "
                    "neither other uses of the weight (also the function imported by its name before the training) "
                    "nor what to_static compiles.",
                    self.table.name,
                    step,
                )
            self._says_unseen = False
        return Snapshot(self.table.name, step, self.rows, vectors, counters, values)

    def close(self) -> None:
        """Remove the hooks from the layers."""
        if self._history is not None:
            self._history.close()

    def _follow(self) -> None:
        """Look at the parameter that the layer holds now; SourceEndedError on all ranks if it is another table."""
        live = self._model_table.reader
        if not isinstance(live, LiveTable):
            return
        before, now = (tuple(getattr(weight, "shape", ())) for weight in (live.parameter, live.current))
        same = now == before or (live.shards is None and now[1:] == before[1:] and now[0] > before[0])
        ended, replaced = self._ranks.sum(np.array([not same, live.has_new_layer], dtype=np.float64)) > 0
        if ended:
            raise SourceEndedError(
                f"its layer now holds a weight of shape {now} instead of {before}, and the frames of a run must hold "
                "the same rows and columns"
            )
        if now[0] > before[0] and not self._has_grown and self._ranks.writes:
            self._has_grown = True
            logger.info(
                "Table %s has grown from %d to %d rows; the same rows are watched as before.",
                self.table.name,
                before[0],
                now[0],
            )
        if self._history is not None and replaced:
            # Its calls since the last snapshot were not counted.
            self._history.close()
            self._history = None
            if self._ranks.writes:
                logger.warning(
                    "Table %s: another layer has taken the place of its layer. Lookups and gradients are unknown from "
                    "now on.",
                    self.table.name,
                )
        if self._history is not None:
            self._history.follow(live.current)


def _log_lost_history(table: str, error: Exception) -> None:
    logger.warning(
        "Table %s: lookups and gradients are no longer counted (%s: %s). Training and recording continue.",
        table,
        type(error).__name__,
        error,
    )
