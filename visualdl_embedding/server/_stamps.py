"""State of files: unchanged, grown, or replaced."""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["Mark", "Stamp", "mark", "stamp_of"]

Stamp = tuple[int, int, int]
"""Modification time (ns), size in bytes, and inode number, which a replacement changes."""
_TAIL_BYTES = 256


class Mark(NamedTuple):
    """State of a file that only grows.

    Attributes
    ----------
    stamp
        Modification time, size and inode number.
    tail
        Last bytes. The system reuses inode numbers, so a file that is replaced twice may have its first number again,
        but it has other bytes at this position.
    """

    stamp: Stamp
    tail: bytes


def stamp_of(path: str | os.PathLike[str] | int) -> Stamp | None:
    """Stamp of a file, by path or descriptor; None if there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def mark(path: str | os.PathLike[str], before: Mark | None = None) -> Mark | None:
    """Mark a file.

    Parameters
    ----------
    path
        Local file.
    before
        Previous mark, if any.

    Returns
    -------
    The current mark; None if there is no such file, or if it is not the file of `before`, unchanged or grown.
    """
    if before is not None and before.stamp == stamp_of(path):
        return before
    try:
        with open(path, "rb") as file:
            stamp = stamp_of(file.fileno())
            assert stamp is not None, "The file is open."

            def tail(end: int) -> bytes:
                start = max(0, end - _TAIL_BYTES)
                file.seek(start)
                return file.read(end - start)

            if before is not None:
                _, size, number = before.stamp
                if stamp[2] != number or stamp[1] < size or tail(size) != before.tail:
                    return None
            return Mark(stamp, tail(stamp[1]))
    except OSError:
        return None
