"""Child process that analyzes snapshots, started by `core.process.start_child`.

It reads jobs as JSON lines from stdin, and writes each answer to stdout as a JSON line followed by raw bytes. It exits
at once when its stdin closes or its parent ends; the files stay valid, because each is renamed into place.

====================================================  ========================================================
job                                                   answer
====================================================  ========================================================
``{"kind": "analyze", "log_dir": …, "table": …,       ``{"kind": "analyzed", …, "records": [n, …]}`` and those
"step": …, "log": {"vectors": true, …}}``             bytes, or ``{"kind": "failed", "message": …, …}``
``{"kind": "hurry"}``                                 none; at once, before other jobs: the training is over, so
                                                      the process no longer yields to it
``{"kind": "close"}``                                 none; the process ends
(at the start)                                        ``{"kind": "ready", "stoppable": …}``: whether the kernel
                                                      resumes it when it is stopped and its parent ends
====================================================  ========================================================
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from visualdl_embedding.runs import TableAnalyzer

__all__ = ["main"]

PARENT_POLL_SECONDS = 1.0


def main() -> None:
    """Process jobs until a job of kind ``"close"``."""
    # Redirect prints of libraries, which would mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _lower_priority()
    _answer(answers, {"kind": "ready", "stoppable": _wakes_when_parent_dies()}, [])
    jobs: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read_jobs, args=(sys.stdin.buffer, jobs), daemon=True).start()
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    analyzers: dict[str, TableAnalyzer] = {}
    while (job := jobs.get())["kind"] != "close":
        about = {"table": job["table"], "step": job["step"]}
        try:
            header, records = _analyze(job, analyzers)
        except Exception as error:
            traceback.print_exc()
            header, records = {"kind": "failed", "message": f"{type(error).__name__}: {error}"}, []
        _answer(answers, {**about, **header}, records)
    # Do not return: the interpreter aborts in its shutdown while a thread reads stdin.
    os._exit(0)


def _analyze(job: dict[str, Any], analyzers: dict[str, TableAnalyzer]) -> tuple[dict[str, Any], list[bytes]]:
    """Analyze a snapshot with the analyzer of its table; return the header and the records of the answer."""
    from visualdl_embedding.runs import TableAnalyzer, notes_of, records_of
    from visualdl_embedding.store import TableStore

    name, step, choice = job["table"], job["step"], job["log"]
    if name not in analyzers:
        analyzers[name] = TableAnalyzer(TableStore.open(job["log_dir"], name), before=step)
    snapshot = analyzers[name].store.read_snapshot(step)
    done = analyzers[name].process(snapshot)
    header = {
        "kind": "analyzed",
        "notes": notes_of(snapshot, done.analysis, choice),
        "alerts": [alert.to_dict() for alert in done.alerts],
    }
    return header, records_of(snapshot, done.analysis, choice)


def _answer(answers: BinaryIO, header: dict[str, Any], records: list[bytes]) -> None:
    line = json.dumps({**header, "records": [len(r) for r in records]}, ensure_ascii=False)
    answers.write(b"".join([line.encode(), b"\n", *records]))
    answers.flush()


def _read_jobs(stdin: BinaryIO, jobs: queue.Queue[dict[str, Any]]) -> None:
    for line in stdin:
        job = json.loads(line)
        if job["kind"] == "hurry":
            _set_session_weight(0)
        else:
            jobs.put(job)
    # The parent has ended, so no process reads the answer of a job under way.
    os._exit(0)


def _watch_parent(parent: int) -> None:
    """Exit with the parent even if a process forked from it still holds stdin open."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(0)


def _wakes_when_parent_dies() -> bool:
    """Request SIGCONT at the parent's death, because a stopped process cannot notice it. Linux only."""
    try:
        # prctl(PR_SET_PDEATHSIG); the signal has no effect on a running process.
        return bool(ctypes.CDLL(None).prctl(1, signal.SIGCONT, 0, 0, 0) == 0)
    except (AttributeError, OSError, TypeError):
        return False


def _lower_priority() -> None:
    # Not available on Windows, and forbidden in some sandboxes.
    with contextlib.suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 19)
    # Linux first divides processor time among sessions (sched(7), "autogroup"). This process has its own session, in
    # which its nice value has no effect: without this call it took as much time as the training.
    _set_session_weight(19)


def _set_session_weight(nice: int) -> None:
    # Any process may lower a session's nice value to 0 again, at most ten times a second.
    for _ in range(5):
        try:
            with open("/proc/self/autogroup", "w", encoding="ascii") as autogroup:
                autogroup.write(str(nice))
            return
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:
            return
