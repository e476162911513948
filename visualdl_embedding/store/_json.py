"""Strict JSON that keeps NaN and the infinities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["dumps", "loads"]

_NON_FINITE = "$float"
"""JSON has no NaN; ``{"$float": "nan"}`` cannot be mistaken for the text "nan" as a bare string could."""


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Write plain values as strict JSON.

    Numbers of NumPy become plain ones, arrays and tuples become lists; keys become text. NaN and the infinities
    become ``{"$float": "nan"}`` and so on.

    Parameters
    ----------
    value
        Numbers, text, None, and lists and mappings of these.
    indent
        Spaces by level; None writes one line.

    Raises
    ------
    TypeError
        If something else stands in `value`.

    Examples
    --------
    >>> dumps({"overlap": float("nan"), "rows": (1, 2)})
    '{"overlap": {"$float": "nan"}, "rows": [1, 2]}'
    """
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=indent)


def loads(text: str | bytes) -> Any:
    """Undo `dumps`.

    Raises
    ------
    ValueError
        If `text` is no JSON, or nested so deeply that it cannot be meant.
    """
    try:
        return json.loads(text, object_hook=_restore)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return number if math.isfinite(number) else {_NON_FINITE: repr(number)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    raise TypeError(f"A {type(value).__name__} cannot be stored as JSON; give numbers, text, None, lists or mappings.")


def _restore(found: dict[str, Any]) -> Any:
    if len(found) == 1 and isinstance(number := found.get(_NON_FINITE), str):
        return float(number)
    return found
