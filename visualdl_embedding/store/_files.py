"""Files of the store: format version, and atomic writes.

Readers see complete files only, and a failed write leaves the old file.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from visualdl_embedding.errors import DamagedFileError, NewerFormatError

__all__ = [
    "FORMAT_VERSION",
    "append_line",
    "check_format",
    "check_writable",
    "fresh_directory",
    "reading",
    "remove_stale",
    "write_atomically",
]

FORMAT_VERSION = 1
"""Written to every file; increased when older libraries cannot read the new files."""
Part = bytes | memoryview

_counter = itertools.count()
_in_flight: set[str] = set()
_STALE_SECONDS = 3600.0
"""Age in seconds of abandoned temporary files from other machines. Writing 1,000,000 x 128 takes seconds."""


def check_format(found: Any, path: Path) -> None:
    """Raise `NewerFormatError` or `DamagedFileError` if this library cannot read ``format_version`` of a file."""
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise DamagedFileError(path, f"its format version is {found!r}, not a number from 1")
    if found > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path} has format {found}, but this version of visualdl-embedding reads formats up to {FORMAT_VERSION}: "
            "run `pip install --upgrade visualdl-embedding`."
        )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert exceptions from malformed content to a `DamagedFileError` that names the file."""
    try:
        yield
    except (DamagedFileError, NewerFormatError):
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFileError(path, f"its content cannot be read ({type(error).__name__}: {error})") from error


def write_atomically(path: Path, parts: Iterable[Part]) -> None:
    """Write a file under a temporary name, sync it, then rename it. Memory views are written without a copy.

    If it fails, an `OSError` has the system's reason, no temporary file is left, and the old file is intact.
    """
    temporary = path.with_name(f"{path.name}.{_host()}-{os.getpid()}-{next(_counter)}.tmp")
    _in_flight.add(temporary.name)
    try:
        with open(temporary, "xb", buffering=0) as file:
            for part in parts:
                _write_all(file.fileno(), part)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _explained(error, path) from error
        raise
    finally:
        _in_flight.discard(temporary.name)
    _sync_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Append one line and sync the file.

    An incomplete last line, left by a killed writer, is closed first, so that only that line is lost. After an
    `OSError` with the system's reason, the file has its previous length.
    """
    with open(path, "a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        torn = False
        if size:
            file.seek(size - 1)
            torn = file.read(1) != b"\n"
        try:
            _write_all(file.fileno(), (b"\n" if torn else b"") + line.encode("utf-8", "backslashreplace") + b"\n")
            os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(file.fileno(), size)
            raise _explained(error, path) from error


def remove_stale(folder: Path) -> list[Path]:
    """Remove the temporary files of ended writers, and return them.

    Files of this machine are removed if their process has ended, files of other machines (shared file system) after an
    hour.
    """
    removed = []
    for path in folder.glob("*.tmp"):
        with suppress(OSError):
            if _is_stale(path):
                path.unlink()
                removed.append(path)
    return removed


def check_writable(folder: Path) -> None:
    """Check that a folder can be created and written, and leave nothing behind; an `OSError` names the folder."""
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise NotADirectoryError(
            f"Cannot write to {folder}: {existing} is not a directory. Choose another log directory."
        )
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        message = f"Cannot write to {folder}: {existing}: {error.strerror}. Choose another log directory."
        raise type(error)(message) from error


def fresh_directory(log_dir: Path) -> Path:
    """Return a log directory that does not exist yet.

    >>> fresh_directory(Path("no-such-folder/a")).name
    'a-2'
    """
    base, _, suffix = log_dir.name.rpartition("-")
    # "a-2" is followed by "a-3"; the year in "weekly-2024" is part of the name.
    counted = bool(base) and suffix.isdecimal() and len(suffix) < 3 and not suffix.startswith("0")
    name, start = (base, int(suffix) + 1) if counted else (log_dir.name, 2)
    candidates = (log_dir.with_name(f"{name}-{number}") for number in itertools.count(start))
    return next(path for path in candidates if not os.path.lexists(path))


def _explained(error: OSError, path: Path) -> OSError:
    if error.errno is None:
        return error
    reason = f"{error.strerror}; the file was not written, and earlier files are intact"
    return OSError(error.errno, reason, str(path))


def _write_all(descriptor: int, part: Part) -> None:
    view = memoryview(part).cast("B")
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    """Sync a folder after a rename, if the system supports it (Windows cannot open a folder)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems reject it; the file itself is already synced.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
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
        if path.name not in _in_flight if pid == os.getpid() else not _is_alive(pid):
            return True
    return time.time() - path.stat().st_mtime > _STALE_SECONDS


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True
