"""The rows of a table that are watched: chosen once, fixed for a run, so that its frames compare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPOSED", "Rows"]

COMPOSED = -1
"""The id of a row that is no row of the table but the mean of several."""


@dataclass(frozen=True)
class Rows:
    """Watched rows with what is known of each.

    Attributes
    ----------
    ids
        ``(n,)`` int64: row of the table; `COMPOSED` (-1) for a row that is the mean of its pieces.
    labels
        n distinct strings.
    columns
        Further columns by name, n strings each, ``""`` where nothing is known. ``"group"`` and ``"frequency"``
        are the names that the rest of the library knows.
    pieces
        For each composed row, by its position: the table rows whose mean it is.
    watch
        Labels that get scalars of their own; all of them stand in `labels`.
    left_out
        How many candidates were left out, by reason (``"special token"``, ``"no label"``, …).
    how
        How the rows were chosen, as a phrase: ``"the 500 most frequent"``.
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
            raise ValueError(f"Rows need one id per label: {self.ids.shape} ids for {n} labels.")
        if len(set(self.labels)) != n:
            raise ValueError("Labels of rows must be distinct; write an ambiguous one as 'label (id)'.")
        for name, values in self.columns.items():
            if len(values) != n:
                raise ValueError(f"Column {name!r} has {len(values)} values for {n} rows.")
        composed = set(np.flatnonzero(self.ids == COMPOSED).tolist())
        if composed != set(self.pieces):
            raise ValueError("Every composed row (id -1), and no other, needs its pieces.")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def gather_ids(self) -> NDArray[np.int64]:
        """``(m,)`` int64, sorted and distinct: the rows of the table to read."""
        parts = [self.ids[self.ids != COMPOSED], *(np.asarray(p, dtype=np.int64) for p in self.pieces.values())]
        return np.unique(np.concatenate(parts))

    @cached_property
    def _positions(self) -> NDArray[np.intp]:
        """Where in the gathered block each row that is not composed stands."""
        return np.searchsorted(self.gather_ids, np.where(self.ids == COMPOSED, self.gather_ids[0], self.ids))

    def assemble(self, gathered: NDArray[np.float32]) -> NDArray[np.float32]:
        """Order a gathered block as the rows are ordered, and compose those that are composed.

        Parameters
        ----------
        gathered
            ``(m, d)``: the table's rows `gather_ids`.

        Returns
        -------
        ``(n, d)`` float32.
        """
        vectors = gathered[self._positions].astype(np.float32, copy=False)
        for position, pieces in self.pieces.items():
            vectors[position] = gathered[np.searchsorted(self.gather_ids, np.asarray(pieces))].mean(axis=0)
        return vectors

    @cached_property
    def version(self) -> str:
        """12 hexadecimal digits that change whenever an id, a label or a column does."""
        content = [self.ids.tolist(), self.labels, sorted((k, tuple(v)) for k, v in self.columns.items())]
        content.append(sorted((k, tuple(v)) for k, v in self.pieces.items()))
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
