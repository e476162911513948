"""Description of an embedding table, available without reading it."""

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
    """Embedding weight matrix of a model.

    Attributes
    ----------
    name
        Dotted name of its layer (``"encoder.word_embeddings"``), ``"embedding"`` for a layer at the root.
    num_rows
        V, the number of rows.
    dim
        d, the number of columns.
    dtype
        Name of the stored type: ``"float32"``, ``"float16"``, ``"bfloat16"``, …
    padding_idx
        Row that the layer keeps at zero, or None.
    """

    name: str
    num_rows: int
    dim: int
    dtype: str = "float32"
    padding_idx: int | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.num_rows:,} × {self.dim:,}, {self.dtype})"


class Readable(Protocol):
    """Table with access to selected rows and to blocks of rows."""

    @property
    def table(self) -> Table:
        """Name, shape, type and padding row, available without reading."""

    def read_rows(self, ids: NDArray[np.int64], /) -> NDArray[np.float32]:
        """Read selected rows: ``(m, d)`` float32."""

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows in blocks: the number of the first row, and ``(b, d)`` float32."""


def block_ranges(num_rows: int, dim: int) -> Iterator[tuple[int, int]]:
    """Split rows into blocks of about 8 MiB as float32; yield the first row and the row after the last of each."""
    size = max(1, _BLOCK_BYTES // (4 * max(1, dim)))
    return ((start, min(start + size, num_rows)) for start in range(0, num_rows, size))
