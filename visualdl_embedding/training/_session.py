"""Recording of one training, independent of the trainer."""

from __future__ import annotations

import atexit
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.alerts import Alert, require_reachable
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.errors import DamagedFileError
from visualdl_embedding.logs import LogFile
from visualdl_embedding.models import ModelTable, open_model
from visualdl_embedding.models.live import LiveTable
from visualdl_embedding.runs import rules_as_extra
from visualdl_embedding.store import TableStore, is_run, open_run
from visualdl_embedding.training._recorder import Recorder

if TYPE_CHECKING:
    from visualdl_embedding.training._callback import TrainingCallback
    from visualdl_embedding.training.history import TrainingHistory

__all__ = ["TrainingSession"]

logger = logging.getLogger("visualdl_embedding")

ATEXIT_DRAIN_SECONDS = 5.0


class TrainingSession:
    """Records the tables of a training in a run directory.

    An error after construction ends the recording. It is logged, or raised if the option `on_error` is ``"raise"``.

    Parameters
    ----------
    network
        A ``paddle.nn.Layer``.
    log_dir
        Absolute path of the run: the worker uses it even if the user changes directory.
    options
        Callback with the options of the recording.
    share
        ``paddle.callbacks.VisualDL`` of the same training, whose log file is used.

    Attributes
    ----------
    step
        Number of trained batches.
    """

    def __init__(self, network: object, log_dir: Path, options: TrainingCallback, *, share: Any = None) -> None:
        model = open_model(
            network, table=options.tables, vocabulary=options.vocabulary, metadata=options.metadata, keep=options.keep
        )
        rows = model.choose_rows(rows=options.rows, watch=options.watch, random_state=options.config.random_state)
        self._tables = {table.name: table for table in model.tables}
        self._rows = rows
        self._options = options
        require_reachable(
            options.rules,
            {name: [rows[name]] for name in self._tables},
            null_pairs=options.config.null_pairs,
            complete=True,
        )
        first, extra = options.initial_step, rules_as_extra(options.rules)
        # Refuse before anything is written: opening one table moves its superseded steps aside.
        steps = {
            name: TableStore.check_opening(
                log_dir, table.table, rows[name], config=options.config, resume=options.resume
            )
            for name, table in self._tables.items()
        }
        fresh = [name for name, known in steps.items() if not known]
        others = [name for name in open_run(log_dir).tables() if name not in fresh] if is_run(log_dir) else []
        if options.resume and fresh and others:
            logger.warning(
                "%s holds no snapshot of %s to resume, only of %s; recording of it begins here.",
                log_dir,
                ", ".join(map(repr, fresh)),
                ", ".join(map(repr, others)),
            )
        stores = [
            TableStore.open_for_writing(
                log_dir,
                table.table,
                rows[name],
                config=options.config,
                resume=options.resume,
                initial_step=first,
                extra=extra,
            )
            for name, table in self._tables.items()
        ]
        for table in model.tables:
            _log_choice(table, rows[table.name])
        stored = {store.description.table.name: store.steps() for store in stores}
        self.step = first if first is not None else max(chain.from_iterable(stored.values()), default=0)
        # An interrupted run may hold the last step of some tables only.
        self._last_snapshots = {name: self.step if self.step in steps else -1 for name, steps in stored.items()}
        log = LogFile.open(log_dir, writer=options.writer, share=share)
        if log.note:
            logger.warning("%s", log.note)
        self._recording = True
        self._recorder = Recorder(log, config=options.config, settings=options.settings)
        for store in stores:
            self._recorder.add_table(store)
        live_tables = [table.reader for table in model.tables if isinstance(table.reader, LiveTable)]
        self._histories = {
            live.table.name: history
            for live, store in zip(live_tables, stores, strict=True)
            if options.training_history and (history := _history(live, store, rows[live.table.name]))
        }
        self._unseen: set[str] = set()
        atexit.register(self._at_exit)

    def begin(self) -> None:
        """Start the recorder, and take the snapshot before training of each table unless the run contains it."""
        self._guarded(self._recorder.start)
        self._guarded(self._snapshot)

    def after_batch(self, *, last: bool = False) -> None:
        """Count a batch, and take a snapshot if one is due; `last` if no batch follows."""
        self.step += 1
        self._guarded(self._recorder.after_batch, self.step)
        if self._options.schedule.due_at_step(self.step, max(0, *self._last_snapshots.values())):
            self._guarded(self._snapshot, final=last)

    def after_epoch(self, number: int, *, last: bool = False) -> None:
        """Take a snapshot if one is due after the `number`-th epoch, from 1; `last` if no epoch follows."""
        if self._options.schedule.due_at_epoch(number):
            self._guarded(self._snapshot, final=last)

    def end(self) -> None:
        """Take the last snapshot, wait for the analyses, and close the log."""
        self._guarded(self._snapshot, final=True)
        self._guarded(self._close)

    def take_alerts(self) -> list[Alert]:
        """Return the alerts since the last call."""
        return self._recorder.take_alerts()

    def abandon(self) -> None:
        """Close without waiting."""
        self._guarded(self._close, timeout=0)

    def _snapshot(self, *, final: bool = False) -> None:
        for name, table in self._tables.items():
            if self.step != self._last_snapshots[name]:
                rows = self._rows[name]
                counters, values = self._counts(name)
                snapshot = Snapshot(name, self.step, rows, table.vectors_of(rows), counters, values)
                self._recorder.record(snapshot, final=final)
                self._last_snapshots[name] = self.step
        if self._recorder.error is not None:
            raise self._recorder.error

    def _counts(self, name: str) -> tuple[dict[str, float], dict[str, NDArray[np.float32]]]:
        """Counters and row values of a table's snapshot; without a call of its layer, training may use it otherwise."""
        if (history := self._histories.get(name)) is None:
            return {}, {}
        counters, values = history.counters(), history.row_values(self._rows[name])
        if counters.get("forwards") != 0 or not self.step:
            return counters, values
        if name not in self._unseen:
            self._unseen.add(name)
            logger.warning(
                "Table %s: no call of its layer was counted up to step %d, so lookups and gradients are unknown. Calls "
                "of a trainable nn.Embedding in dynamic mode are counted, but neither F.embedding(ids, weight) nor a "
                "network compiled as a whole by to_static.",
                name,
                self.step,
            )
        return counters, {}

    def _close(self, *, timeout: float | None = -1.0) -> None:
        """Close the recorder; `timeout` as in `Recorder.close`, where -1 is the ``drain_timeout`` of the settings."""
        self._recording = False
        atexit.unregister(self._at_exit)
        for history in self._histories.values():
            history.close()
        self._recorder.close(timeout=timeout)
        if self._recorder.error is not None:
            raise self._recorder.error

    def _at_exit(self) -> None:
        """Close after a training that ended by an exception or Ctrl-C."""
        self._guarded(self._close, timeout=ATEXIT_DRAIN_SECONDS)

    def _guarded(self, action: Callable[..., None], *arguments: Any, **options: Any) -> None:
        """Call `action`, and handle its errors by the option `on_error`; do nothing once the recording has ended."""
        if not self._recording:
            return
        try:
            action(*arguments, **options)
        except Exception as error:
            if self._recording:
                with contextlib.suppress(Exception):
                    self._close(timeout=0)
            if self._options.on_error == "raise":
                raise
            logger.warning(
                "Embeddings are no longer recorded from step %d on (%s: %s). Training continues; stored data is kept.",
                self.step,
                type(error).__name__,
                error,
                exc_info=logger.isEnabledFor(logging.DEBUG),
            )


def _history(live: LiveTable, store: TableStore, rows: Rows) -> TrainingHistory | None:
    """Count a table's lookups from the last snapshot of a resumed training on; None if they cannot be counted."""
    from visualdl_embedding.training.history import TrainingHistory

    if not live.layers:
        return None
    earlier = None
    if steps := store.steps():
        with contextlib.suppress(DamagedFileError):
            earlier = store.read_snapshot(steps[-1])
        if earlier is None or "lookups" not in earlier.row_values:
            logger.warning(
                "Table %s: the stored snapshot of step %d has no readable counts of lookups, so those of the resumed "
                "training remain unknown.",
                live.table.name,
                steps[-1],
            )
            return None
    return TrainingHistory(
        live.layers, rows.gather_ids, on_error=partial(_log_lost_history, live.table.name), earlier=earlier
    )


def _log_lost_history(table: str, error: Exception) -> None:
    logger.warning(
        "Table %s: lookups and gradients are no longer counted (%s: %s). Training and recording continue.",
        table,
        type(error).__name__,
        error,
    )


def _log_choice(table: ModelTable, rows: Rows) -> None:
    for note in table.notes:
        logger.warning("Table %s: %s", table.name, note)
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in rows.left_out.items() if count)
    logger.info(
        "Table %s (%d x %d): watching %d rows, %s%s.",
        table.name,
        table.table.num_rows,
        table.table.dim,
        len(rows),
        rows.how,
        f"; left out: {left_out}" if left_out else "",
    )
