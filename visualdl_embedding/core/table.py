"""What is known of an embedding table without reading it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Readable", "Table", "block_ranges"]

_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Table:
    """One embedding weight matrix of a model.

    Attributes
    ----------
    name
        The dotted name of its layer (``"encoder.word_embeddings"``), ``"embedding"`` for a layer at the root.
    num_rows
        V, the number of rows.
    dim
        d, the number of columns.
    dtype
        Name of the stored type: ``"float32"``, ``"float16"``, ``"bfloat16"``, …
    padding_idx
        The row that the layer holds at zero, or None.
    """

    name: str
    num_rows: int
    dim: int
    dtype: str = "float32"
    padding_idx: int | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.num_rows:,} × {self.dim:,}, {self.dtype})"


class Readable(Protocol):
    """A table that is read a few rows or a block at a time."""

    @property
    def table(self) -> Table:
        """Name, shape, type, padding row; nothing is read."""

    def read_rows(self, ids: NDArray[np.int64], /) -> NDArray[np.float32]:
        """Read only these rows: ``(m, d)`` float32."""

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows in order: the number of a block's first, and ``(b, d)`` float32."""


def block_ranges(num_rows: int, dim: int) -> Iterator[tuple[int, int]]:
    """Cut rows into blocks of about 8 MiB as float32; yields the first row and the row after the last of each."""
    size = max(1, _BLOCK_BYTES // (4 * max(1, dim)))
    return ((start, min(start + size, num_rows)) for start in range(0, num_rows, size))
