"""Safetensors files, written without a copy and read without trust.

The official package serializes by building one bytes object, a second copy of the vectors in the training process.
The format is small: the length of a JSON header (u64, little-endian), the header, then the tensors without gaps.
Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.store._format import DamagedFileError

__all__ = ["TensorFile", "pack"]

Array = NDArray[Any]

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MAX_HEADER = 100_000_000
"""The limit of the official reader; a damaged length must not make us reserve memory."""
_MAP_FROM = 64 * 2**20
"""Bytes from which a tensor is memory-mapped. Below, reading (2 ms for 10,000 x 128) spares an open file per tensor:
a thousand mapped snapshots would meet the usual limit of 1,024."""


def pack(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """Lay out a safetensors file.

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
    # Wide types first: then each tensor is aligned to its own width, as the official writer has it.
    arrays = sorted(((name, _stored(name, array)) for name, array in tensors.items()), key=lambda a: -a[1].itemsize)
    start = 0
    for name, array in arrays:
        stop = start + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text))
    yield text
    for _, array in arrays:
        if array.size:
            yield array.reshape(-1).view(np.uint8).data


def _stored(name: str, array: Array) -> Array:
    # A zero-dimensional array stays one: np.ascontiguousarray would make it (1,).
    stored = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    if stored.dtype not in _NAMES:
        raise TypeError(
            f"{name!r} has type {array.dtype}, which is not stored; known are {', '.join(_NAMES.values())}."
        )
    return stored


@dataclass(frozen=True, slots=True)
class _Entry:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


class TensorFile:
    """A safetensors file open for reading; a context manager.

    Everything is read from the one open file, so that a file replaced meanwhile does no harm.

    Attributes
    ----------
    path
        The file.
    metadata
        Free text by name.

    Raises
    ------
    DamagedFileError
        If it is no whole safetensors file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115
        try:
            self.metadata, self._entries = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def names(self) -> list[str]:
        """Names of the tensors, in the order of the file."""
        return list(self._entries)

    def read(self, name: str) -> Array:
        """Read one tensor; a large one is mapped, copy-on-write.

        Raises
        ------
        DamagedFileError
            If it is not there.
        """
        if name not in self._entries:
            raise DamagedFileError(self.path, f"the tensor {name!r} is missing")
        entry = self._entries[name]
        if entry.stop - entry.start >= _MAP_FROM:
            mapped = np.memmap(self._file, dtype=entry.dtype, mode="c", offset=entry.start, shape=entry.shape)
            return mapped.view(np.ndarray)
        array = np.empty(entry.shape, dtype=entry.dtype)
        if array.size:
            self._file.seek(entry.start)
            if self._file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
                raise DamagedFileError(self.path, "it ends too early")
        return array

    def _read_header(self) -> tuple[dict[str, str], dict[str, _Entry]]:
        size = os.fstat(self._file.fileno()).st_size
        prefix = self._file.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or length > min(size - 8, _MAX_HEADER):
            raise DamagedFileError(self.path, "it is no whole safetensors file")
        try:
            header = json.loads(self._file.read(length))
            metadata = header.pop("__metadata__", {})
            entries = {name: _entry(value, 8 + length) for name, value in header.items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DamagedFileError(self.path, f"its header cannot be read ({error})") from error
        if not isinstance(metadata, dict):
            raise DamagedFileError(self.path, "its metadata are no mapping")
        end = 8 + length
        for entry in sorted(entries.values(), key=lambda e: (e.start, e.stop)):
            if entry.start != end:
                raise DamagedFileError(self.path, "its tensors overlap or leave gaps")
            end = entry.stop
        if end != size:
            raise DamagedFileError(self.path, f"it has {size:,} bytes, its header asks for {end:,}")
        return metadata, entries


def _entry(value: Mapping[str, Any], data_start: int) -> _Entry:
    dtype = _DTYPES[value["dtype"]]
    shape = tuple(value["shape"])
    start, stop = value["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, start, stop)):
        raise ValueError("a shape or an offset is no natural number")
    if stop - start != math.prod(shape) * dtype.itemsize:
        raise ValueError("a shape does not fit its bytes")
    return _Entry(dtype, shape, data_start + start, data_start + stop)
