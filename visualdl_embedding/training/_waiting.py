"""Wait for the last frames, with a progress bar."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["wait_for"]

PATIENCE_SECONDS = 2.0


def wait_for(done: threading.Event, waiting: Callable[[], int], *, timeout: float | None) -> bool:
    """Wait for an event, with a progress bar after two seconds.

    Parameters
    ----------
    done
        Event to wait for.
    waiting
        Returns the number of remaining frames.
    timeout
        Seconds; None for no limit.

    Returns
    -------
    Whether the event is set; False after `timeout` and after Ctrl-C.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        if done.wait(PATIENCE_SECONDS if timeout is None else min(PATIENCE_SECONDS, timeout)):
            return True
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        total = max(waiting(), 1)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
        with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("Finishing the embedding frames (Ctrl-C skips them)", total=total)
            while not done.wait(0.2):
                progress.update(task, completed=max(0, total - waiting()))
                if deadline is not None and time.monotonic() > deadline:
                    return False
    except KeyboardInterrupt:
        return False
    return True
