"""The training process's end of the worker: starts it, talks to it, notices when it dies."""

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
    """What the worker said, with the records that followed."""

    header: dict[str, Any]
    records: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class WorkerDied:
    """The worker ended without being asked to.

    Attributes
    ----------
    returncode
        Negative for a signal.
    stderr
        The end of what it wrote there.
    """

    returncode: int
    stderr: str


class WorkerClient:
    """A running worker.

    Parameters
    ----------
    deliver
        Called from a thread of ours with a `WorkerAnswer` for each job, and with `WorkerDied` at most once.
    n_jobs
        Threads that the worker's libraries may use.
    on_stoppable
        Called from that thread with the process once it may be stopped, since the kernel will wake it if we are gone.
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
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        self._closing = False
        self.process = start_child("visualdl_embedding.training.worker", stderr=self._stderr, n_threads=n_jobs)
        self._reader = threading.Thread(target=self._read, name="embedding-worker-reader", daemon=True)
        self._reader.start()

    def send(self, job: dict[str, Any]) -> None:
        """Hand over a job; a worker that is dead already reports itself through `deliver`."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            self.process.stdin.write(json.dumps(job).encode() + b"\n")
            self.process.stdin.flush()

    def close(self, *, timeout: float = 2.0) -> None:
        """End the worker: politely if it is idle, else by a signal after `timeout` seconds."""
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
            self._deliver(WorkerDied(returncode, self._stderr_tail()))

    def _stderr_tail(self) -> str:
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - STDERR_TAIL_BYTES))
        return self._stderr.read().decode("utf-8", "replace").strip()
