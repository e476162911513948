"""Connection of the training process to the analysis process, and the wait for its last answers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

from visualdl_embedding.core.process import start_child

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["WorkerClient", "wait_for"]

logger = logging.getLogger("visualdl_embedding")

STDERR_TAIL_BYTES = 4_000
PATIENCE_SECONDS = 2.0


class WorkerClient:
    """Running worker, whose libraries use `n_jobs` threads.

    A reader thread calls `deliver` with ``"answer"``, header and records for each job, and at most once with
    ``"death"``, exit status (negative for a signal) and the end of the standard error. It calls `on_stoppable` with the
    process once the kernel resumes it when this process ends.
    """

    def __init__(
        self,
        deliver: Callable[..., None],
        *,
        n_jobs: int = 1,
        on_stoppable: Callable[[subprocess.Popen[bytes]], None] | None = None,
    ) -> None:
        self._deliver = deliver
        self._on_stoppable = on_stoppable
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the process runs
        self._closing = False
        self.process = start_child("visualdl_embedding.training.worker", stderr=self._stderr, n_threads=n_jobs)
        self._reader = threading.Thread(target=self._read, name="embedding-worker-reader", daemon=True)
        self._reader.start()

    def send(self, job: dict[str, Any]) -> None:
        """Send a job. If the worker has died, `deliver` reports it."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()

    def close(self, *, timeout: float = 2.0) -> None:
        """End the worker when it is idle, or kill it after `timeout` seconds."""
        self._closing = True
        self.send({"kind": "close"})
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(timeout=5)
        self._stderr.close()

    def _read(self) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        with stdout:
            while line := stdout.readline():
                header = json.loads(line)
                if header["kind"] == "ready":
                    if header["stoppable"] and self._on_stoppable is not None:
                        self._on_stoppable(self.process)
                    continue
                lengths = header.pop("records")
                records = [stdout.read(length) for length in lengths]
                if [len(record) for record in records] != lengths:
                    break
                self._deliver("answer", header, records)
        returncode = self.process.wait()
        if not self._closing:
            self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - STDERR_TAIL_BYTES))
            self._deliver("death", returncode, self._stderr.read().decode("utf-8", "replace").strip())


def wait_for(done: threading.Event, waiting: Callable[[], int], *, timeout: float | None) -> bool:
    """Wait for an event; after two seconds show the frames that `waiting` counts, by a bar or by a line in a log.

    Return whether the event is set; False after `timeout` seconds (None: no limit) and after Ctrl-C.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        if done.wait(PATIENCE_SECONDS if timeout is None else min(PATIENCE_SECONDS, timeout)):
            return True
        if deadline is not None and time.monotonic() >= deadline:
            return False
        from rich.console import Console

        console, total = Console(stderr=True), max(waiting(), 1)
        # Without ipywidgets, a bar in a notebook is a warning and an empty output. Rich 13.0 takes one for a terminal.
        has_bar = find_spec("ipywidgets") is not None if console.is_jupyter else console.is_terminal
        if has_bar:
            return _wait_with_bar(console, done, waiting, total=total, deadline=deadline)
        limit = "" if timeout is None else f" up to {timeout:.3g} s"
        logger.info("Waiting%s for %d embedding frame%s; Ctrl-C skips them.", limit, total, "s" if total > 1 else "")
        return done.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except KeyboardInterrupt:
        return False


def _wait_with_bar(
    console: Console, done: threading.Event, waiting: Callable[[], int], *, total: int, deadline: float | None
) -> bool:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("Finishing the embedding frames (Ctrl-C skips them)", total=total)
        while not done.wait(0.2):
            progress.update(task, completed=max(0, total - waiting()))
            if deadline is not None and time.monotonic() > deadline:
                return False
    return True
