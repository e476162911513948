"""Child processes that run Python code of this package."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

__all__ = ["start_child"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

# While `Popen` runs, its pipes are open at both ends. A process forked then, such as a worker of a DataLoader, inherits
# them, and `Popen` blocks until that process exits, for it waits for the end of its error pipe. So nothing is forked
# while a child starts. The lock is reentrant, for a signal handler may fork in the thread that holds it.
_starting = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_starting.acquire, after_in_parent=_starting.release, after_in_child=_starting.release)


def start_child(module: str, *, stderr: int | IO[bytes], n_threads: int = 1) -> subprocess.Popen[bytes]:
    """Start ``main()`` of a module of this package in a process of its own.

    The child has a session of its own, so that Ctrl-C does not reach it, uses no GPU, and never imports from the
    current directory.

    Parameters
    ----------
    module
        Full name, such as ``"visualdl_embedding.training.worker"``.
    stderr
        Where its standard error goes: a file, or `subprocess.DEVNULL`.
    n_threads
        Threads that its libraries may use.

    Returns
    -------
    The process, with pipes for its standard input and output.

    Raises
    ------
    OSError
        If the process cannot be started.
    """
    command = [sys.executable, str(Path(__file__).with_name("_child.py")), module]
    with _starting:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=_environment(n_threads),
            start_new_session=True,
        )


def _environment(n_threads: int) -> dict[str, str]:
    threads = dict.fromkeys(THREAD_VARIABLES, str(n_threads))
    return {**os.environ, **threads, "CUDA_VISIBLE_DEVICES": ""}
