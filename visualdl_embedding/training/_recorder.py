from __future__ import annotations

import logging
import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from visualdl_embedding.alerts import Alert
from visualdl_embedding.analysis import Config, State
from visualdl_embedding.core.privacy import Privacy, publish
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.logs import LogBudget, LogFile
from visualdl_embedding.runs import AlertMonitor, alert_records, alert_text, notes_of, process_snapshot, records_of
from visualdl_embedding.store import TableStore
from visualdl_embedding.training._client import WorkerAnswer, WorkerClient, WorkerDied
from visualdl_embedding.training._governor import Governor
from visualdl_embedding.training._settings import Job, RecordedTable, RecorderSettings
from visualdl_embedding.training._waiting import wait_for

__all__ = ["Recorder"]

logger = logging.getLogger("visualdl_embedding")

SNAPSHOTS_IN_FLIGHT = 2
"""Snapshots that wait in memory for the disk; with the one being written this bounds the memory to 3 of them."""
HAND_OVER_SECONDS = 1.0
"""How long a training waits for a disk that is slower than its snapshots before one is dropped."""
MAX_RESTARTS = 3
MAX_FAILURES = 3
MAX_NOTES = 20


class Recorder:
    """Takes snapshots from the training thread; writes, analyses and logs them elsewhere.

    A thread of its own writes snapshots to the store, gives jobs to the worker and its answers to VisualDL's log.
    Where the worker is behind, the newest snapshot of a table wins; the others stay in the store unanalyzed.

    Parameters
    ----------
    log
        VisualDL's log file; flushed at every snapshot, closed by `close`.
    config
        Of the analyses.
    settings
        Of the recorder itself.
    privacy
        Applied to everything before it is written.

    Attributes
    ----------
    error
        What ended the recording, or None; from then on `record` does nothing.
    trained_step
        How far training has gone, for the alerts to say how old their frame is.
    """

    _open: ClassVar[weakref.WeakValueDictionary[Path, Recorder]] = weakref.WeakValueDictionary()

    def __init__(
        self,
        log: LogFile,
        *,
        config: Config,
        settings: RecorderSettings | None = None,
        privacy: Privacy | None = None,
    ) -> None:
        self.config = config
        self.settings = settings or RecorderSettings()
        self.privacy = privacy
        self.error: BaseException | None = None
        self.trained_step = 0
        self._alerts: deque[Alert] = deque()
        self._log = log
        self._budget = LogBudget(self.settings.max_log_bytes)
        self._tables: dict[str, RecordedTable] = {}
        self._pid = os.getpid()
        self._events: queue.Queue[Any] = queue.Queue()
        self._in_flight = threading.BoundedSemaphore(SNAPSHOTS_IN_FLIGHT)
        self._dropped = 0
        self._worker: WorkerClient | None = None
        self._governor = Governor(share) if (share := self.settings.max_slowdown) is not None else None
        self._busy: Job | None = None
        self._restarts = 0
        self._failures = 0
        self._analyzing = True
        self._closing = False
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def add_table(self, store: TableStore) -> None:
        """Prepare to record a table; all tables come before the first `record`."""
        earlier = self._open.get(store.folder)
        if earlier is not None and earlier is not self:
            # A training that died by an exception in a notebook left its recorder behind.
            earlier.close(timeout=0)
        self._open[store.folder] = self
        state = State() if self.settings.background else store.load_state()
        monitor = None if self.settings.background else AlertMonitor.of(store)
        analyzed = len(store.steps(analyzed=True))
        self._tables[store.description.table.name] = RecordedTable(
            store, state, monitor, analyzed=analyzed, recorded=len(store.steps())
        )

    def start(self) -> None:
        """Start the analysis process and the thread of the recorder, unless they run or `background` is off.

        Call it before the trainer forks workers for its data; see `core.process` for why.

        Raises
        ------
        OSError
            If the process cannot be started.
        """
        if self.settings.background and self._thread is None:
            self._worker = self._start_worker()
            self._thread = threading.Thread(target=self._run, name="embedding-recorder", daemon=True)
            self._thread.start()

    def record(self, snapshot: Snapshot, *, final: bool = False) -> None:
        """Take over a snapshot; returns at once unless the disk is behind or `background` is off.

        Parameters
        ----------
        snapshot
            Its vectors must not be changed afterwards.
        final
            Whether this is the last one of the training; it always goes to VisualDL whole.
        """
        if self.error is not None or self._closing or os.getpid() != self._pid:
            return
        self.trained_step = max(self.trained_step, snapshot.step)
        snapshot = publish(snapshot, self.privacy)
        if not self.settings.background:
            try:
                self._record_now(snapshot, final)
            except Exception as error:
                self.error = error
            return
        self.start()
        if self._in_flight.acquire(timeout=HAND_OVER_SECONDS):
            self._events.put(("snapshot", snapshot, final))
        else:
            self._dropped += 1
            if self._dropped == 1:
                logger.warning(
                    "The disk of %s is slower than the snapshots: step %d was dropped so that training goes on. "
                    "Take fewer (every_n_steps) or watch fewer rows.",
                    self._tables[snapshot.table].store.folder,
                    snapshot.step,
                )

    def after_batch(self, step: int) -> None:
        """Note the end of a training batch; with `max_slowdown` its length is measured, in some microseconds.

        Parameters
        ----------
        step
            Batches trained so far.
        """
        self.trained_step = step
        if self._governor is not None and os.getpid() == self._pid:
            self._governor.beat()

    def close(self, *, timeout: float | None = -1.0) -> None:
        """Finish what is under way, end the worker, close the log; further calls do nothing.

        Parameters
        ----------
        timeout
            Seconds to wait for analyses; -1 for the `drain_timeout` of the settings, None without limit.
        """
        if self._closing or os.getpid() != self._pid:
            return
        self._closing = True
        if self._governor is not None:
            self._governor.release()
        if timeout is not None and timeout < 0:
            timeout = self.settings.drain_timeout
        if self._thread is not None:
            self._events.put(("close", None))
            if not wait_for(self._done, lambda: self.waiting, timeout=timeout):
                self._events.put(("abandon", None))
                self._done.wait(10)
            self._thread.join(10)
        self._log.close()
        if self._log.error is not None and self.error is None:
            self.error = self._log.error
        self._say_what_is_missing()

    def take_alerts(self) -> list[Alert]:
        """Give the alerts raised since the last call, oldest first; they are stored, logged and said already."""
        taken = []
        while self._alerts:
            taken.append(self._alerts.popleft())
        return taken

    @property
    def waiting(self) -> int:
        """Analyses that are under way or to come."""
        return sum(t.pending is not None for t in self._tables.values()) + (self._busy is not None)

    def summary(self) -> Mapping[str, Mapping[str, int]]:
        """Snapshots ``recorded``, ``analyzed`` and ``skipped``, by table."""
        return {
            name: {"recorded": t.recorded, "analyzed": t.analyzed, "skipped": t.skipped}
            for name, t in self._tables.items()
        }

    def _say_what_is_missing(self) -> None:
        if self.error is not None or not self._analyzing:
            return
        why = "training was faster than their analysis" if self._failures == 0 else "of the error said above"
        if self._governor is not None and self._governor.has_waited and self._failures == 0:
            why += f", which waited so as not to slow it (max_slowdown={self.settings.max_slowdown:g})"
        for table in self._tables.values():
            if table.recorded > table.analyzed:
                logger.warning("%s", table.missing_text(why))

    def _start_worker(self) -> WorkerClient:
        return WorkerClient(
            lambda answer: self._events.put(("answer", answer)),
            n_jobs=self.config.n_jobs,
            on_stoppable=None if self._governor is None else self._governor.attach,
        )

    # Everything below runs on the recorder's own thread, or inside `record` where background is off.

    def _run(self) -> None:
        try:
            while True:
                kind, *content = self._next_event()
                if kind == "snapshot":
                    try:
                        self._take(*content)
                    finally:
                        self._in_flight.release()
                elif kind == "answer":
                    self._on_answer(*content)
                elif kind == "close" and self._worker is not None:
                    self._worker.send({"kind": "hurry"})
                elif kind == "abandon":
                    break
                if self._closing and self._events.empty() and self.waiting == 0:
                    break
        except Exception as error:
            self.error = error
        finally:
            if self._worker is not None:
                self._worker.close(timeout=2.0 if self.waiting == 0 else 0.0)
            self._done.set()

    def _next_event(self) -> Any:
        while self._governor is not None and self._busy is not None:
            try:
                return self._events.get(timeout=1.0)
            except queue.Empty:
                self._governor.relax()
        return self._events.get()

    def _take(self, snapshot: Snapshot, final: bool) -> None:
        table = self._store(snapshot)
        if self._analyzing:
            if table.pending is not None:
                table.skipped += 1
            table.pending = Job(snapshot.table, snapshot.step, self._choose(snapshot, final))
            self._dispatch()
        self._log.flush()

    def _record_now(self, snapshot: Snapshot, final: bool) -> None:
        table = self._store(snapshot)
        done = process_snapshot(
            table.store, snapshot, table.state, config=self.config, privacy=self.privacy, monitor=table.monitor
        )
        table.state = done.state
        choice = self._choose(snapshot, final)
        self._say_new(table, notes_of(done.analysis, choice))
        self._append(table, records_of(snapshot, done.analysis, choice), done.alerts)

    def _store(self, snapshot: Snapshot) -> RecordedTable:
        table = self._tables[snapshot.table]
        table.store.write_snapshot(snapshot)
        table.recorded += 1
        if self.settings.max_store_bytes is not None:
            waiting = {job.step for job in (table.pending, self._busy) if job is not None}
            table.store.thin(self.settings.max_store_bytes, protected=waiting)
        return table

    def _choose(self, snapshot: Snapshot, final: bool) -> dict[str, bool]:
        return self._budget.choose(
            snapshot,
            self.config,
            frame=self._tables[snapshot.table].analyzed,
            spent=self._log.tally.of(snapshot.table),
            tables=len(self._tables),
            final=final,
        )

    def _append(self, table: RecordedTable, records: list[bytes], alerts: Iterable[Alert]) -> None:
        raised = [alert.with_trained_step(self.trained_step) for alert in alerts]
        for record in (*records, *alert_records(raised)):
            self._log.append(record)
        for alert in raised:
            table.store.append_alert(alert.to_dict())
            logger.warning("Alert of table %s, %s", alert.table, alert_text(alert))
        self._alerts.extend(raised)
        self._log.flush()
        table.analyzed += 1
        if self._log.error is not None:
            raise self._log.error

    def _say_new(self, table: RecordedTable, notes: Iterable[str]) -> None:
        for note in notes:
            if note not in table.said and len(table.said) < MAX_NOTES:
                table.said.add(note)
                logger.warning("Table %s: %s", table.store.description.table.name, note)

    def _dispatch(self) -> None:
        if self._busy is not None or not self._analyzing:
            return
        waiting = [t for t in self._tables.values() if t.pending is not None]
        if not waiting:
            return
        if self._worker is None:
            self._worker = self._start_worker()
            if self._closing:
                self._worker.send({"kind": "hurry"})
        table = min(waiting, key=lambda t: t.analyzed)
        job, table.pending = table.pending, None
        assert job is not None
        self._set_busy(job)
        self._worker.send(job.message(table.log_dir))

    def _set_busy(self, job: Job | None) -> None:
        self._busy = job
        if self._governor is not None:
            self._governor.say_busy(job is not None)

    def _on_answer(self, answer: WorkerAnswer | WorkerDied) -> None:
        if isinstance(answer, WorkerDied):
            self._on_death(answer)
        else:
            job = self._busy
            assert job is not None
            self._set_busy(None)
            table = self._tables[job.table]
            if answer.header["kind"] == "analyzed":
                self._failures = 0
                self._say_new(table, answer.header["notes"])
                self._append(table, answer.records, map(Alert.from_dict, answer.header["alerts"]))
            else:
                self._on_failure(job, answer.header["message"])
        self._dispatch()

    def _on_failure(self, job: Job, message: str) -> None:
        self._failures += 1
        if self._failures == 1:
            logger.warning(
                "The analysis of %s at step %d failed: %s. Training and recording go on.", job.table, job.step, message
            )
        if self._failures >= MAX_FAILURES:
            self._stop_analyzing(f"{MAX_FAILURES} analyses in a row failed, the last with {message}")

    def _on_death(self, death: WorkerDied) -> None:
        assert self._worker is not None
        self._worker.close(timeout=0)
        self._worker = None
        if self._governor is not None:
            self._governor.attach(None)
        self._restarts += 1
        cause = death.stderr.splitlines()[-1] if death.stderr else f"exit status {death.returncode}"
        job = self._busy
        self._set_busy(None)
        if self._restarts > MAX_RESTARTS:
            self._stop_analyzing(f"its process died {self._restarts} times, the last time with: {cause}")
            return
        logger.warning("The analysis process died (%s) and is started again.", cause)
        if job is not None:
            table = self._tables[job.table]
            if job.tries == 0 and table.pending is None:
                job.tries += 1
                table.pending = job
            else:
                table.skipped += 1

    def _stop_analyzing(self, why: str) -> None:
        self._analyzing = False
        for table in self._tables.values():
            table.pending = None
        logger.warning(
            "Analysis is switched off: %s. Snapshots are still recorded; `visualdl-embedding analyze RUN` analyses "
            "them later.",
            why,
        )
