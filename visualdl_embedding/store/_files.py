"""Files of the store: format version, and writes with errors that name the file."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from visualdl_embedding.core.atomic import replacing
from visualdl_embedding.errors import DamagedFileError, NewerFormatError

__all__ = [
    "FORMAT_VERSION",
    "append_line",
    "check_format",
    "check_writable",
    "fresh_directory",
    "reading",
    "write_atomically",
]

FORMAT_VERSION = 1
"""Written to every file; increased when older libraries cannot read the new files."""
Part = bytes | memoryview


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
    """Write or replace a file by `core.atomic.replacing`. Memory views are written without a copy.

    If it fails, an `OSError` has the system's reason.
    """
    try:
        with replacing(path) as file:
            file.writelines(parts)
    except OSError as error:
        raise _explained(error, path) from error


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
