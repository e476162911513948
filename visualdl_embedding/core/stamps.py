"""Stamps: what a stored or cached result was made from.

A result is valid while its stamp is equal to the stamp of its sources today. Every stamp contains the version of this
library, because another version may compute other numbers from the same sources.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib import metadata
from typing import TypeAlias

import numpy as np

__all__ = ["FileStamp", "content_stamp", "file_stamp", "library_version"]

FileStamp: TypeAlias = tuple[int, int, int]
"""Modification time (ns), size in bytes, and inode number, which a replacement changes."""


@cache
def library_version() -> str:
    """Return the version of this library; ``"unknown"`` if it is not installed."""
    try:
        return metadata.version("visualdl-embedding")
    except metadata.PackageNotFoundError:
        return "unknown"


def content_stamp(*parts: object) -> str:
    """Return a digest of arrays and of plain values, and of the version of this library.

    Parameters
    ----------
    parts
        Arrays, and values with a `repr` that determines them: text, numbers, and tuples and lists of these.

    >>> content_stamp("tsne", 1) == content_stamp("tsne", 1), content_stamp("tsne", 1) == content_stamp("tsne", 2)
    (True, False)
    """
    digest = hashlib.blake2b(library_version().encode(), digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"\0{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            digest.update(f"\0{part!r}".encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def file_stamp(path: str | os.PathLike[str] | int) -> FileStamp | None:
    """Return the state of a file, by path or descriptor; None if there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
