"""Inputs and outputs of the stages of an analysis: usable rows and measurements."""

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
        Scalars, keyed by `visualdl_embedding.core.names.scalar_key`.
    row_metrics
        ``(n,)`` float32 each, for all rows of the snapshot.
    notes
        Sentences for the user.
    """

    scalars: Mapping[str, float] = field(default_factory=dict)
    row_metrics: Mapping[str, Floats] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def merge(*parts: Measured) -> Measured:
    """Merge the results of stages, in order; later values replace earlier ones of the same name."""
    return Measured(
        {name: value for part in parts for name, value in part.scalars.items()},
        {name: values for part in parts for name, values in part.row_metrics.items()},
        tuple(note for part in parts for note in part.notes),
    )


@dataclass(frozen=True)
class UsableRows:
    """Rows of a snapshot between which the distance is defined.

    Attributes
    ----------
    positions
        ``(v,)`` positions of the usable rows among all n rows.
    vectors
        ``(v, d)`` float32 vectors of the usable rows.
    n
        Number of all rows.
    """

    positions: NDArray[np.intp]
    vectors: Floats
    n: int

    def spread(self, values: NDArray[np.floating]) -> Floats:
        """Expand values of the usable rows, ``(v, …)``, to all rows, ``(n, …)`` float32, with NaN elsewhere."""
        return arrays.spread(values, self.positions, self.n)


def select_usable(snapshot: Snapshot, distance: Distance) -> tuple[UsableRows, Measured]:
    """Select the rows between which the distance is defined, and count the others."""
    positions = np.flatnonzero(snapshot.usable(distance))
    counts = count_rows(snapshot.vectors, distance)
    rows = UsableRows(positions, np.ascontiguousarray(snapshot.vectors[positions]), len(snapshot.rows))
    return rows, Measured(counts, notes=tuple(left_out_notes(counts)))
