"""Recording of one training, independent of the trainer."""

from __future__ import annotations

import contextlib
import logging
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.alerts import Alert, require_reachable
from visualdl_embedding.core.messages import show_messages
from visualdl_embedding.logs import LogFile, scalar_record
from visualdl_embedding.models import open_model
from visualdl_embedding.runs import rules_as_extra
from visualdl_embedding.store import TableReader, TableStore, find_restart, is_run, open_run
from visualdl_embedding.training._open_runs import Driver, choose_directory, forget, register
from visualdl_embedding.training._probe import ProbeSource
from visualdl_embedding.training._ranks import Ranks, SilentRecorder
from visualdl_embedding.training._recorder import Recorder
from visualdl_embedding.training._sources import Source, SourceEndedError, TableSource

if TYPE_CHECKING:
    from visualdl_embedding.training._callback import TrainingCallback

__all__ = ["TrainingSession"]

logger = logging.getLogger("visualdl_embedding")


class TrainingSession:
    """Records the sources of a training, such as its tables, in a run directory.

    With several ranks, all of them make a session and call its methods at the same place of the training. Rank 0
    chooses the rows, writes and analyzes; if recording ends on one rank, it ends on all at the next snapshot.

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
        ``paddle.callbacks.VisualDL`` of the same training, whose log file is used; None if there is none.
    ranks
        Processes of the training.
    continues
        Earlier session of the same training, whose run is continued at its step. None: as the options say.
    driver
        Function of the trainer that runs as long as the training. None if the recording is closed otherwise.

    Attributes
    ----------
    log_dir
        Directory of the run: the one that was given, or a numbered one beside it.
    step
        Number of trained batches.
    """

    log_dir: Path
    step: int

    def __init__(
        self,
        network: object,
        log_dir: Path,
        options: TrainingCallback,
        *,
        share: Any,
        ranks: Ranks,
        continues: TrainingSession | None,
        driver: Driver | None,
    ) -> None:
        show_messages()
        self._options = options
        self._ranks = ranks
        self._recorder: Recorder | SilentRecorder = SilentRecorder()
        self._log: LogFile | None = None
        self._sources = {source.table.name: source for source in _sources_of(network, options, self._ranks)}
        self._trained, self._asked = weakref.ref(network), log_dir
        now = self._vectors_now() if options.resume and continues is None else {}
        self._dropped: set[str] = set()
        opened = self._ranks.decide(lambda: self._open(log_dir, share, continues, now))
        self.log_dir, self.step, self._last_snapshots, pasts = opened
        self._recording = True
        self._over = False
        self._ranks.attempt(lambda: self._begin_sources(pasts))
        register(self, self._recorder, folder=self.log_dir, driver=driver)

    def _vectors_now(self) -> dict[str, NDArray[np.float32]]:
        """Read the watched rows of each table; one that cannot be read is left out, and so are probes.

        The output of a network differs in its last bits between machines, numbers of threads and batch sizes.
        """
        now = {}
        for name, source in self._sources.items():
            if not isinstance(source, TableSource):
                continue
            with contextlib.suppress(Exception):
                now[name] = source.snapshot(0).vectors
        return now

    def _open(
        self, log_dir: Path, share: Any, continues: TrainingSession | None, now: Mapping[str, NDArray[np.float32]]
    ) -> tuple[Path, int, dict[str, int], dict[str, Any]]:
        """Open stores, log and recorder on rank 0.

        `now` holds the vectors of the tables of a resumed training.

        Return the directory, the step to begin from, and by source the step of the last snapshot, or -1, and what
        `Source.past` read.
        """
        options = self._options
        resume, first = options.resume, options.initial_step
        if continues is not None:
            log_dir, resume, first = continues.log_dir, True, continues.step
        elif not resume:
            log_dir = choose_directory(
                log_dir, self._sources, overwrite=options.overwrite, writer=options.writer, share=share
            )
        stores, first = _open_stores(
            list(self._sources.values()), log_dir, options, resume=resume, initial_step=first, now=now
        )
        stored = {name: store.steps() for name, store in stores.items()}
        step = first if first is not None else max(chain.from_iterable(stored.values()), default=0)
        self._log = log = LogFile.open(log_dir, writer=options.writer, share=share)
        if log.note:
            logger.warning("%s", log.note)
        self._recorder = Recorder(log, config=options.config, settings=options.settings)
        for store in stores.values():
            self._recorder.add_table(store)
        # An interrupted run may hold the last step of some tables only.
        last = {name: step if step in steps else -1 for name, steps in stored.items()}
        pasts = {name: self._sources[name].past(store) for name, store in stores.items()}
        return log_dir, step, last, pasts

    def _begin_sources(self, pasts: Mapping[str, Any]) -> None:
        for name, source in self._sources.items():
            source.begin(pasts[name])

    def begin(self) -> None:
        """Start the recorder, and take the snapshot before training of each table unless the run contains it."""
        self._guarded(self._recorder.start)
        self._together(self._snapshot)

    def after_batch(self, step: int | None = None, *, last: bool = False, loss: float | None = None) -> None:
        """Count a batch, and take a snapshot if one is due.

        Parameters
        ----------
        step
            Number of trained batches of a trainer that counts them itself, and may jump over some.
        last
            Whether no batch follows.
        loss
            Logged as ``train/loss``, for trainers that do not log it themselves.
        """
        self.step = self.step + 1 if step is None else step
        record = None if loss is None else scalar_record("train/loss", loss, step=self.step)
        if record is not None and self._log is not None:
            self._guarded(self._log.append, record)
        self._guarded(self._recorder.after_batch, self.step)
        if self._options.schedule.due_at_step(self.step, max(0, *self._last_snapshots.values())):
            self._together(self._snapshot, final=last)

    def after_epoch(self, number: int, *, last: bool = False) -> None:
        """Take a snapshot if one is due after the `number`-th epoch, from 1; `last` if no epoch follows."""
        if self._options.schedule.due_at_epoch(number):
            self._together(self._snapshot, final=last)

    def end(self) -> None:
        """Take the last snapshot, wait for the analyses, and close the log."""
        self._together(self._snapshot, final=True)
        self._together(self._close, together=True)

    def take_alerts(self) -> list[Alert]:
        """Return the alerts since the last call."""
        return self._recorder.take_alerts()

    def abandon(self, *, timeout: float = 0.0) -> None:
        """Close a training that ended early, without a last snapshot; wait up to `timeout` seconds for analyses.

        It raises no error, which would hide the one that ended the training.
        """
        try:
            self._guarded(self._close, timeout=timeout)
        except Exception as error:
            logger.warning("The run %s could not be closed (%s: %s).", self.log_dir, type(error).__name__, error)

    def is_continued_by(self, network: object, log_dir: Path) -> bool:
        """Whether a training of `network` with `log_dir` continues this one."""
        return self._trained() is network and log_dir in (self._asked, self.log_dir)

    def is_wanted(self, stop: bool) -> bool:
        """Whether this or another rank wants the training to `stop`; all ranks ask after the same batch.

        They also ask when recording has ended: an alert may arrive later.
        """
        return not self._ranks.all(not stop)

    def _snapshot(self, *, final: bool = False) -> None:
        failure = self._recorder.error
        # The last snapshot of a training is taken again if it was dropped; rank 0 knows.
        again = self._ranks.decide(lambda: self._dropped) if final else set()
        for name, source in list(self._sources.items()):
            if self.step == self._last_snapshots[name] and name not in again:
                continue
            try:
                accepted = self._recorder.record(source.snapshot(self.step), final=final)
                (self._dropped.discard if accepted else self._dropped.add)(name)
            except SourceEndedError as error:
                if self._options.on_error == "raise":
                    failure = failure or error
                    continue
                if self._ranks.writes:
                    logger.warning("Table %s is no longer recorded from step %d on: %s.", name, self.step, error)
                self._sources.pop(name).close()
            except Exception as error:
                # The other ranks wait in the snapshots of the other sources.
                failure = failure or error
        # Also of the sources of other ranks, so that snapshots are due at the same steps.
        self._last_snapshots = dict.fromkeys(self._last_snapshots, self.step)
        if (failure := failure or self._recorder.error) is not None:
            raise failure

    def _close(self, *, timeout: float | None = -1.0, together: bool = False) -> None:
        """Close the recorder; `timeout` as in `Recorder.close`, where -1 is the ``drain_timeout`` of the settings.

        `together`: all ranks call this method, and return when rank 0 has closed.
        """
        self._recording = False
        forget(self._recorder)
        for source in self._sources.values():
            source.close()
        self._sources = {}  # a callback that is used again must not keep the tables
        close = partial(self._recorder.close, timeout=timeout)
        self._ranks.wait(close) if together else close()
        if self._recorder.error is not None:
            raise self._recorder.error

    def _together(self, action: Callable[..., None], **options: Any) -> None:
        """Call `action` on all ranks, unless the recording of one has ended; then it ends on all."""
        if self._over:
            return
        self._over = not self._ranks.all(self._recording)
        self._guarded(_raise_elsewhere if self._over else action, **options)

    def _guarded(self, action: Callable[..., object], *arguments: Any, **options: Any) -> None:
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


def _raise_elsewhere(**_: Any) -> None:
    raise RuntimeError("recording ended on another rank, whose log has the reason")


def _sources_of(network: object, options: TrainingCallback, ranks: Ranks) -> list[Source]:
    """Find what the options select in a network, and choose the watched rows."""
    model = ranks.attempt(
        lambda: (
            open_model(
                network,
                table=options.tables,
                vocabulary=options.vocabulary,
                metadata=options.metadata,
                keep=options.keep,
            )
            if ranks.has_tables
            else None
        )
    )
    rows = ranks.decide(
        lambda: (
            model.choose_rows(rows=options.rows, watch=options.watch, random_state=options.config.random_state)
            if model is not None
            else {}
        )
    )

    def sources() -> list[Source]:
        tables = () if model is None else model.tables
        if model is not None and {table.name for table in tables} != set(rows):
            here = ", ".join(table.name for table in tables)
            raise ValueError(
                f"Rank {ranks.rank} has the tables {here}, but rank 0 has {', '.join(rows)}. Choose tables that all "
                "ranks have: tables=[…]."
            )
        if same := [name for name in options.probes if name in rows]:
            raise ValueError(f"{same[0]!r} is the name of a table and of a probe. Give the probe another name.")
        probes = options.probes if ranks.writes else {}
        return [
            *(TableSource(t, rows[t.name], training_history=options.training_history, ranks=ranks) for t in tables),
            *(ProbeSource(name, probe, network) for name, probe in probes.items()),
        ]

    return ranks.attempt(sources)


def _open_stores(
    sources: Sequence[Source],
    log_dir: Path,
    options: TrainingCallback,
    *,
    resume: bool,
    initial_step: int | None,
    now: Mapping[str, NDArray[np.float32]],
) -> tuple[dict[str, TableStore], int | None]:
    """Open the run's folder of each source, after checking the rules and all folders; `now` as in `_open`.

    Return the stores by name, and the step at which training restarts, None for the last stored one.
    """
    config = options.config
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
    elif resume and fresh:
        logger.info("%s holds no run to resume; a new one begins.", log_dir)
    first = initial_step
    stored = [(TableReader.open(log_dir, name), vectors) for name, vectors in now.items() if name not in fresh]
    if stored:
        first, message = find_restart(stored, initial_step=first)
        if message:
            logger.warning("Resuming %s: %s", log_dir, message)
    extra = rules_as_extra(options.rules)
    stores = {
        source.table.name: TableStore.open_for_writing(
            log_dir,
            source.table,
            source.rows,
            config=config,
            resume=resume,
            initial_step=first,
            extra=extra,
        )
        for source in sources
    }
    return stores, first
