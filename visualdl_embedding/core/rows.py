"""Watched rows of a table, fixed for a run so that its frames are comparable."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.columns import numbers

__all__ = ["COMPOSED", "Rows"]

COMPOSED = -1
"""Id of a row that is the mean of several table rows."""


@dataclass(frozen=True)
class Rows:
    """Watched rows with their labels and columns.

    Attributes
    ----------
    ids
        ``(n,)`` int64: row of the table, or `COMPOSED` (-1) for the mean of several rows.
    labels
        n distinct strings.
    columns
        Additional columns by name, n strings each, ``""`` for unknown values. The library uses the columns ``"group"``
        and ``"frequency"``.
    pieces
        Table rows of each composed row, by its position.
    watch
        Labels with their own scalars; a subset of `labels`.
    left_out
        Number of candidates left out, by reason (``"special token"``, ``"no label"``, …).
    how
        Description of the selection, such as ``"the 500 most frequent"``.
    """

    ids: NDArray[np.int64]
    labels: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pieces: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    watch: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    how: str = ""

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.ids.shape != (n,):
            raise ValueError(f"ids must have one id per label: {self.ids.shape} ids for {n} labels.")
        if len(set(self.labels)) != n:
            raise ValueError("Labels of rows must be distinct; write an ambiguous one as 'label (id)'.")
        for name, values in self.columns.items():
            if len(values) != n:
                raise ValueError(f"Column {name!r} has {len(values)} values for {n} rows.")
        composed = set(np.flatnonzero(self.ids == COMPOSED).tolist())
        if composed != set(self.pieces):
            raise ValueError("pieces must have an entry for each composed row (id -1), and for no other row.")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def gather_ids(self) -> NDArray[np.int64]:
        """``(m,)`` int64, sorted and distinct: table rows to read."""
        parts = [self.ids[self.ids != COMPOSED], *(np.asarray(p, dtype=np.int64) for p in self.pieces.values())]
        return np.unique(np.concatenate(parts))

    @cached_property
    def _positions(self) -> NDArray[np.intp]:
        """Position in the gathered block of each row that is not composed."""
        return np.searchsorted(self.gather_ids, np.where(self.ids == COMPOSED, self.gather_ids[0], self.ids))

    def assemble(self, gathered: NDArray[np.float32]) -> NDArray[np.float32]:
        """Arrange the table rows `gather_ids`, ``(m, d)``, in row order and compute the composed rows.

        The result is ``(n, d)`` float32.
        """
        vectors = gathered[self._positions].astype(np.float32, copy=False)
        for position, pieces in self.pieces.items():
            vectors[position] = gathered[np.searchsorted(self.gather_ids, np.asarray(pieces))].mean(axis=0)
        return vectors

    def frequencies(self, column: str = "frequency") -> NDArray[np.float64]:
        """``(n,)`` float64: a column as counts or shares; NaN where it has no finite number from 0."""
        cells = self.columns.get(column)
        values = np.full(len(self), np.nan) if cells is None else numbers(cells)
        return np.where((values >= 0) & (values < np.inf), values, np.nan)

    @cached_property
    def version(self) -> str:
        """Hash of 12 hexadecimal digits over ids, labels and columns."""
        content = [self.ids.tolist(), self.labels, sorted((k, tuple(v)) for k, v in self.columns.items())]
        content.append(sorted((k, tuple(v)) for k, v in self.pieces.items()))
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
