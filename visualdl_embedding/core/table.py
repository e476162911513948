"""What is known of an embedding table without reading it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Table"]


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
