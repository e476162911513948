"""Reader of text files in UTF-8, with or without a byte order mark, or in the Chinese national encodings."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["cell_text", "first_few", "in_order", "read_text", "sentence", "whole_number"]


def read_text(path: Path, *, encoding: str | None = None, what: str = "file") -> tuple[str, tuple[str, ...]]:
    """Read a text file as UTF-8 or else as GB18030 (which includes GBK and GB2312), unless `encoding` is given.

    Return the text with its line ends unchanged, and messages for the user about the encoding.
    """
    if path.is_dir():
        files = sorted(p.name for p in path.iterdir() if p.suffix in (".txt", ".json", ".dic", ".tsv", ".csv"))
        found = f"It holds {first_few(files)}." if files else "It holds no text file."
        raise FileNotFoundError(f"The {what} '{path}' is a directory; pass a file in it. {found}")
    if not path.is_file():
        raise FileNotFoundError(f"There is no {what} '{path}' (looked for '{path.absolute()}').")
    data = path.read_bytes()
    if encoding is not None:
        try:
            return data.decode(encoding), ()
        except LookupError:
            raise ValueError(f"{encoding!r} is not an encoding of Python; try 'utf-8' or 'gb18030'.") from None
        except UnicodeDecodeError as error:
            raise ValueError(f"The {what} '{path}' is not valid {encoding}: {_position(data, error)}.") from None
    if data.count(0) * 100 > len(data):
        raise ValueError(
            f"The {what} '{path}' is not text in UTF-8 or GB18030: {data.count(0)} of its {len(data)} bytes are zero. "
            "If it is UTF-16, pass encoding='utf-16'."
        )
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        return _decode_chinese(path, data, error, what=what)


def _decode_chinese(path: Path, data: bytes, error: UnicodeDecodeError, *, what: str) -> tuple[str, tuple[str, ...]]:
    text = data.decode("utf-8", "replace")
    foreign = sum(c > "\x7f" for c in text)
    # GBK text read as UTF-8 is nearly all replacement characters. If they are few, the file is UTF-8 with a damaged
    # spot; GB18030 accepts most byte pairs, so it would silently turn the whole file into other characters.
    if text.count("\ufffd") * 10 < foreign:
        raise ValueError(
            f"The {what} '{path}' is UTF-8 with a damaged spot: {_position(data, error)}. Fix that line, or pass the "
            "encoding= of the file."
        )
    try:
        decoded = data.decode("gb18030")
    except UnicodeDecodeError as second:
        raise ValueError(
            f"The {what} '{path}' is neither UTF-8 ({_position(data, error)}) nor GB18030 ({_position(data, second)}). "
            "Save it as UTF-8, or pass the encoding= of the file."
        ) from None
    return decoded, (f"The {what} '{path}' is not UTF-8; it was read as GB18030.",)


def _position(data: bytes, error: UnicodeDecodeError) -> str:
    line = data.count(b"\n", 0, error.start) + 1
    return f"byte 0x{data[error.start]:02x} in line {line}"


def cell_text(value: object) -> str:
    """Convert a cell to text: ``""`` for missing values (None, NaN, NaT, NA), whole numbers without ``.0``.

    >>> [cell_text(v) for v in (None, float("nan"), 3.0, 0.5, "a")]
    ['', '', '3', '0.5', 'a']
    """
    if isinstance(value, str):
        return str(value)
    text = str(value)
    if value is None or text in ("nan", "NaN", "NaT", "<NA>"):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return text


def whole_number(value: Any) -> int | None:
    """Return an integer of Python or NumPy as int; None for other values, booleans included."""
    try:
        return None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        return None


def in_order(values: Iterable[Any]) -> list[Any]:
    """Return values as a list; sets are sorted, because their order differs between processes."""
    return sorted(values, key=str) if isinstance(values, set | frozenset) else list(values)


def sentence(text: str) -> str:
    """Begin a text with a capital letter."""
    return text[0].upper() + text[1:]


def first_few(items: list[str], limit: int = 5) -> str:
    """Quote the first few items and count the rest.

    >>> first_few(["a", "b", "c"], 2)
    "'a', 'b' and 1 more"
    """
    named = ", ".join(repr(item) for item in items[:limit])
    return named if len(items) <= limit else f"{named} and {len(items) - limit} more"
