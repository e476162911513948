"""Strict JSON for plain values and NumPy values.

JSON has no NaN and no infinities. `dumps` writes null for them, for use outside this library. `dumps_exact` and
`loads_exact` preserve them, for the store. `known_fields` selects the fields of a data class and ignores others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

__all__ = ["dumps", "dumps_exact", "known_fields", "loads_exact", "plain"]

_NON_FINITE = "$float"
"""Key of encoded non-finite floats: ``{"$float": "nan"}`` differs from the string "nan"."""


def plain(value: Any) -> Any:
    """Convert a value to strict JSON types; NaN and the infinities become None.

    NumPy numbers become Python numbers, arrays and tuples become lists, keys become strings.

    Raises
    ------
    TypeError
        If `value` contains a type other than numbers, strings, None, lists, tuples, arrays and mappings.

    >>> plain({"share": float("nan"), "words": ("加息",)})
    {'share': None, 'words': ['加息']}
    """
    return _convert(value, lambda number: None)


def dumps(value: Any, *, indent: int | None = None, compact: bool = False) -> str:
    r"""Write strict JSON; NaN and the infinities become null.

    Lone surrogates, which UTF-8 cannot encode, are escaped, so the text can be written to any file or terminal.

    Values and errors are those of `plain`. `indent` is the number of spaces per level; `compact` omits the spaces after
    commas and colons.

    >>> dumps({"overlap": float("nan"), "rows": (1, 2)}), dumps("\ud800")
    ('{"overlap": null, "rows": [1, 2]}', '"\\ud800"')
    """
    return _write(value, plain, indent=indent, separators=(",", ":") if compact else None)


def dumps_exact(value: Any, *, indent: int | None = None) -> str:
    """Write strict JSON from which `loads_exact` restores NaN and the infinities.

    Parameters and errors are those of `dumps`.

    >>> dumps_exact({"overlap": float("nan")})
    '{"overlap": {"$float": "nan"}}'
    """
    return _write(value, lambda item: _convert(item, lambda number: {_NON_FINITE: repr(number)}), indent=indent)


def loads_exact(text: str | bytes) -> Any:
    """Parse the text of `dumps_exact`.

    Raises
    ------
    ValueError
        If `text` is not JSON, or nested too deeply for Python.
    """
    try:
        return json.loads(text, object_hook=_restore)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def known_fields(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that belong to the fields of a data class; a newer library may have written others.

    >>> from visualdl_embedding.core.table import Table
    >>> known_fields(Table, {"name": "word", "dim": 4, "sharding": "rows"})
    {'name': 'word', 'dim': 4}
    """
    return {field.name: values[field.name] for field in fields(kind) if field.name in values}


def _convert(value: Any, non_finite: Callable[[float], Any]) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return _convert(value.tolist(), non_finite)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else non_finite(float(value))
    if isinstance(value, Mapping):
        return {str(key): _convert(item, non_finite) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_convert(item, non_finite) for item in value]
    raise TypeError(
        f"A {type(value).__name__} cannot be written as JSON; use numbers, text, None, lists, arrays or mappings"
    )


def _write(value: Any, convert: Callable[[Any], Any], **options: Any) -> str:
    try:
        # Most values are plain; converting 50,000 labels in Python takes longer than writing them.
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, **options)
    except (TypeError, ValueError):
        text = json.dumps(convert(value), ensure_ascii=False, allow_nan=False, **options)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _restore(found: dict[str, Any]) -> Any:
    if len(found) == 1 and isinstance(number := found.get(_NON_FINITE), str):
        return float(number)
    return found
