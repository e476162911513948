"""Loops compiled by numba, with machine code that belongs to its source."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["compile_loop"]

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compile_loop(loop: Loop, *, fastmath: bool = False) -> Loop:
    """Compile a loop. The machine code is cached on disk, so only the first process on a machine compiles.

    numba numbers the files of its cache. While two processes with different versions of a source file compile at the
    same time, each can overwrite the file that the other one has just listed; later processes then run the machine code
    of the other version. Therefore the names of these files contain a hash of the source.

    With `fastmath`, sums may be reordered, and a division by zero gives inf or NaN instead of an error.
    """
    import numba

    loop.__qualname__ = f"{loop.__qualname__}_{_source_hash(inspect.getfile(loop))}"
    # Checks for a division by zero would prevent vectorization.
    divisions = "numpy" if fastmath else "python"
    fast: Loop = numba.njit(cache=True, fastmath=fastmath, error_model=divisions)(loop)
    return fast


@cache
def _source_hash(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
