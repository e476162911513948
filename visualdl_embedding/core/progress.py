"""Progress reports and timing of named parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Progress", "timed"]

Progress = Callable[[str, int, int], None]
"""Called as ``on_progress(part, done, total)``."""


@contextmanager
def timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    """Add the wall-clock time of a block to ``seconds[part]``, in seconds."""
    start = time.perf_counter()
    yield
    seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - start
