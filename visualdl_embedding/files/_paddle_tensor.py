"""Reader of tensors in Paddle's C++ format, one per file or concatenated in a ``.pdiparams``.

Layout: a version (u32, 0), the number of LoD levels (u64) and that many sized blocks, another version (u32, 0), the
size of a description (i32), the description (a protobuf with type and dimensions), then the raw values. All values are
little-endian.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import check_range, read_exactly, stored_bytes
from visualdl_embedding.files._matrix import MAX_RANK, Tensor, tensor
from visualdl_embedding.files._protobuf import parse

__all__ = ["looks_like_tensor", "read_tensors"]

_TYPES = {
    0: ("bool", 1), 1: ("int16", 2), 2: ("int32", 4), 3: ("int64", 8), 4: ("float16", 2), 5: ("float32", 4),
    6: ("float64", 8), 19: ("uint64", 8), 20: ("uint8", 1), 21: ("int8", 1), 22: ("bfloat16", 2), 23: ("complex64", 8),
    24: ("complex128", 16), 32: ("float8_e4m3fn", 1), 33: ("float8_e5m2", 1), 36: ("uint16", 2), 37: ("uint32", 4),
    38: ("uint64", 8),
}  # fmt: skip
"""Name and size in bytes of each of Paddle's type numbers."""

_MAX_LEVELS = 16
_MAX_DESCRIPTION = 4096


def looks_like_tensor(head: bytes) -> bool:
    """Whether a file that begins with `head` may hold Paddle tensors; 24 bytes are enough."""
    return (
        len(head) >= 24
        and head[:4] == b"\0\0\0\0"
        and int.from_bytes(head[4:12], "little") == 0
        and head[12:16] == b"\0\0\0\0"
        and 2 <= int.from_bytes(head[16:20], "little") <= _MAX_DESCRIPTION
        and head[20] == 0x08
    )


def read_tensors(path: Path) -> Iterator[Tensor]:
    """List the tensors of a file, each with its position in the file (``"0"``, ``"1"``, …) as its key."""
    size = os.path.getsize(path)
    if size == 0:
        raise UnreadableModelError(path, "it is empty; a Paddle tensor was expected")
    with open(path, "rb") as file:
        index = 0
        while file.tell() < size:
            (dtype, width), shape = _description(file, path)
            n_bytes = math.prod(shape) * width
            yield tensor(str(index), shape, dtype, path=path, source=stored_bytes(path, file.tell(), n_bytes))
            file.seek(n_bytes, os.SEEK_CUR)
            index += 1


def _description(file: IO[bytes], path: Path) -> tuple[tuple[str, int], tuple[int, ...]]:
    """Read the description before a tensor's values: its entry of `_TYPES` and its shape."""
    begin = file.tell()

    def number(size: int) -> int:
        return int.from_bytes(read_exactly(file, size, path), "little")

    def wrong(reason: str) -> UnreadableModelError:
        return UnreadableModelError(
            path,
            f"a Paddle tensor was expected at byte {begin:,}, but {reason}",
            advice="Check that the file belongs to this model",
        )

    if (version := number(4)) != 0:
        raise wrong(f"its version is {version}, not 0 (the file may have another format or be big-endian)")
    if (levels := number(8)) > _MAX_LEVELS:
        raise wrong(f"it has {levels:,} levels of detail")
    for _ in range(levels):
        n_bytes = number(8)
        check_range(path, file.tell(), n_bytes)
        file.seek(n_bytes, os.SEEK_CUR)
    if (version := number(4)) != 0:
        raise wrong(f"its second version is {version}, not 0 (the file may be big-endian)")
    if not 2 <= (length := number(4)) <= _MAX_DESCRIPTION:
        raise wrong(f"its description has {length:,} bytes (the file may be big-endian)")
    described = read_exactly(file, length, path)
    try:
        message = parse("TensorDesc", described)
    except ValueError as error:
        raise wrong(f"its description is damaged ({error})") from None
    dtype, shape = message.data_type, tuple(message.dims)
    if dtype not in _TYPES:
        raise wrong(f"its type number {dtype} is unknown")
    if len(shape) > MAX_RANK or any(dim < 0 for dim in shape):
        raise wrong(f"its shape {shape[:MAX_RANK]} is invalid")
    return _TYPES[dtype], shape
