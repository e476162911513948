"""Storage, analysis and logging of snapshots beside a training."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from visualdl_embedding.alerts import Alert
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.privacy import publish
from visualdl_embedding.core.process import describe_exit
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.logs import LogBudget, LogFile
from visualdl_embedding.runs import TableAnalyzer, alert_records, alert_text, notes_of, records_of
from visualdl_embedding.store import TableStore
from visualdl_embedding.training._client import WorkerClient, wait_for
from visualdl_embedding.training._end import log_drop, log_end, log_gaps, log_large_frames
from visualdl_embedding.training._events import Events
from visualdl_embedding.training._governor import Governor
from visualdl_embedding.training._settings import EARLIER, UNFINISHED, RecordedTable, RecorderSettings

__all__ = ["Recorder"]

logger = logging.getLogger("visualdl_embedding")

HAND_OVER_SECONDS = 1.0
"""Time that a training waits for room in memory before a snapshot is dropped."""
LAST_WRITES_SECONDS = 10.0
"""Time for the snapshots that are not written when the time for analyses is over."""
MAX_RESTARTS = 3
MAX_FAILURES = 3
MAX_NOTES = 20


class Recorder:
    """Receives snapshots from the training thread, and stores, analyzes and logs them elsewhere.

    A thread of the recorder writes snapshots to the store, sends jobs to the worker, and writes its answers to
    VisualDL's log. If the worker falls behind, only the first and the newest snapshot of a table are analyzed; the
    others stay in the store without an analysis.

    VisualDL's log is flushed at every snapshot, and closed by `close`.

    Attributes
    ----------
    error
        Exception that ended the recording, or None. After it, `record` does nothing.
    trained_step
        Current step of the training, from which alerts derive the age of their frame.
    """

    _open: ClassVar[weakref.WeakValueDictionary[Path, Recorder]] = weakref.WeakValueDictionary()

    def __init__(self, log: LogFile, *, config: Config, settings: RecorderSettings | None = None) -> None:
        self.config = config
        self.settings = settings or RecorderSettings()
        self.error: BaseException | None = None
        self.trained_step = 0
        self._alerts: deque[Alert] = deque()
        self._log = log
        self._budget = LogBudget(self.settings.max_log_bytes)
        self._tables: dict[str, RecordedTable] = {}
        self._pid = os.getpid()
        self._events = Events()
        self._writing_since: float | None = None
        self._slowest_write = 0.0
        self._worker: WorkerClient | None = None
        self._governor = Governor(share) if (share := self.settings.max_slowdown) is not None else None
        self._busy: dict[str, Any] | None = None
        self._restarts = 0
        self._failures = 0
        self._analyzing = True
        self._closing = False
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def add_table(self, store: TableStore) -> None:
        """Add a table; call it for all tables before the first `record`."""
        earlier = self._open.get(store.folder)
        if earlier is not None and earlier is not self:
            # A training in a notebook that ended with an exception leaves its recorder open.
            earlier.close(timeout=0)
        self._open[store.folder] = self
        table = RecordedTable(
            store,
            None if self.settings.background else TableAnalyzer(store),
            analyzed=len(store.steps(analyzed=True)),
            recorded=len(store.steps()),
        )
        table.skipped[EARLIER] = table.recorded - table.analyzed
        self._tables[table.name] = table
        log_large_frames(table)

    def start(self) -> None:
        """Start the analysis process and the recorder's thread, unless they run or `background` is False.

        Call it before the trainer forks workers for its data; `core.process` gives the reason.
        """
        if self.settings.background and self._thread is None:
            self._worker = self._start_worker()
            self._thread = threading.Thread(target=self._run, name="embedding-recorder", daemon=True)
            self._thread.start()

    def record(self, snapshot: Snapshot, *, final: bool = False) -> bool:
        """Record a snapshot, and return whether it was accepted, which takes no time unless memory is full.

        Its vectors must not change afterwards. The `final` snapshot of the training is always accepted, and logged
        completely. If `background` is False, the snapshot is analyzed here.
        """
        if self.error is not None or self._closing or os.getpid() != self._pid:
            return False
        self.trained_step = max(self.trained_step, snapshot.step)
        snapshot = publish(snapshot)
        if not self.settings.background:
            try:
                self._record_now(snapshot, final)
            except Exception as error:
                self.error = error
            return self.error is None
        self.start()
        accepted = self._events.offer(snapshot, final=final, timeout=HAND_OVER_SECONDS)
        if accepted:
            self._tables[snapshot.table].dropped.discard(snapshot.step)
        else:
            self._drop(snapshot)
        return accepted

    def after_batch(self, step: int) -> None:
        """Register the end of batch `step`, from 1. With `max_slowdown` it measures the batch in some microseconds."""
        self.trained_step = step
        if self._governor is not None and os.getpid() == self._pid:
            self._governor.beat()

    def close(self, *, timeout: float | None = -1.0) -> None:
        """Finish running analyses, end the worker, and close the log. Later calls do nothing.

        Analyses have `timeout` seconds; -1 is the `drain_timeout` of the settings, None no limit.
        """
        if self._closing or os.getpid() != self._pid:
            return
        self._closing = True
        if self._governor is not None:
            self._governor.release()
        timeout = self.settings.drain_timeout if timeout == -1 else timeout
        if self._thread is not None:
            self._events.put("close")
            if not wait_for(self._done, lambda: self.waiting + len(self._events.unwritten), timeout=timeout):
                self._events.put("abandon")
                self._done.wait(LAST_WRITES_SECONDS)
            self._thread.join(LAST_WRITES_SECONDS)
        try:
            self._log.close()
        except Exception as error:
            self.error = self.error or error
        self.error = self.error or self._log.error
        if self.error is None:
            self._log_end()

    def take_alerts(self) -> list[Alert]:
        """Return the alerts since the last call, oldest first; they are already stored and logged."""
        return [self._alerts.popleft() for _ in range(len(self._alerts))]

    @property
    def waiting(self) -> int:
        """Number of running and pending analyses."""
        return sum(len(t.pending) for t in self._tables.values()) + (self._busy is not None)

    def _drop(self, snapshot: Snapshot) -> None:
        if not any(table.dropped for table in self._tables.values()):
            since = self._writing_since
            running = 0.0 if since is None else time.monotonic() - since
            slowest = max(self._slowest_write, running)
            log_drop(self._tables[snapshot.table], snapshot.step, slowest_write=slowest)
        self._tables[snapshot.table].dropped.add(snapshot.step)

    def _log_end(self) -> None:
        for name, step in self._events.unwritten:
            self._tables[name].dropped.add(step)
        tables = list(self._tables.values())
        if self._analyzing:
            for table in tables:
                running = self._busy is not None and self._busy["table"] == table.name
                table.skipped[UNFINISHED] += len(table.pending) + running
            has_waited = self._governor is not None and self._governor.has_waited
            share = self.settings.max_slowdown
            log_gaps(
                tables,
                waited=f"; analyses waited to limit their cost (max_slowdown={share:g})" if has_waited else "",
            )
        log_end(tables)

    def _start_worker(self) -> WorkerClient:
        return WorkerClient(
            self._events.put,
            n_jobs=self.config.n_jobs,
            on_stoppable=None if self._governor is None else self._governor.attach,
        )

    # The methods below run on the recorder's thread, or in `record` if `background` is False.

    def _run(self) -> None:
        try:
            while True:
                kind, *content = self._next_event()
                if kind == "snapshot":
                    try:
                        self._take(*content)
                    finally:
                        self._events.release(content[0])
                elif kind == "answer":
                    self._on_answer(*content)
                elif kind == "death":
                    self._on_death(*content)
                elif kind == "close" and self._worker is not None:
                    self._worker.send({"kind": "hurry"})
                elif kind == "abandon":
                    break
                if self._closing and self._events.is_empty() and self.waiting == 0:
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
            about = {"log_dir": table.log_dir, "table": snapshot.table, "step": snapshot.step, "tries": 0}
            first = table.recorded == 1
            table.add_job({"kind": "analyze", **about, "first": first, "log": self._choose(table, snapshot, final)})
            self._dispatch()
        self._log.flush()

    def _record_now(self, snapshot: Snapshot, final: bool) -> None:
        table = self._store(snapshot)
        assert table.analyzer is not None
        done = table.analyzer.process(snapshot)
        choice = self._choose(table, snapshot, final)
        records = records_of(snapshot, done.analysis, choice)
        self._append(table, notes_of(snapshot, done.analysis, choice), records, done.alerts)

    def _store(self, snapshot: Snapshot) -> RecordedTable:
        table = self._tables[snapshot.table]
        start = self._writing_since = time.monotonic()
        table.store.write_snapshot(snapshot)
        self._slowest_write = max(self._slowest_write, time.monotonic() - start)
        self._writing_since = None
        table.recorded += 1
        if self.settings.max_store_bytes is not None:
            waiting = {job["step"] for job in (*table.pending, self._busy) if job is not None}
            table.store.thin(self.settings.max_store_bytes, protected=waiting)
        return table

    def _choose(self, table: RecordedTable, snapshot: Snapshot, final: bool) -> dict[str, bool]:
        spent = self._log.tally.of(snapshot.table)
        return self._budget.choose(
            snapshot, self.config, frame=table.analyzed, spent=spent, tables=len(self._tables), final=final
        )

    def _append(
        self, table: RecordedTable, notes: Iterable[Sequence[str]], records: list[bytes], alerts: Iterable[Alert]
    ) -> None:
        for severity, note in notes:
            if note not in table.noted and len(table.noted) < MAX_NOTES:
                table.noted.add(note)
                logger.log(logging.INFO if severity == "info" else logging.WARNING, "Table %s: %s", table.name, note)
        raised = [replace(alert, trained_step=self.trained_step) for alert in alerts]
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

    def _dispatch(self) -> None:
        waiting = [t for t in self._tables.values() if t.pending]
        if self._busy is not None or not self._analyzing or not waiting:
            return
        if self._worker is None:
            self._worker = self._start_worker()
            if self._closing:
                self._worker.send({"kind": "hurry"})
        table = min(waiting, key=lambda t: t.analyzed)
        job = table.pending.pop(0)
        self._set_busy(job)
        self._worker.send(job)

    def _set_busy(self, job: dict[str, Any] | None) -> None:
        self._busy = job
        if self._governor is not None:
            self._governor.set_busy(job is not None)

    def _on_answer(self, header: dict[str, Any], records: list[bytes]) -> None:
        self._set_busy(None)
        name, step = header["table"], header["step"]
        if header["kind"] == "analyzed":
            self._failures = 0
            self._append(self._tables[name], header["notes"], records, map(Alert.from_dict, header["alerts"]))
        else:
            self._failures += 1
            self._tables[name].skipped["failed"] += 1
            message = header["message"].rstrip(".")
            if self._failures == 1:
                logger.warning(
                    "The analysis of %s at step %d failed: %s. Training and recording continue.", name, step, message
                )
            if self._failures >= MAX_FAILURES:
                self._stop_analyzing(f"{MAX_FAILURES} analyses in a row failed, the last with {message}")
        self._dispatch()

    def _on_death(self, returncode: int, stderr: str) -> None:
        job = self._busy
        self._set_busy(None)
        assert self._worker is not None
        self._worker.close(timeout=0)
        self._worker = None
        if self._governor is not None:
            self._governor.attach(None)
        self._restarts += 1
        end = describe_exit(returncode) + (f", its last output: {stderr.splitlines()[-1]}" if stderr else "")
        again = job is not None and job["tries"] == 0 and (job["first"] or not self._tables[job["table"]].pending)
        if job is not None and not (again and self._restarts <= MAX_RESTARTS):
            self._tables[job["table"]].skipped["lost with the analysis process"] += 1
        if self._restarts > MAX_RESTARTS:
            self._stop_analyzing(f"its process died {self._restarts} times, the last time by {end}")
            return
        logger.warning("The analysis process died (%s) and is started again.", end)
        if job is not None and again:
            self._tables[job["table"]].pending.insert(0, {**job, "tries": 1})
        self._dispatch()

    def _stop_analyzing(self, why: str) -> None:
        self._analyzing = False
        for table in self._tables.values():
            table.pending.clear()
        logger.warning(
            "Analysis is switched off: %s. Snapshots are still recorded; `visualdl-embedding analyze RUN` analyzes "
            "them later.",
            why,
        )
