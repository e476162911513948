"""Recording of one training, independent of the trainer."""

from __future__ import annotations

import atexit
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from visualdl_embedding.alerts import Alert, Rule
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.logs import LogFile
from visualdl_embedding.models import Model, ModelTable
from visualdl_embedding.models.live import LiveTable
from visualdl_embedding.runs import rules_as_extra
from visualdl_embedding.store import TableStore
from visualdl_embedding.training._recorder import Recorder
from visualdl_embedding.training._settings import RecorderSettings, Schedule

__all__ = ["TrainingSession"]

logger = logging.getLogger("visualdl_embedding")

ATEXIT_DRAIN_SECONDS = 5.0


class TrainingSession:
    """Records the tables of a training in a run directory.

    An error after construction is logged and ends the recording, or is raised, depending on `on_error`.

    Parameters
    ----------
    model
        Network, with the tables to watch.
    rows
        Watched rows by table.
    log_dir
        Absolute path of the run: the worker uses it even if the user changes directory.
    open_log
        Opens VisualDL's log file; called once the run is known to be writable.
    config, settings, schedule
        Settings of the analyses and of the recorder, and the schedule of snapshots.
    on_error
        ``"disable"`` or ``"raise"``.
    resume, initial_step
        As in `TableStore.open_for_writing`.
    rules
        Alert rules.
    history
        Whether to count lookups and measure gradients.

    Attributes
    ----------
    step
        Number of trained batches.

    Raises
    ------
    FileExistsError
        If the run holds data and `resume` is False.
    ValueError
        If it holds data of other rows.
    OSError
        If it cannot be written.
    """

    def __init__(
        self,
        model: Model,
        rows: Mapping[str, Rows],
        *,
        log_dir: Path,
        open_log: Callable[[], LogFile],
        config: Config,
        settings: RecorderSettings,
        schedule: Schedule,
        on_error: Literal["disable", "raise"],
        resume: bool,
        initial_step: int | None,
        rules: Sequence[Rule] = (),
        history: bool = True,
    ) -> None:
        self._tables = {table.name: table for table in model.tables}
        self._rows = rows
        self._schedule = schedule
        self._on_error = on_error
        extra = rules_as_extra(rules)
        stores = [
            TableStore.open_for_writing(
                log_dir, table.table, rows[name], config=config, resume=resume, initial_step=initial_step, extra=extra
            )
            for name, table in self._tables.items()
        ]
        for table in model.tables:
            _log_choice(table, rows[table.name])
        stored = [step for store in stores for step in store.steps()]
        self.step = initial_step if initial_step is not None else max(stored, default=0)
        self._last_snapshot = self.step if self.step in stored else -1
        log = open_log()
        if log.note:
            logger.warning("%s", log.note)
        self._last_alerts: list[Alert] = []
        self._recorder: Recorder | None = Recorder(log, config=config, settings=settings)
        for store in stores:
            self._recorder.add_table(store)
        from visualdl_embedding.training.history import TrainingHistory

        live_tables = [table.reader for table in model.tables if isinstance(table.reader, LiveTable)]
        self._histories = {
            (name := live.table.name): TrainingHistory(
                live.layers, rows[name].gather_ids, on_error=partial(_log_lost_history, name)
            )
            for live in live_tables
            if history and live.layers
        }
        atexit.register(self._at_exit)

    def begin(self) -> None:
        """Start the recorder, and take the snapshot before training unless the run holds it."""
        if self._recorder is not None:
            self._guarded(self._recorder.start)
            self._guarded(self._snapshot)

    def after_batch(self, *, last: bool = False) -> None:
        """Count a batch, and take a snapshot if one is due; `last` if no batch follows."""
        self.step += 1
        if self._recorder is not None:
            self._guarded(partial(self._recorder.after_batch, self.step))
        if self._schedule.due_at_step(self.step, max(self._last_snapshot, 0)):
            self._guarded(partial(self._snapshot, final=last))

    def after_epoch(self, number: int, *, last: bool = False) -> None:
        """Take a snapshot if one is due after the `number`-th epoch, from 1; `last` if no epoch follows."""
        if self._schedule.due_at_epoch(number):
            self._guarded(partial(self._snapshot, final=last))

    def end(self) -> None:
        """Take the last snapshot, wait for the analyses, and close the log."""
        self._guarded(partial(self._snapshot, final=True))
        self._guarded(self._close)

    def take_alerts(self) -> list[Alert]:
        """Return the alerts since the last call."""
        taken, self._last_alerts = self._last_alerts, []
        return taken + (self._recorder.take_alerts() if self._recorder is not None else [])

    def abandon(self) -> None:
        """Close without waiting."""
        self._guarded(partial(self._close, timeout=0))

    def _snapshot(self, *, final: bool = False) -> None:
        assert self._recorder is not None
        if self.step != self._last_snapshot:
            for name, table in self._tables.items():
                rows = self._rows[name]
                vectors = rows.assemble(table.read_rows(rows.gather_ids))
                values = self._histories[name].row_values(rows) if name in self._histories else {}
                self._recorder.record(Snapshot(name, self.step, rows, vectors, row_values=values), final=final)
            self._last_snapshot = self.step
        if self._recorder.error is not None:
            raise self._recorder.error

    def _close(self, *, timeout: float | None = -1.0) -> None:
        recorder, self._recorder = self._recorder, None
        assert recorder is not None
        atexit.unregister(self._at_exit)
        for history in self._histories.values():
            history.close()
        recorder.close(timeout=timeout)
        self._last_alerts = recorder.take_alerts()
        if recorder.error is not None:
            raise recorder.error

    def _at_exit(self) -> None:
        """Close after a training that ended by an exception or Ctrl-C."""
        self._guarded(partial(self._close, timeout=ATEXIT_DRAIN_SECONDS))

    def _guarded(self, action: Callable[[], None]) -> None:
        """Call `action` without letting its errors end the training; do nothing once the recording has ended."""
        if self._recorder is None:
            return
        try:
            action()
        except Exception as error:
            if self._recorder is not None:
                with contextlib.suppress(Exception):
                    self._close(timeout=0)
            if self._on_error == "raise":
                raise
            logger.warning(
                "Embeddings are no longer recorded from step %d on (%s: %s). Training goes on; stored data is kept.",
                self.step,
                type(error).__name__,
                error,
                exc_info=logger.isEnabledFor(logging.DEBUG),
            )


def _log_lost_history(table: str, error: Exception) -> None:
    logger.warning(
        "Table %s: lookups and gradients are no longer counted (%s: %s). Training and recording go on.",
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
