"""What the stages of an analysis pass on: the rows that can be measured, and what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core import arrays
from visualdl_embedding.core.distance import Distance, count_rows, left_out_notes
from visualdl_embedding.core.snapshot import Snapshot

__all__ = ["Measured", "UsableRows", "merge", "select_usable"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """Result of a stage.

    Attributes
    ----------
    scalars
        By `visualdl_embedding.core.names.scalar_key`.
    row_metrics
        ``(n,)`` float32 each, of all rows of the snapshot.
    notes
        Sentences for the user.
    """

    scalars: Mapping[str, float] = field(default_factory=dict)
    row_metrics: Mapping[str, Floats] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def merge(*parts: Measured) -> Measured:
    """Join the results of stages, in order."""
    return Measured(
        {name: value for part in parts for name, value in part.scalars.items()},
        {name: values for part in parts for name, values in part.row_metrics.items()},
        tuple(note for part in parts for note in part.notes),
    )


@dataclass(frozen=True)
class UsableRows:
    """The rows of a snapshot that can be measured.

    Attributes
    ----------
    positions
        ``(v,)``: where they are among all n rows.
    vectors
        ``(v, d)`` float32.
    n
        Number of all rows.
    """

    positions: NDArray[np.intp]
    vectors: Floats
    n: int

    def spread(self, values: NDArray[np.floating]) -> Floats:
        """Values of these rows, ``(v, …)``, as values of all, ``(n, …)`` float32: NaN elsewhere."""
        return arrays.spread(values, self.positions, self.n)


def select_usable(snapshot: Snapshot, distance: Distance) -> tuple[UsableRows, Measured]:
    """Leave out the rows between which the distance is not defined, and count them."""
    positions = np.flatnonzero(snapshot.usable(distance))
    counts = count_rows(snapshot.vectors, distance)
    rows = UsableRows(positions, np.ascontiguousarray(snapshot.vectors[positions]), len(snapshot.rows))
    return rows, Measured(counts, notes=tuple(left_out_notes(counts)))
