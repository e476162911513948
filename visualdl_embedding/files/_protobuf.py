"""Paddle's protobuf messages, limited to the fields that describe parameters and the operators that use them.

Field numbers: paddle/fluid/framework/framework.proto. The messages are not registered in protobuf's default pool, where
Paddle registers its own.
"""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["parse"]

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
"""Number, name and type of each field; ``*`` marks repeated fields.

Text is read as bytes, because protobuf does not check its encoding.
"""


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
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    descriptor = pool.FindFileByName(file.name)
    return {name: message_factory.GetMessageClass(found) for name, found in descriptor.message_types_by_name.items()}
