"""Version of what the store writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from visualdl_embedding.errors import DamagedFileError, NewerFormatError

__all__ = ["FORMAT_VERSION", "check_format"]

FORMAT_VERSION = 1
"""Counts up when an older library could no longer read what this one writes; every file carries it."""


def check_format(found: Any, path: Path) -> None:
    """Refuse a format that this library does not know.

    Parameters
    ----------
    found
        The ``format_version`` that the file states.
    path
        The file, for the message.

    Raises
    ------
    NewerFormatError
        If the version is above `FORMAT_VERSION`.
    DamagedFileError
        If it is no version at all.
    """
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise DamagedFileError(path, f"its format version is {found!r}, not a number from 1")
    if found > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path} has format {found} and this version of visualdl-embedding reads formats up to {FORMAT_VERSION}: "
            "run `pip install --upgrade visualdl-embedding`."
        )
