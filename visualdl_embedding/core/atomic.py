"""Atomic replacement of files: written under a temporary name, synced, and renamed.

Readers see complete files only, and a failed write leaves the old file.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

__all__ = ["move_synced", "remove_stale", "replacing"]

_counter = itertools.count()
_in_flight: set[str] = set()
_STALE_SECONDS = 3600.0
"""Age in seconds of abandoned temporary files from other machines. Writing 1,000,000 x 128 takes seconds."""


@contextmanager
def replacing(path: Path, *, prefix: str | None = None) -> Iterator[IO[bytes]]:
    """Open a file for writing that replaces `path` if the block ends without an error.

    After an error no temporary file is left, and the old file is intact. `prefix` begins the temporary name; by default
    it is the name of the file.
    """
    temporary = path.with_name(f"{prefix or path.name}.{_host()}-{os.getpid()}-{next(_counter)}.tmp")
    _in_flight.add(temporary.name)
    try:
        with open(temporary, "xb") as file:
            yield file
        move_synced(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    finally:
        _in_flight.discard(temporary.name)


def move_synced(source: Path, target: Path) -> None:
    """Sync a file, rename it within its file system, and sync the target's folder."""
    _sync(source)
    os.replace(source, target)
    # Windows cannot open a folder.
    with suppress(PermissionError):
        _sync(target.parent)


def remove_stale(folder: Path) -> list[Path]:
    """Remove the temporary files of ended writers, and return them.

    Files of this machine are removed if and only if their process has ended, files of other machines (shared file
    system) and of unknown writers after an hour.
    """
    removed = []
    for path in folder.glob("*.tmp"):
        with suppress(OSError):
            if _is_stale(path):
                path.unlink()
                removed.append(path)
    return removed


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder; the file itself is already synced.
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def _host() -> str:
    return "".join(c for c in socket.gethostname() if c.isalnum()) or "host"


def _is_stale(path: Path) -> bool:
    writer = path.suffixes[-2].removeprefix(".").split("-") if len(path.suffixes) > 1 else []
    if len(writer) == 3 and writer[0] == _host() and writer[1].isdecimal():
        pid = int(writer[1])
        # In containers several trainings may have process id 7, so compare names with those of this process.
        # A living writer may be slow or stopped, so the age of its file is no evidence.
        return path.name not in _in_flight if pid == os.getpid() else not _is_alive(pid)
    return time.time() - path.stat().st_mtime > _STALE_SECONDS


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True
