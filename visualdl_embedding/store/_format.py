"""Format version of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visualdl_embedding.errors import DamagedFileError, NewerFormatError

__all__ = ["FORMAT_VERSION", "check_format"]

FORMAT_VERSION = 1
"""Written to every file; increased when older libraries cannot read the new files."""


def check_format(found: Any, path: Path) -> None:
    """Check that this library can read a format version.

    Parameters
    ----------
    found
        ``format_version`` of the file.
    path
        Path of the file, for the message.

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
