"""Waiting for the last frames, where somebody looks on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["wait_for"]

PATIENCE_SECONDS = 2.0


def wait_for(done: threading.Event, waiting: Callable[[], int], *, timeout: float | None) -> bool:
    """Wait, with a progress bar when it takes over two seconds.

    Parameters
    ----------
    done
        What is waited for.
    waiting
        Counts what is still to come.
    timeout
        Seconds; None without limit.

    Returns
    -------
    Whether it is done; False after `timeout` and after Ctrl-C.
    """
    try:
        if done.wait(PATIENCE_SECONDS if timeout is None else min(PATIENCE_SECONDS, timeout)):
            return True
    except KeyboardInterrupt:
        return False
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    deadline = None if timeout is None else time.monotonic() + timeout - PATIENCE_SECONDS
    total = max(waiting(), 1)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Finishing the embedding frames (Ctrl-C leaves them)", total=total)
        try:
            while not done.wait(0.2):
                progress.update(task, completed=max(0, total - waiting()))
                if deadline is not None and time.monotonic() > deadline:
                    return False
        except KeyboardInterrupt:
            return False
    return True
