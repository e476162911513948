"""Format version of the store, and errors of files that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from visualdl_embedding.errors import DamagedFileError, NewerFormatError

__all__ = ["FORMAT_VERSION", "check_format", "reading"]

FORMAT_VERSION = 1
"""Written to every file; increased when older libraries cannot read the new files."""


def check_format(found: Any, path: Path) -> None:
    """Check that this library can read ``format_version`` of a file.

    Raises
    ------
    NewerFormatError
        If the version is newer than `FORMAT_VERSION`.
    DamagedFileError
        If it is not a version number.
    """
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
