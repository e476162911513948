"""Names allowed in a pickle of tensors, and plain descriptions in place of the objects.

This module neither imports nor calls the named objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["BUILDERS", "Array", "DType", "Global", "Span", "fill"]


@dataclass(frozen=True, slots=True)
class Span:
    """Skipped bytes of the file; `text` if they are UTF-8 text."""

    offset: int
    size: int
    text: bool = False


@dataclass(slots=True)
class DType:
    """NumPy type: its code (``"f4"``) and byte order."""

    code: str
    order: str = "<"


@dataclass(slots=True)
class Array:
    """NumPy array, not loaded; `shape` is None until the pickle sets it."""

    shape: Any = None
    dtype: Any = None
    fortran: bool = False
    data: Any = None


@dataclass(frozen=True, slots=True)
class Global:
    """Global name in a pickle: a module and an attribute."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"[:200]


def _encode(text: Any, encoding: Any) -> Any:
    if encoding != "latin1":
        raise ValueError("bytes in an encoding other than latin1")
    if isinstance(text, Span) and text.text:
        return text
    if isinstance(text, str):
        return text.encode("latin-1")
    raise TypeError("no text to encode")


def fill(target: dict[Any, Any], pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Add key-value pairs to a dict, except those with a container as key."""
    for key, value in pairs:
        # Hashing a tuple that contains itself many times takes exponential time, and no tensor has such a name.
        if isinstance(key, str | int | float | bytes | None):
            target[key] = value
    return target


def _data_of_eval(*arguments: Any) -> Any:
    """Read a DenseTensor, which Paddle pickles as ``eval("data", {"data": array})``. Reject other expressions."""
    source, names = arguments if len(arguments) == 2 else ("", None)
    if source == "data" and isinstance(names, dict) and list(names) == ["data"] and isinstance(names["data"], Array):
        return names["data"]
    raise PermissionError


_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_BUILTINS = ("builtins", "__builtin__")

BUILDERS: dict[tuple[str, str], Callable[..., Any] | None] = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): lambda code, *_: DType(code),
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): lambda pairs=(): fill({}, pairs),
    **{(module, "_reconstruct"): lambda *_: Array() for module in _NUMPY},
    **{(module, "scalar"): lambda *_: object() for module in _NUMPY},
    **{
        (module, "_frombuffer"): lambda data, dtype, shape, order: Array(shape, dtype, order == "F", data)
        for module in _NUMPY
    },
    **{(module, "tuple"): lambda items=(): tuple(items) for module in _BUILTINS},
    **{(module, "bytes"): lambda: b"" for module in _BUILTINS},
    **{(module, "bytearray"): lambda data=b"": data for module in _BUILTINS},
    **{(module, "eval"): _data_of_eval for module in _BUILTINS},
}
"""Description for the result of each name a pickle of tensors may use; None for names that are never called."""
