"""Progress reports and timing of named parts."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Progress", "announced", "timed"]

logger = logging.getLogger("visualdl_embedding")

ANNOUNCED_AFTER_SECONDS = 2.0

Progress = Callable[[str, int, int], None]
"""Called as ``on_progress(part, done, total)``."""


@contextmanager
def announced(what: str) -> Iterator[None]:
    """Log one line, ``"{what} …"``, if a block takes more than two seconds."""
    timer = threading.Timer(ANNOUNCED_AFTER_SECONDS, logger.info, ("%s …", what))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    """Add the wall-clock time of a block to ``seconds[part]``, in seconds."""
    start = time.perf_counter()
    yield
    seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - start
