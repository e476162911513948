"""Table in an array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.table import Table, block_ranges

__all__ = ["ArrayTable", "as_matrix"]


@dataclass(frozen=True)
class ArrayTable:
    """Table in an ``(n, d)`` array, which can be memory-mapped; only the rows that are read become float32."""

    table: Table
    vectors: NDArray[Any]

    def read_rows(self, ids: NDArray[np.int64], /) -> NDArray[np.float32]:
        """Read selected rows: ``(m, d)`` float32."""
        return np.asarray(self.vectors[ids], dtype=np.float32)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows in blocks: the number of the first row, and ``(b, d)`` float32."""
        for start, stop in block_ranges(*self.vectors.shape):
            yield start, np.asarray(self.vectors[start:stop], dtype=np.float32)


def as_matrix(source: Any) -> NDArray[Any]:
    """Validate an ``(n, d)`` array of real numbers without copying it.

    Raises
    ------
    TypeError, ValueError
        If it is something else, or empty.
    """
    if not hasattr(source, "__array__") and not isinstance(source, list | tuple):
        raise TypeError(
            f"{type(source).__name__} holds no embedding tables. Give a path to a model or a run, an opened "
            "run, a paddle.nn.Layer, a table of `open_tables`, or an (n, d) array of vectors."
        )
    vectors = np.asarray(source)
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"An array of vectors must be (n, d) and not empty; its shape is {vectors.shape}.")
    if vectors.dtype.kind not in "fiu":
        raise TypeError(f"Vectors must be real numbers; the array holds {vectors.dtype}.")
    return vectors
