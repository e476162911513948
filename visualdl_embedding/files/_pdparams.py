"""Reader of Paddle checkpoints: pickled dictionaries of arrays."""

from __future__ import annotations

import math
import os
import re
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import Bytes, Latin1Bytes, file_bytes, joined_bytes
from visualdl_embedding.files._matrix import FLOATS, MAX_RANK, NUMPY_CODES, Tensor, tensor
from visualdl_embedding.files._pickle import Array, DType, Span, read_pickle

__all__ = ["read_checkpoint", "structured_names"]

_PARAMETER_NAMES = "StructuredToParameterName@@"
_BIG = "UnpackBigParamInfor@@"
_OPTIMIZER = re.compile(r"optim|^opt$|sched|master_weights", re.IGNORECASE)
_CODE = re.compile(r"[<>|=]?([a-zA-Z]\d{0,9})")
_MAX_TENSORS = 1_000_000


class _Form(NamedTuple):
    """Shape, dtype, byte order and size in bytes of an array."""

    shape: tuple[int, ...]
    dtype: str
    order: str
    size: int


def read_checkpoint(path: Path) -> list[Tensor]:
    """List the tensors of a ``.pdparams``, also in nested dictionaries and lists, without those of an optimizer."""
    root = read_pickle(path)
    if isinstance(root, dict) and isinstance(root.get(_BIG), dict):
        root = _join(root, path)
    return _tensors(root, path)


def structured_names(path: Path) -> dict[str, str]:
    """Structured names of layers by parameter name, from a ``.pdiparams.info``.

    An unreadable file yields no names: they are optional.
    """
    try:
        root = read_pickle(path)
    except (UnreadableModelError, OSError):
        return {}
    if not isinstance(root, dict):
        return {}
    names = {key: value.get("structured_name") for key, value in root.items() if isinstance(value, dict)}
    return {key: name for key, name in names.items() if isinstance(key, str) and isinstance(name, str)}


def _tensors(root: Any, path: Path) -> list[Tensor]:
    """Walk plain containers. Each is visited once, because containers may contain themselves."""
    found: list[Tensor] = []
    seen: set[int] = set()
    waiting: list[tuple[str, Any, str]] = [("", root, "")]
    while waiting:
        key, value, parameter = waiting.pop()
        if isinstance(value, Tensor):
            found.append(replace(value, parameter=parameter))
        if isinstance(value, Array) and value.shape is not None:
            found.append(_tensor(key or parameter or "weight", value, path, parameter))
        if not isinstance(value, dict | list | tuple) or id(value) in seen:
            continue
        seen.add(id(value))
        if len(found) > _MAX_TENSORS:
            break
        waiting += reversed(_children(key, value))
    return found


def _children(key: str, value: Any) -> list[tuple[str, Any, str]]:
    prefix = f"{key}." if key else ""
    if isinstance(value, dict):
        names = value.get(_PARAMETER_NAMES)
        names = names if isinstance(names, dict) else {}
        return [
            (f"{prefix}{_text(name)}", item, _text(names.get(name, "")))
            for name, item in value.items()
            if name != _PARAMETER_NAMES and not (isinstance(item, dict) and _OPTIMIZER.search(_text(name)))
        ]
    # paddle.save writes a tensor outside a state dict as a pair of its name and its values.
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], Array):
        return [(key, value[1], value[0])]
    return [(f"{prefix}{i}", item, "") for i, item in enumerate(value)]


def _text(name: Any) -> str:
    return name if isinstance(name, str) else "" if name is None else str(name)[:100]


def _join(root: dict[Any, Any], path: Path) -> dict[Any, Any]:
    """Join the flat slices that Paddle splits tensors above 1 GiB into, with protocols 2 and 3."""
    joined, parts = dict(root), set()
    room = os.path.getsize(path)
    for key, info in root[_BIG].items():
        slices: Any = info.get("slices") if isinstance(info, dict) else None
        named = isinstance(slices, list) and all(isinstance(part, str) for part in slices)
        arrays: list[Any] = [root.get(part) for part in slices] if named else []
        if not arrays or not all(isinstance(array, Array) for array in arrays):
            raise UnreadableModelError(path, f"the slices of its tensor {key!r} are missing")
        parts |= set(slices)
        forms = [_form(array, path) for array in arrays]
        sources = [
            (_bytes(array, path, form.size, part), form.size)
            for part, array, form in zip(slices, arrays, forms, strict=True)
        ]
        _, dtype, order, _ = forms[0]
        if any((form.dtype, form.order) != (dtype, order) for form in forms):
            raise UnreadableModelError(path, f"the slices of its tensor {key!r} are of several types")
        shape = _shape(info.get("OriginShape"), path)
        size = sum(form.size for form in forms)
        # A slice listed many times would turn a small file into a table of terabytes.
        if len(set(map(id, arrays))) != len(arrays) or (room := room - size) < 0:
            raise UnreadableModelError(path, f"the slices of its tensor {key!r} need more bytes than the file holds")
        if len(shape) == 2 and dtype in FLOATS and math.prod(shape) * FLOATS[dtype].itemsize != size:
            raise UnreadableModelError(path, f"the slices of its tensor {key!r} do not match its shape {shape}")
        source = partial(joined_bytes, sources)
        joined[key] = tensor(_text(key), shape, dtype, path=path, source=source, byte_order=order)
    return {key: value for key, value in joined.items() if key not in parts and key != _BIG}


def _form(array: Array, path: Path) -> _Form:
    shape, dtype = _shape(array.shape, path), array.dtype
    dtype = dtype if isinstance(dtype, DType) else DType("")
    match = _CODE.fullmatch(dtype.code) if isinstance(dtype.code, str) else None
    code = match[1] if match else ""
    size = math.prod(shape) * int(code[1:] or 0)
    return _Form(shape, NUMPY_CODES.get(code, code or "object"), ">" if dtype.order == ">" else "<", size)


def _shape(shape: Any, path: Path) -> tuple[int, ...]:
    natural = isinstance(shape, tuple | list) and all(type(dim) is int and 0 <= dim < 2**63 for dim in shape)
    if not natural or len(shape) > MAX_RANK:
        raise UnreadableModelError(path, "a tensor in it has an invalid shape")
    return tuple(shape)


def _tensor(key: str, array: Array, path: Path, parameter: str) -> Tensor:
    shape, dtype, order, size = _form(array, path)
    if len(shape) != 2 or dtype not in FLOATS:
        return Tensor(key, shape, dtype, path, parameter=parameter)
    source = _bytes(array, path, size, key)
    return tensor(
        key, shape, dtype, path=path, source=source, byte_order=order, fortran=array.fortran, parameter=parameter
    )


def _bytes(array: Array, path: Path, size: int, key: str) -> Bytes:
    data = array.data.encode("latin-1", "replace") if isinstance(array.data, str) else array.data
    if not isinstance(data, Span | bytes):
        raise UnreadableModelError(path, f"its tensor {key!r} has no values")
    found = len(data) if isinstance(data, bytes) else data.size
    is_text = isinstance(data, Span) and data.text
    if not (found // 2 <= size <= found if is_text else found == size):
        raise UnreadableModelError(path, f"its tensor {key!r} needs {size:,} bytes, but has {found:,}")
    if isinstance(data, bytes):
        kept = data
        return lambda: nullcontext(lambda start, stop: kept[start:stop])
    return Latin1Bytes(path, data.offset, found, size) if data.text else partial(file_bytes, path, data.offset)
