"""Description of an embedding table, available without reading it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Table"]


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
