"""Child processes that run Python code of this package."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

__all__ = ["describe_exit", "start_child"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

# This lock prevents forks while a child starts. Both ends of the pipes of `Popen` are open while it runs. A process
# forked at that time, such as a DataLoader worker, inherits them, and `Popen` blocks until that process exits, because
# it waits for the end of its error pipe. The lock is reentrant: a signal handler may fork in the thread that holds it.
_starting = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_starting.release)


def describe_exit(returncode: int) -> str:
    """Describe how a process ended, by its exit status or the signal that ended it.

    >>> describe_exit(1)
    'exit status 1'
    """
    try:
        return f"signal {-returncode} ({signal.Signals(-returncode).name})"
    except ValueError:
        return f"exit status {returncode}"


def start_child(module: str, *, stderr: int | IO[bytes], n_threads: int = 1) -> subprocess.Popen[bytes]:
    """Start ``main()`` of a module of this package in a child process.

    The child runs in a new session, so Ctrl-C does not interrupt it. It uses no GPU and does not import from the
    current directory.

    Parameters
    ----------
    module
        Full module name, such as ``"visualdl_embedding.training.worker"``.
    stderr
        Destination of the standard error: a file or `subprocess.DEVNULL`.
    n_threads
        Number of threads that the numerical libraries of the child use.

    Returns
    -------
    The process, with pipes for standard input and output.

    Raises
    ------
    OSError
        If the process cannot be started.
    """
    command = [sys.executable, str(Path(__file__).with_name("_child.py")), module]
    threads = dict.fromkeys(THREAD_VARIABLES, str(n_threads))
    with _starting:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **threads, "CUDA_VISIBLE_DEVICES": ""},
            start_new_session=True,
        )
