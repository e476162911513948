"""Reader and writer for the layout of safetensors files. Files are validated on reading; writing does not copy.

A file is the length of a JSON header (u64, little-endian), the header, then the tensors without gaps.
Format: https://github.com/huggingface/safetensors#format

Decision 011 explains why the ``safetensors`` package is not used.
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

from visualdl_embedding.errors import EmbeddingError

__all__ = ["MAX_RANK", "FileLayout", "LayoutError", "TensorPlace", "looks_like_safetensors", "pack", "read_layout"]

MAX_RANK = 16
"""Maximum rank of a tensor: a damaged file may claim thousands of dimensions, with a product too long to print."""
_MAX_HEADER = 32 * 2**20
"""Maximum header size. The ``safetensors`` package allows 100 MB (1 GB in Python); 100,000 tensors take 12 MB."""
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


class LayoutError(EmbeddingError, ValueError):
    """Invalid header; the message completes a sentence about the file."""


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
class FileLayout:
    """Header of a file.

    Attributes
    ----------
    metadata
        Metadata from the file: a mapping of text to text, unless the file is damaged; empty if there is none.
    places
        Places by tensor name, in header order.
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
            raise LayoutError(f"it has {size:,} bytes, but its header requires {end:,}")


def looks_like_safetensors(head: bytes, size: int) -> bool:
    """Whether a file of `size` bytes that begins with `head` may be safetensors; 9 bytes are enough."""
    return len(head) >= 9 and int.from_bytes(head[:8], "little") <= size - 8 and head[8:9] == b"{"


def read_layout(file: IO[bytes]) -> FileLayout:
    """Read the header of an open file without reading tensors.

    Raises
    ------
    LayoutError
        If the header is damaged, or a tensor ends beyond the file.
    """
    size = os.fstat(file.fileno()).st_size
    prefix = file.read(8)
    if len(prefix) < 8:
        raise LayoutError(f"it has {size} bytes; a safetensors file was expected")
    length = int.from_bytes(prefix, "little")
    if length > min(size - 8, _MAX_HEADER):
        swapped = int.from_bytes(prefix, "big")
        hint = "; its length is big-endian, but the format is little-endian" if swapped <= size - 8 else ""
        raise LayoutError(f"its header has {length:,} bytes of {size:,} (at most {_MAX_HEADER:,} are allowed){hint}")
    text = file.read(length)
    if len(text) < length:
        raise LayoutError(f"it ends {length - len(text):,} bytes early")
    try:
        header = json.loads(text, object_pairs_hook=_unique)
        if not isinstance(header, dict):
            raise ValueError("not an object of names")
        metadata = header.pop("__metadata__", {})
        places = {name: _place(name, value, 8 + length, size) for name, value in header.items()}
    except LayoutError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise LayoutError(f"its header is not a safetensors header ({str(error)[:200]})") from None
    return FileLayout(metadata, places, 8 + length)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _place(name: str, value: dict[str, Any], data_start: int, size: int) -> TensorPlace:
    shape, (start, stop) = value["shape"], value["data_offsets"]
    numbers = (*shape, start, stop)
    if len(shape) > MAX_RANK or not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
        raise ValueError(f"{name!r} has a shape or an offset that is not a natural number")
    dtype, width = _TYPES.get(value["dtype"], (str(value["dtype"]), 0))
    if width and stop - start != math.prod(shape) * width:
        raise ValueError(f"{name!r} of shape {shape} and type {dtype} does not match its {stop - start:,} bytes")
    if data_start + stop > size:
        raise LayoutError(f"its tensor {name!r} ends at byte {data_start + stop:,} of {size:,}; it is cut off")
    return TensorPlace(dtype, tuple(shape), data_start + start, data_start + stop, known=width > 0)


def pack(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """Serialize tensors to a file.

    Parameters
    ----------
    tensors
        Arrays of bool, int8 to int64, uint8 or float16 to float64; contiguous ones are not copied.
    metadata
        Text values by name.

    Yields
    ------
    The parts of the file, in order.

    Raises
    ------
    TypeError
        If an array has another type.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    # Write wide types first, so that each tensor is aligned to its type, as the safetensors package does.
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
    # np.ascontiguousarray would turn a zero-dimensional array into shape (1,).
    written = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    if written.dtype not in _WRITTEN:
        known = ", ".join(str(dtype) for dtype in _WRITTEN)
        raise TypeError(f"{name!r} has type {array.dtype}, which cannot be stored; use an array of {known}.")
    return written
