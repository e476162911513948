"""Reader of tensors in Paddle's C++ format, one per file or concatenated in a ``.pdiparams``.

Layout: a version (u32, 0), the number of LoD levels (u64) and that many sized blocks, another version (u32, 0), the
size of a description (i32), the description (a protobuf with type and dimensions), then the raw values. All values are
little-endian. Field numbers of Paddle's protobuf messages: paddle/fluid/framework/framework.proto.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import check_range, read_exactly, stored_bytes
from visualdl_embedding.files._matrix import MAX_RANK, Tensor, tensor

__all__ = ["looks_like_tensor", "parse", "read_tensors"]

_TYPES = {
    0: ("bool", 1), 1: ("int16", 2), 2: ("int32", 4), 3: ("int64", 8), 4: ("float16", 2), 5: ("float32", 4),
    6: ("float64", 8), 19: ("uint64", 8), 20: ("uint8", 1), 21: ("int8", 1), 22: ("bfloat16", 2), 23: ("complex64", 8),
    24: ("complex128", 16), 32: ("float8_e4m3fn", 1), 33: ("float8_e5m2", 1), 36: ("uint16", 2), 37: ("uint32", 4),
    38: ("uint64", 8),
}  # fmt: skip
"""Name and size in bytes of each of Paddle's type numbers."""

_MAX_LEVELS = 16
_MAX_DESCRIPTION = 4096

_MESSAGES: dict[str, tuple[tuple[int, str, str], ...]] = {
    "ProgramDesc": ((1, "blocks", "BlockDesc*"),),
    "BlockDesc": ((3, "vars", "VarDesc*"), (4, "ops", "OpDesc*")),
    "VarDesc": ((1, "name", "bytes"), (2, "type", "VarType"), (3, "persistable", "bool")),
    "VarType": ((1, "type", "int32"), (3, "dense_tensor", "DenseTensorDesc")),
    "DenseTensorDesc": ((1, "tensor", "TensorDesc"),),
    "TensorDesc": ((1, "data_type", "int32"), (2, "dims", "int64*")),
    "OpDesc": ((1, "inputs", "OpVar*"), (3, "type", "bytes"), (4, "attrs", "OpAttr*")),
    "OpVar": ((2, "arguments", "bytes*"),),
    "OpAttr": ((1, "name", "bytes"), (3, "i", "int32"), (13, "l", "int64")),
}
"""Number, name and type of the fields that describe parameters and the operators that use them; ``*``: repeated.

Text is read as bytes, because protobuf does not check its encoding.
"""


def looks_like_tensor(head: bytes) -> bool:
    """Whether a file that begins with `head` may hold Paddle tensors; 24 bytes are enough."""
    described = 2 <= int.from_bytes(head[16:20], "little") <= _MAX_DESCRIPTION
    return len(head) >= 24 and head[:16] == bytes(16) and described and head[20] == 0x08


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
            advice="Check that the file is complete and belongs to this model",
        )

    if (version := number(4)) != 0:
        raise wrong(f"its version is {version}, not 0 (big-endian files are not supported)")
    if (levels := number(8)) > _MAX_LEVELS:
        raise wrong(f"it has {levels:,} levels of detail")
    for _ in range(levels):
        n_bytes = number(8)
        check_range(path, file.tell(), n_bytes)
        file.seek(n_bytes, os.SEEK_CUR)
    if (version := number(4)) != 0:
        raise wrong(f"its second version is {version}, not 0 (big-endian files are not supported)")
    if not 2 <= (length := number(4)) <= _MAX_DESCRIPTION:
        raise wrong(f"its description has {length:,} bytes (big-endian files are not supported)")
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


def parse(kind: str, data: bytes) -> Any:
    """Parse a message, such as a ``"ProgramDesc"``, or raise ValueError. Absent numbers are -1."""
    from google.protobuf.message import DecodeError

    try:
        return _classes()[kind].FromString(data)
    except DecodeError as error:
        raise ValueError(str(error)) from None


@cache
def _classes() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="framework.proto", package="framework")
    for message, listed in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for number, name, kind in listed:
            field = described.field.add(number=number, name=name, label=3 if kind.endswith("*") else 1)
            kind = kind.removesuffix("*")
            if kind in _MESSAGES:
                field.type_name = f".framework.{kind}"
            else:
                field.type = descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
            if kind.startswith("int") and field.label == 1:
                field.default_value = "-1"
    # Paddle registers its own messages in protobuf's default pool.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindFileByName(file.name)
    return {name: message_factory.GetMessageClass(found) for name, found in descriptor.message_types_by_name.items()}
