"""Readers of matrix rows in files: selected rows, or all rows in blocks, as float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.safetensors_format import MAX_RANK
from visualdl_embedding.core.table import block_ranges
from visualdl_embedding.files._bytes import Bytes, Read, read_together

__all__ = ["FLOATS", "MAX_DIM", "MAX_RANK", "NUMPY_CODES", "DenseRows", "RowReader", "Tensor", "tensor", "widen"]

FLOATS: dict[str, np.dtype[Any]] = {
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
"""NumPy storage type of each supported dtype (NumPy has no bfloat16)."""

NUMPY_CODES = {"f2": "float16", "f4": "float32", "f8": "float64", "u2": "bfloat16"}
"""Dtype by NumPy's code. Paddle converts bfloat16 to NumPy as uint16, and saves no other uint16."""

MAX_DIM = 2**20
"""Maximum number of columns. It limits a row, the smallest unit read, to 8 MiB."""

_GAP = 16 * 1024
"""Largest gap in bytes between two rows that are read together; a seek and a read cost about 5 µs."""
_RUN = 4 * 2**20
"""Maximum number of bytes per read."""


class RowReader(Protocol):
    """Row access of a file format."""

    def gather(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read the rows `ids` (ascending, distinct, in range) as ``(m, d)`` float32."""
        ...

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows in order, in blocks: the number of the first row, and ``(b, d)`` float32."""
        ...


@dataclass(frozen=True, slots=True)
class Tensor:
    """Tensor of a saved model, not loaded; `key` is its name in the file.

    Matrices of a type in `FLOATS` have a `reader`. `parameter` is Paddle's name (``"embedding_0.w_0"``), if the file
    holds it. With a program next to the file, `looked_up` is whether it uses the tensor as an embedding table, and
    `padding_idx` its padding index.
    """

    key: str
    shape: tuple[int, ...]
    dtype: str
    path: Path
    reader: RowReader | None = None
    parameter: str = ""
    looked_up: bool | None = None
    padding_idx: int | None = None


def tensor(
    key: str,
    shape: tuple[int, ...],
    dtype: str,
    *,
    path: Path,
    source: Bytes,
    byte_order: str = "<",
    fortran: bool = False,
    parameter: str = "",
) -> Tensor:
    """Describe an array stored as plain bytes; matrices of a type in `FLOATS` get a reader."""
    readable = len(shape) == 2 and dtype in FLOATS
    reader = DenseRows(source, (shape[0], shape[1]), dtype, byte_order, fortran) if readable else None
    return Tensor(key, shape, dtype, path, reader, parameter)


def widen(values: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Convert values of the type `FLOATS` has for `dtype`, in any byte order, to float32 of the same shape.

    ``"bfloat16"`` values are the upper halves of float32 values. Float64 values beyond the float32 range become inf.

    >>> widen(np.array([0x3F80], dtype="<u2"), "bfloat16")
    array([1.], dtype=float32)
    """
    if dtype == "bfloat16":
        return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32)


@dataclass(frozen=True, slots=True)
class DenseRows:
    """Matrix ``(V, d)`` of a type in `FLOATS`; all byte orders but ``">"`` are little-endian.

    Rows are contiguous, or columns in Fortran order.
    """

    source: Bytes
    shape: tuple[int, int]
    dtype: str
    byte_order: str = "<"
    fortran: bool = False

    @property
    def _stored(self) -> np.dtype[Any]:
        return FLOATS[self.dtype].newbyteorder(">" if self.byte_order == ">" else "<")

    def _range(self, read: Read, low: int, high: int) -> NDArray[np.float32]:
        num_rows, dim = self.shape
        stored = self._stored
        if not self.fortran:
            data = read(low * dim * stored.itemsize, high * dim * stored.itemsize)
            return widen(np.frombuffer(data, stored).reshape(high - low, dim), self.dtype)
        block = np.empty((high - low, dim), np.float32)
        for column in range(dim):
            begin = column * num_rows
            data = read((begin + low) * stored.itemsize, (begin + high) * stored.itemsize)
            block[:, column] = widen(np.frombuffer(data, stored), self.dtype)
        return block

    def gather(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read only these rows; rows close to each other are read together."""
        vectors = np.empty((len(ids), self.shape[1]), np.float32)
        row_bytes = self.shape[1] * self._stored.itemsize
        begins = (ids * row_bytes).tolist()
        # Rows of columns are read column by column, so gaps between them are narrower.
        gap = _GAP * (self.shape[1] if self.fortran else 1)
        with self.source() as read:
            for start, stop in read_together(begins, [b + row_bytes for b in begins], gap=gap, limit=_RUN):
                low, high = int(ids[start]), int(ids[stop - 1]) + 1
                vectors[start:stop] = self._range(read, low, high)[ids[start:stop] - low]
        return vectors

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows, block by block."""
        with self.source() as read:
            for low, high in block_ranges(*self.shape):
                yield low, self._range(read, low, high)
