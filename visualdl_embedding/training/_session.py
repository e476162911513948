"""Recording of one training, independent of the trainer."""

from __future__ import annotations

import atexit
import contextlib
import logging
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visualdl_embedding.alerts import Alert, require_reachable
from visualdl_embedding.logs import LogFile
from visualdl_embedding.models import open_model
from visualdl_embedding.runs import rules_as_extra
from visualdl_embedding.store import TableStore, is_run, open_run
from visualdl_embedding.training._recorder import Recorder
from visualdl_embedding.training._sources import Source, SourceEndedError, TableSource

if TYPE_CHECKING:
    from visualdl_embedding.training._callback import TrainingCallback

__all__ = ["TrainingSession"]

logger = logging.getLogger("visualdl_embedding")

ATEXIT_DRAIN_SECONDS = 5.0


class TrainingSession:
    """Records the sources of a training, such as its tables, in a run directory.

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
        self._options = options
        self._sources = {source.table.name: source for source in _sources_of(network, options)}
        stores = _open_stores(list(self._sources.values()), log_dir, options)
        stored = {name: store.steps() for name, store in stores.items()}
        first = options.initial_step
        self.step = first if first is not None else max(chain.from_iterable(stored.values()), default=0)
        # An interrupted run may hold the last step of some tables only.
        self._last_snapshots = {name: self.step if self.step in steps else -1 for name, steps in stored.items()}
        log = LogFile.open(log_dir, writer=options.writer, share=share)
        if log.note:
            logger.warning("%s", log.note)
        self._recording = True
        self._recorder = Recorder(log, config=options.config, settings=options.settings)
        for name, source in self._sources.items():
            self._recorder.add_table(stores[name])
            source.begin(stores[name])
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
        for name, source in list(self._sources.items()):
            if self.step == self._last_snapshots[name]:
                continue
            try:
                self._recorder.record(source.snapshot(self.step), final=final)
            except SourceEndedError as error:
                if self._options.on_error == "raise":
                    raise
                logger.warning("Table %s is no longer recorded from step %d on: %s.", name, self.step, error)
                self._sources.pop(name).close()
            self._last_snapshots[name] = self.step
        if self._recorder.error is not None:
            raise self._recorder.error

    def _close(self, *, timeout: float | None = -1.0) -> None:
        """Close the recorder; `timeout` as in `Recorder.close`, where -1 is the ``drain_timeout`` of the settings."""
        self._recording = False
        atexit.unregister(self._at_exit)
        for source in self._sources.values():
            source.close()
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


def _sources_of(network: object, options: TrainingCallback) -> list[Source]:
    """Find what the options select in a network, and choose the watched rows."""
    model = open_model(
        network, table=options.tables, vocabulary=options.vocabulary, metadata=options.metadata, keep=options.keep
    )
    rows = model.choose_rows(rows=options.rows, watch=options.watch, random_state=options.config.random_state)
    return [TableSource(t, rows[t.name], training_history=options.training_history) for t in model.tables]


def _open_stores(sources: Sequence[Source], log_dir: Path, options: TrainingCallback) -> dict[str, TableStore]:
    """Open the run's folder of each source, after checking the rules and all folders; return the stores by name."""
    config, resume = options.config, options.resume
    watched = {source.table.name: [source.rows] for source in sources}
    require_reachable(options.rules, watched, null_pairs=config.null_pairs, complete=True)
    # Refuse before anything is written: opening one table moves its superseded steps aside.
    fresh = [
        source.table.name
        for source in sources
        if not TableStore.check_opening(log_dir, source.table, source.rows, config=config, resume=resume)
    ]
    others = [name for name in open_run(log_dir).tables() if name not in fresh] if is_run(log_dir) else []
    if resume and fresh and others:
        logger.warning(
            "%s holds no snapshot of %s to resume, only of %s; recording of it begins here.",
            log_dir,
            ", ".join(map(repr, fresh)),
            ", ".join(map(repr, others)),
        )
    extra = rules_as_extra(options.rules)
    return {
        source.table.name: TableStore.open_for_writing(
            log_dir,
            source.table,
            source.rows,
            config=config,
            resume=resume,
            initial_step=options.initial_step,
            extra=extra,
        )
        for source in sources
    }
