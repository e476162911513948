"""Layout of safetensors files, read without trust and written without a copy.

A file is the length of a JSON header (u64, little-endian), the header, then the tensors without gaps.
Format: https://github.com/huggingface/safetensors#format

Decision 011 says why the ``safetensors`` package is not used.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_RANK", "Layout", "LayoutError", "TensorPlace", "looks_like_safetensors", "pack", "read_layout"]

MAX_RANK = 16
"""Dimensions a tensor may have: a damaged file may claim thousands, whose product has too many digits to be printed."""
_MAX_HEADER = 32 * 2**20
"""The ``safetensors`` package admits 100 MB, which Python needs 1 GB to hold; 100,000 tensors take some 12 MB."""
_TYPES = {
    "F16": ("float16", 2), "BF16": ("bfloat16", 2), "F32": ("float32", 4), "F64": ("float64", 8), "BOOL": ("bool", 1),
    "U8": ("uint8", 1), "I8": ("int8", 1), "U16": ("uint16", 2), "I16": ("int16", 2), "U32": ("uint32", 4),
    "I32": ("int32", 4), "U64": ("uint64", 8), "I64": ("int64", 8), "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1), "C64": ("complex64", 8),
}  # fmt: skip
_WRITTEN = {
    np.dtype(_TYPES[name][0]).newbyteorder("<"): name
    for name in ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U8", "BOOL")
}


class LayoutError(ValueError):
    """A header that does not describe its file; the message is the end of a sentence about the file."""


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Place of a tensor in its file.

    Attributes
    ----------
    dtype
        Name of its type, ``"float32"``. A type that this module does not know has its name in the file.
    shape
        Of any length up to `MAX_RANK`.
    start, stop
        Offsets of its bytes in the file.
    known
        Whether the type is known, and the shape fits the bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int
    known: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """Header of a file.

    Attributes
    ----------
    metadata
        As the file has it: a mapping of text to text, unless the file is damaged; empty where there is none.
    places
        By the name of the tensor, in the order of the header.
    data_start
        Offset of the byte after the header.
    """

    metadata: Any
    places: Mapping[str, TensorPlace]
    data_start: int

    def check_dense(self, size: int) -> None:
        """Check that the tensors fill a file of `size` bytes without overlaps and gaps.

        Raises
        ------
        LayoutError
            If they do not.
        """
        end = self.data_start
        for place in sorted(self.places.values(), key=lambda p: (p.start, p.stop)):
            if place.start != end:
                raise LayoutError("its tensors overlap or leave gaps")
            end = place.stop
        if end != size:
            raise LayoutError(f"it has {size:,} bytes, its header asks for {end:,}")


def looks_like_safetensors(head: bytes, size: int) -> bool:
    """Whether a file of `size` bytes that begins with `head` may be one; 9 bytes are enough."""
    return len(head) >= 9 and int.from_bytes(head[:8], "little") <= size - 8 and head[8:9] == b"{"


def read_layout(file: IO[bytes]) -> Layout:
    """Read the header of an open file; no tensor is read.

    Raises
    ------
    LayoutError
        If the header is damaged, or a tensor lies beyond the end of the file.
    """
    size = os.fstat(file.fileno()).st_size
    prefix = file.read(8)
    if len(prefix) < 8:
        raise LayoutError(f"it has {size} bytes; a safetensors file was expected")
    length = int.from_bytes(prefix, "little")
    if length > min(size - 8, _MAX_HEADER):
        swapped = int.from_bytes(prefix, "big")
        hint = "; its length reads as big-endian, the format is little-endian" if swapped <= size - 8 else ""
        raise LayoutError(
            f"its header would have {length:,} bytes of {size:,} (at most {_MAX_HEADER:,} are read){hint}"
        )
    text = file.read(length)
    if len(text) < length:
        raise LayoutError(f"it ends {length - len(text):,} bytes too early")
    try:
        header = json.loads(text, object_pairs_hook=_unique)
        if not isinstance(header, dict):
            raise ValueError("no object of names")
        metadata = header.pop("__metadata__", {})
        places = {name: _place(name, value, 8 + length, size) for name, value in header.items()}
    except LayoutError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise LayoutError(f"its header is no safetensors header ({str(error)[:200]})") from None
    return Layout(metadata, places, 8 + length)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _place(name: str, value: dict[str, Any], data_start: int, size: int) -> TensorPlace:
    shape, (start, stop) = value["shape"], value["data_offsets"]
    numbers = (*shape, start, stop)
    if len(shape) > MAX_RANK or not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
        raise ValueError(f"{name!r} has a shape or an offset that is no natural number")
    dtype, width = _TYPES.get(value["dtype"], (str(value["dtype"]), 0))
    if width and stop - start != math.prod(shape) * width:
        raise ValueError(f"{name!r} of shape {shape} and type {dtype} does not fit its {stop - start:,} bytes")
    if data_start + stop > size:
        raise LayoutError(f"its tensor {name!r} ends at byte {data_start + stop:,} of {size:,}; it is cut off")
    return TensorPlace(dtype, tuple(shape), data_start + start, data_start + stop, known=width > 0)


def pack(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """Lay out a file.

    Parameters
    ----------
    tensors
        Arrays of bool, int8 to int64, uint8 or float16 to float64; contiguous ones are not copied.
    metadata
        Free text by name.

    Yields
    ------
    The parts of the file, in order.

    Raises
    ------
    TypeError
        If an array has another type.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    # Wide types first: then each tensor is aligned to its own width, as the package's writer has it.
    arrays = sorted(((name, _written(name, array)) for name, array in tensors.items()), key=lambda a: -a[1].itemsize)
    start = 0
    for name, array in arrays:
        stop = start + array.nbytes
        header[name] = {"dtype": _WRITTEN[array.dtype], "shape": list(array.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text))
    yield text
    for _, array in arrays:
        if array.size:
            yield array.reshape(-1).view(np.uint8).data


def _written(name: str, array: NDArray[Any]) -> NDArray[Any]:
    # A zero-dimensional array stays one: np.ascontiguousarray would make it (1,).
    written = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    if written.dtype not in _WRITTEN:
        known = ", ".join(str(dtype) for dtype in _WRITTEN)
        raise TypeError(f"{name!r} has type {array.dtype}, which is not stored; give an array of {known}.")
    return written
