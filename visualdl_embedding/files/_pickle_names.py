"""What a pickle of tensors may name, and the plain descriptions that stand for it.

Nothing here imports or calls what a name means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["BUILDERS", "Array", "DType", "Global", "Span", "fill"]


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of the file that were skipped; `text` where they are UTF-8 text."""

    offset: int
    size: int
    text: bool = False


@dataclass(slots=True)
class DType:
    """A NumPy type: its code (``"f4"``) and byte order."""

    code: str
    order: str = "<"


@dataclass(slots=True)
class Array:
    """A NumPy array, not loaded; `shape` is None until the pickle has told."""

    shape: Any = None
    dtype: Any = None
    fortran: bool = False
    data: Any = None


@dataclass(frozen=True, slots=True)
class Global:
    """A name that a pickle gives, as a module and what is in it."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"[:200]


@dataclass(frozen=True, slots=True)
class _Opaque:
    """A value that is no tensor and interests nobody."""


def _encode(text: Any, encoding: Any) -> Any:
    if encoding != "latin1":
        raise ValueError("bytes in another encoding than latin1")
    if isinstance(text, Span) and text.text:
        return text
    if isinstance(text, str):
        return text.encode("latin-1")
    raise TypeError("no text to encode")


def fill(target: dict[Any, Any], pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Put pairs of a key and a value into a dict; those whose key is a container are left out."""
    for key, value in pairs:
        # A tuple that holds itself many times over takes for ever to hash, and no tensor has such a name.
        if isinstance(key, str | int | float | bytes | None):
            target[key] = value
    return target


def _ndarray_from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> Array:
    return Array(shape, dtype, order == "F", buffer)


def _data_of_eval(*arguments: Any) -> Any:
    """Paddle pickles a DenseTensor as ``eval("data", {"data": array})``; exactly this is understood, nothing else."""
    source, names = arguments if len(arguments) == 2 else ("", None)
    if source == "data" and isinstance(names, dict) and list(names) == ["data"] and isinstance(names["data"], Array):
        return names["data"]
    raise PermissionError


_NUMPY = ("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")
_BUILTINS = ("builtins", "__builtin__")
_Builder = Callable[..., Any] | None

BUILDERS: dict[tuple[str, str], _Builder] = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): lambda code, *_: DType(code),
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): lambda pairs=(): fill({}, pairs),
    **{(module, "_reconstruct"): lambda *_: Array() for module in _NUMPY},
    **{(module, "scalar"): lambda *_: _Opaque() for module in _NUMPY},
    **{(module, "_frombuffer"): _ndarray_from_buffer for module in _NUMPY},
    **{(module, "tuple"): lambda items=(): tuple(items) for module in _BUILTINS},
    **{(module, "bytes"): lambda: b"" for module in _BUILTINS},
    **{(module, "bytearray"): lambda data=b"": data for module in _BUILTINS},
    **{(module, "eval"): _data_of_eval for module in _BUILTINS},
}
"""What a pickle of tensors may name, and the description that stands for the result; None: named, never called."""
