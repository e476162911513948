"""The child process that analyses; `core.process.start_child` starts it.

Jobs come as JSON lines on stdin, answers leave as a JSON line followed by raw bytes on stdout. It ends when its stdin
closes or its parent is gone, whatever it is doing: every file it writes is renamed into place, so nothing breaks.

====================================================  ========================================================
job                                                   answer
====================================================  ========================================================
``{"kind": "analyze", "log_dir": …, "table": …,       ``{"kind": "analyzed", …, "records": [n, …]}`` and those
"step": …, "log": {"vectors": true, …}}``             bytes, or ``{"kind": "failed", "message": …, …}``
``{"kind": "hurry"}``                                 none; at once, whatever is waiting: training is over, so the
                                                      process no longer stands back
``{"kind": "close"}``                                 none; the process ends
(at the start)                                        ``{"kind": "ready", "stoppable": …}``: whether it wakes by itself
                                                      when it is stopped and the parent dies
====================================================  ========================================================
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from visualdl_embedding.analysis import State
    from visualdl_embedding.runs import AlertMonitor
    from visualdl_embedding.store import TableStore

__all__ = ["main"]

PARENT_POLL_SECONDS = 1.0


def main() -> None:
    """Serve jobs until told to close."""
    # Libraries print; what they print must not stand between two answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _lower_priority()
    _answer(answers, {"kind": "ready", "stoppable": _wakes_when_parent_dies()}, [])
    jobs: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read_jobs, args=(sys.stdin.buffer, jobs), daemon=True).start()
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    analyst = _Analyst()
    while (job := jobs.get())["kind"] != "close":
        _answer(answers, *_do(analyst, job))
    # Not a return: the interpreter aborts at its end where a thread is still reading stdin.
    os._exit(0)


def _do(analyst: _Analyst, job: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
    about = {"table": job["table"], "step": job["step"]}
    try:
        header, records = analyst.analyze(job)
    except Exception as error:
        import traceback

        traceback.print_exc()
        return {"kind": "failed", **about, "message": f"{type(error).__name__}: {error}"}, []
    return {"kind": "analyzed", **about, **header}, records


def _answer(answers: BinaryIO, header: dict[str, Any], records: list[bytes]) -> None:
    line = json.dumps({**header, "records": [len(r) for r in records]}, ensure_ascii=False)
    answers.write(line.encode() + b"\n")
    for record in records:
        answers.write(record)
    answers.flush()


def _read_jobs(stdin: BinaryIO, jobs: queue.Queue[dict[str, Any]]) -> None:
    for line in stdin:
        job = json.loads(line)
        if job["kind"] == "hurry":
            _set_session_weight(0)
        else:
            jobs.put(job)
    # The parent is gone without a word; a job that is under way has nobody to answer to.
    os._exit(0)


def _watch_parent(parent: int) -> None:
    """End with the parent even where a process forked from it still holds our stdin open."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(0)


def _wakes_when_parent_dies() -> bool:
    """See to it: a process that is stopped sees neither its stdin closing nor its parent gone. Linux only."""
    import ctypes
    import signal

    try:
        # prctl(PR_SET_PDEATHSIG); where nothing is stopped the signal does nothing.
        return bool(ctypes.CDLL(None).prctl(1, signal.SIGCONT, 0, 0, 0) == 0)
    except (AttributeError, OSError, TypeError):
        return False


def _lower_priority() -> None:
    # Windows has no priorities of this kind; some sandboxes forbid it.
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 19)
    # Linux shares processors out between sessions first (sched(7), "autogroup"), and ours is a session of its own, in
    # which nice would weigh the worker against nobody: without this it took as much as the training.
    _set_session_weight(19)


def _set_session_weight(nice: int) -> None:
    # Unlike a process's own, a session's nice may be lowered again by anybody, down to 0; ten times a second at most.
    for _ in range(5):
        try:
            with open("/proc/self/autogroup", "w", encoding="ascii") as autogroup:
                autogroup.write(str(nice))
            return
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:
            return


class _Analyst:
    """Keeps the store and the state of each table from one job to the next."""

    def __init__(self) -> None:
        self._tables: dict[str, tuple[TableStore, State, AlertMonitor]] = {}

    def analyze(self, job: dict[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        from visualdl_embedding.runs import notes_of, process_snapshot, records_of

        start = time.perf_counter()
        store, state, monitor = self._tables.get(job["table"]) or _open_table(job)
        snapshot = store.read_snapshot(job["step"])
        done = process_snapshot(store, snapshot, state, config=store.description.config, monitor=monitor)
        self._tables[job["table"]] = (store, done.state, monitor)
        records = records_of(snapshot, done.analysis, job["log"])
        notes = notes_of(done.analysis, job["log"])
        alerts = [alert.to_dict() for alert in done.alerts]
        return {"notes": notes, "alerts": alerts, "seconds": time.perf_counter() - start}, records


def _open_table(job: dict[str, Any]) -> tuple[TableStore, State, AlertMonitor]:
    from visualdl_embedding.runs import AlertMonitor
    from visualdl_embedding.store import TableStore

    store = TableStore.open(job["log_dir"], job["table"])
    return store, store.load_state(), AlertMonitor.of(store, before=job["step"])
