"""Connection of the training process to the analysis process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from visualdl_embedding.core.process import start_child

__all__ = ["WorkerAnswer", "WorkerClient", "WorkerDied"]

STDERR_TAIL_BYTES = 4_000


@dataclass(frozen=True)
class WorkerAnswer:
    """Answer of the worker, with its records."""

    header: dict[str, Any]
    records: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class WorkerDied:
    """Unexpected end of the worker.

    Attributes
    ----------
    returncode
        Exit status; negative for a signal.
    stderr
        End of its standard error.
    """

    returncode: int
    stderr: str


class WorkerClient:
    """Running worker.

    Parameters
    ----------
    deliver
        Called from a reader thread with a `WorkerAnswer` for each job, and with `WorkerDied` at most once.
    n_jobs
        Threads of the worker's libraries.
    on_stoppable
        Called from the reader thread with the process, once the kernel resumes it when this process ends.
    """

    def __init__(
        self,
        deliver: Callable[[WorkerAnswer | WorkerDied], None],
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
                self._deliver(WorkerAnswer(header, records))
        returncode = self.process.wait()
        if not self._closing:
            self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - STDERR_TAIL_BYTES))
            self._deliver(WorkerDied(returncode, self._stderr.read().decode("utf-8", "replace").strip()))
