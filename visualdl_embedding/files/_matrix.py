"""Rows of a matrix in a file: some of them, or all in blocks, always as float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.safetensors_format import MAX_RANK
from visualdl_embedding.files._bytes import Bytes, Read

__all__ = ["FLOATS", "MAX_DIM", "MAX_RANK", "DenseRows", "RowReader", "Tensor", "widen"]

FLOATS: dict[str, np.dtype[Any]] = {
    "float16": np.dtype("<f2"),
    "bfloat16": np.dtype("<u2"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
"""Types a table may have, by name, with the NumPy type of their bytes: NumPy knows no bfloat16."""

MAX_DIM = 2**20
"""Columns a table may have, so that a row, the least that is read, has at most 8 MiB."""

_GAP = 16 * 1024
"""Bytes between two wanted rows that are cheaper to read than to skip (about 5 µs for a seek and a read)."""
_RUN = 4 * 2**20
"""Bytes read at once."""


class RowReader(Protocol):
    """What a format knows to do with its rows."""

    def gather(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read the rows `ids`, which are ascending, distinct and inside the table, as ``(m, d)`` float32."""
        ...

    def blocks(self, rows_per_block: int) -> Iterator[NDArray[np.float32]]:
        """Read all rows in order, so many at once, as ``(b, d)`` float32."""
        ...


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a saved model, not loaded.

    Attributes
    ----------
    key
        Its name in the file.
    shape
        Of any length.
    dtype
        Its type's name, ``"float32"``.
    path
        The file its bytes lie in.
    reader
        Reads rows; None unless it is a matrix of a type in `FLOATS`.
    parameter
        Paddle's own name of the parameter (``"embedding_0.w_0"``), ``""`` where the file has none.
    looked_up
        The program that comes with the file uses it as an embedding table; None without a program.
    padding_idx
        As the program states it.
    """

    key: str
    shape: tuple[int, ...]
    dtype: str
    path: Path
    reader: RowReader | None = None
    parameter: str = ""
    looked_up: bool | None = None
    padding_idx: int | None = None


def widen(values: NDArray[Any], dtype: str) -> NDArray[np.float32]:
    """Bring stored values to float32.

    Parameters
    ----------
    values
        Of the type `FLOATS` has for `dtype`, in any byte order.
    dtype
        ``"bfloat16"`` values are the upper halves of float32 ones. A float64 beyond float32's range becomes inf.

    Returns
    -------
    The same shape, float32.

    >>> widen(np.array([0x3F80], dtype="<u2"), "bfloat16")
    array([1.], dtype=float32)
    """
    if dtype == "bfloat16":
        return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32)


@dataclass(frozen=True, slots=True)
class DenseRows:
    """Rows of equal size, one after the other (or, in Fortran order, columns).

    Attributes
    ----------
    source
        The bytes of the matrix.
    shape
        V and d.
    dtype
        A key of `FLOATS`.
    byte_order
        ``"<"``, or ``">"`` where the file says so.
    fortran
        Whether columns are contiguous instead of rows.
    """

    source: Bytes
    shape: tuple[int, int]
    dtype: str
    byte_order: str = "<"
    fortran: bool = False

    @property
    def _stored(self) -> np.dtype[Any]:
        return FLOATS[self.dtype].newbyteorder("<" if self.byte_order == "<" else ">")

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
        """Read only these rows, near ones together."""
        vectors = np.empty((len(ids), self.shape[1]), np.float32)
        row_bytes = self.shape[1] * self._stored.itemsize
        with self.source.open() as read:
            for start, stop in _runs(ids.tolist(), row_bytes, self._stored.itemsize if self.fortran else row_bytes):
                low, high = int(ids[start]), int(ids[stop - 1]) + 1
                vectors[start:stop] = self._range(read, low, high)[ids[start:stop] - low]
        return vectors

    def blocks(self, rows_per_block: int) -> Iterator[NDArray[np.float32]]:
        """Read all rows, block by block."""
        with self.source.open() as read:
            for low in range(0, self.shape[0], rows_per_block):
                yield self._range(read, low, min(low + rows_per_block, self.shape[0]))


def _runs(ids: list[int], row_bytes: int, gap_bytes: int) -> Iterator[tuple[int, int]]:
    """Positions from and to which rows are read together.

    >>> list(_runs([0, 1, 2, 9000], 512, 512))
    [(0, 3), (3, 4)]
    """
    start = 0
    for i in range(1, len(ids)):
        if (ids[i] - ids[i - 1]) * gap_bytes > _GAP or (ids[i] - ids[start] + 1) * row_bytes > _RUN:
            yield start, i
            start = i
    if ids:
        yield start, len(ids)
