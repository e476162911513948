"""Child processes: what forks while one starts, where it imports from, its environment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from visualdl_embedding.core.process import start_child

# Python 3.12 warns of any fork beside threads, which is what is tested here.
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Nothing forks on this system."),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

WORKER, COMPARISON = "visualdl_embedding.training.worker", "visualdl_embedding.runs.joint_worker"
NO_JOB = {
    WORKER: {"kind": "analyze", "log_dir": "nowhere", "table": "word", "step": 0, "log": {}},
    COMPARISON: {
        "a": {"log_dir": "nowhere", "table": "word", "step": 0},
        "b": {"log_dir": "nowhere", "table": "word", "step": 1},
        "projection": "pca",
        "cache": "nowhere",
    },
}


@contextmanager
def child(module: str = WORKER, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with start_child(module, stderr=subprocess.DEVNULL, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def fork(action: Callable[[], None]) -> int:
    """Run an action in a forked process, which then exits with 0."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            action()
            status = 0
        finally:
            os._exit(status)
    return pid


def status_of(pid: int, seconds: float = 30.0) -> int:
    """Exit status of a forked process; it is ended after some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_process_forked_meanwhile_does_not_hold_up_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, pipes = os.pipe, []
    piped, forked, started = threading.Event(), threading.Event(), threading.Event()

    def pipe_and_wait() -> tuple[int, int]:
        pipes.append(pipe())
        # Standard input, standard output, and the one by whose end Popen knows that the child runs.
        if len(pipes) == 3:
            piped.set()
            forked.wait(1)
        return pipes[-1]

    def start() -> None:
        with child():
            started.set()

    monkeypatch.setattr(os, "pipe", pipe_and_wait)
    thread = threading.Thread(target=start)
    thread.start()
    assert piped.wait(30)
    pid = fork(lambda: time.sleep(60))
    forked.set()
    try:
        assert started.wait(20), "The start waits for the forked process, which holds its pipes."
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        thread.join()


def test_a_fork_inside_a_start_and_a_start_after_a_fork_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a signal handler does that forks in the very thread that starts a child."""
    pipe, pids = os.pipe, []

    def pipe_and_fork() -> tuple[int, int]:
        monkeypatch.undo()
        pids.append(fork(lambda: None))
        return pipe()

    def start() -> None:
        with child():
            pass

    monkeypatch.setattr(os, "pipe", pipe_and_fork)
    start()
    pids.append(fork(start))
    assert [status_of(pid) for pid in pids] == [0, 0]


@pytest.mark.parametrize("module", [WORKER, COMPARISON])
def test_nothing_of_the_current_directory_is_imported(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("random", "numpy", "json", "visualdl_embedding"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write(__name__)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    with child(module) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(NO_JOB[module]).encode() + b"\n")
        process.stdin.flush()
        answers = map(json.loads, process.stdout)
        failure = next(answer for answer in answers if {"message", "error"} & set(answer))
    assert "nowhere" in failure.get("message", failure.get("error"))
    assert not (tmp_path / "imported").exists()


def test_a_child_has_few_threads_no_gpu_and_its_own_session() -> None:
    with child(n_threads=3) as process:
        assert process.stdout is not None
        process.stdout.readline()
        environment = psutil.Process(process.pid).environ()
        assert os.getsid(process.pid) == process.pid
    assert {environment[name] for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")} == {"3"}
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert environment.get("PYTHONPATH") == os.environ.get("PYTHONPATH")
