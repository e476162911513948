"""Safetensors files, whose header tells where every tensor lies.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from visualdl_embedding.files._bytes import FileBytes, read_exactly
from visualdl_embedding.files._errors import UnreadableModelError
from visualdl_embedding.files._matrix import FLOATS, MAX_RANK, DenseRows, Tensor

__all__ = ["looks_like_safetensors", "read_safetensors"]

_TYPES = {
    "F16": ("float16", 2), "BF16": ("bfloat16", 2), "F32": ("float32", 4), "F64": ("float64", 8), "BOOL": ("bool", 1),
    "U8": ("uint8", 1), "I8": ("int8", 1), "U16": ("uint16", 2), "I16": ("int16", 2), "U32": ("uint32", 4),
    "I32": ("int32", 4), "U64": ("uint64", 8), "I64": ("int64", 8), "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1), "C64": ("complex64", 8),
}  # fmt: skip
_MAX_HEADER = 32 * 2**20
"""The official reader admits 100 MB, which Python would need 1 GB to hold; 100,000 tensors take some 12 MB."""


def looks_like_safetensors(head: bytes, size: int) -> bool:
    """Whether a file of this size that begins so may be one; 9 bytes are enough."""
    return len(head) >= 9 and int.from_bytes(head[:8], "little") <= size - 8 and head[8:9] == b"{"


def read_safetensors(path: Path) -> list[Tensor]:
    """Find the tensors of a file.

    Raises
    ------
    UnreadableModelError
        If the header is damaged, or the tensors do not lie in the file as it says.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        prefix = file.read(8)
        if len(prefix) < 8:
            raise UnreadableModelError(path, f"it has {size} bytes; a safetensors file was expected")
        length = int.from_bytes(prefix, "little")
        if length > min(size - 8, _MAX_HEADER):
            swapped = int.from_bytes(prefix, "big")
            hint = "; its length reads as big-endian, the format is little-endian" if swapped <= size - 8 else ""
            reason = f"its header would have {length:,} bytes of {size:,} (at most {_MAX_HEADER:,} are read){hint}"
            raise UnreadableModelError(path, reason)
        text = read_exactly(file, length, path)
    try:
        header = json.loads(text, object_pairs_hook=_unique)
        if not isinstance(header, dict):
            raise ValueError("no object of names")
        header.pop("__metadata__", None)
        tensors = [_tensor(name, value, path, (8 + length, size)) for name, value in header.items()]
    except UnreadableModelError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise UnreadableModelError(path, f"its header is no safetensors header ({str(error)[:200]})") from None
    return tensors


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _tensor(name: str, value: dict[str, Any], path: Path, room: tuple[int, int]) -> Tensor:
    shape, (start, stop) = value["shape"], value["data_offsets"]
    numbers = (*shape, start, stop)
    if len(shape) > MAX_RANK or not all(type(number) is int and 0 <= number < 2**63 for number in numbers):
        raise ValueError(f"{name!r} has a shape or an offset that is no natural number")
    # A type that is younger than this reader: its tensors are left alone.
    dtype, width = _TYPES.get(value["dtype"], (str(value["dtype"]), 0))
    if width and stop - start != math.prod(shape) * width:
        raise ValueError(f"{name!r} of shape {shape} and type {dtype} does not fit its {stop - start:,} bytes")
    begin, end = room
    if begin + stop > end:
        raise UnreadableModelError(path, f"its tensor {name!r} ends at byte {begin + stop:,} of {end:,}; it is cut off")
    reader = None
    if len(shape) == 2 and dtype in FLOATS:
        reader = DenseRows(FileBytes(path, begin + start, stop - start), (shape[0], shape[1]), dtype)
    return Tensor(name, tuple(shape), dtype, path, reader)
