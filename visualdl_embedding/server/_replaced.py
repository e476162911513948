"""Whether a file that only grows is still the one that was read, or another in its place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import IO

from visualdl_embedding.server._listing import Stamp, stamp_of

__all__ = ["Mark", "is_same", "mark_of"]

_TAIL_BYTES = 256


@dataclass(frozen=True, slots=True)
class Mark:
    """What a file was when it was looked at.

    Attributes
    ----------
    stamp
        Moment of its last change, bytes, number.
    tail
        Its last bytes. A file that is replaced twice may have its first number again, for the system gives freed ones
        out anew: but then other bytes stand at this place.
    """

    stamp: Stamp
    tail: bytes


def mark_of(file: IO[bytes]) -> Mark:
    """Look at an open file."""
    stamp = stamp_of(file.fileno())
    assert stamp is not None, "An open file has one."
    return Mark(stamp, _tail(file, stamp[1]))


def is_same(file: IO[bytes], mark: Mark) -> bool:
    """Tell whether an open file is as it was, or has grown; False where it is another, or was cut back."""
    _, size, number = mark.stamp
    found = os.fstat(file.fileno())
    return found.st_ino == number and found.st_size >= size and _tail(file, size) == mark.tail


def _tail(file: IO[bytes], end: int) -> bytes:
    start = max(0, end - _TAIL_BYTES)
    file.seek(start)
    return file.read(end - start)
