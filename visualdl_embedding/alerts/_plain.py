"""Values that every reader of JSON understands, and text that every reader of a table does."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["clean", "dumps", "plain"]


def plain(value: Any) -> Any:
    """Make a value fit for strict JSON: NaN and the infinities become None, what NumPy holds becomes plain.

    >>> plain({"share": float("nan"), "words": ("加息",)})
    {'share': None, 'words': ['加息']}
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"Evidence holds numbers, text, None, lists and mappings, not a {type(value).__name__}.")


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Write strict JSON that any text file takes: half a surrogate pair, which UTF-8 lacks, stays an escape."""
    text = json.dumps(plain(value), ensure_ascii=False, allow_nan=False, indent=indent)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def clean(text: str) -> str:
    r"""Make one printable line of text: a label may hold what XML forbids or what moves a terminal's cursor.

    >>> clean("a\x1b[31m\nb")
    'a�[31m b'
    """
    return "".join(_printable(c) for c in text)


def _printable(character: str) -> str:
    if character in "\t\n\r\u2028\u2029\x85":
        return " "
    # U+FFFE and U+FFFF are no characters, and XML 1.0 refuses them as it does control characters.
    if unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff":
        return "\ufffd"
    return character
