"""Watched rows of one table at one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import Distance, enough_rows, has_direction, is_finite
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.stamps import content_stamp

__all__ = ["Snapshot"]


@dataclass(frozen=True)
class Snapshot:
    """Vectors of the watched rows of one table at one step.

    Attributes
    ----------
    table
        Name of the table.
    step
        Number of training batches done; 0 before training.
    rows
        Ids, labels and columns of the n rows.
    vectors
        ``(n, d)`` float32; rows may contain NaN or inf, or be zero, see `usable`.
    counters
        Statistics of the whole table at this step, by name. ``"forwards"``: number of counted forward passes.
    row_values
        Training statistics of the rows up to this step, ``(n,)`` float32 each, NaN for unknown. ``"lookups"``: number
        of lookups; ``"gradient_mean"``: mean norm of the gradient. Missing if no forward pass was counted.
    notes
        Messages for the user about the choice of the rows and their labels; not stored in a run.
    """

    table: str
    step: int
    rows: Rows
    vectors: NDArray[np.float32]
    counters: Mapping[str, float] = field(default_factory=dict)
    row_values: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.rows):
            raise ValueError(f"vectors must be (n, d) with n = {len(self.rows)} rows, not {self.vectors.shape}.")
        for name, values in self.row_values.items():
            if values.shape != (len(self.rows),):
                raise ValueError(f"{name!r} must have one value for each of {len(self.rows)} rows, not {values.shape}.")
        if self.step < 0:
            raise ValueError(f"step must be at least 0, not {self.step}.")

    @property
    def ids(self) -> NDArray[np.int64]:
        """``(n,)`` int64: rows of the table, -1 where composed."""
        return self.rows.ids

    @property
    def labels(self) -> tuple[str, ...]:
        """The n labels."""
        return self.rows.labels

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """``(n,)`` bool: rows with finite values only. Computations between rows use `usable` rows."""
        return is_finite(self.vectors)

    @cached_property
    def directed(self) -> NDArray[np.bool_]:
        """``(n,)`` bool: finite rows with a direction, see `core.distance.has_direction`."""
        return has_direction(self.vectors)

    @cached_property
    def stamp(self) -> str:
        """Digest of everything that an analysis reads, except the watched labels, which may change in a run."""
        numbers = [(name, float(self.counters[name])) for name in sorted(self.counters)]
        values = (part for name in sorted(self.row_values) for part in (name, self.row_values[name]))
        return content_stamp(self.table, self.step, self.rows.version, self.vectors, numbers, *values)

    def usable(self, distance: Distance) -> NDArray[np.bool_]:
        """Rows between which a distance is defined, `core.distance.usable_rows`; ``(n,)`` bool."""
        return self.directed if distance == "cosine" else self.valid

    def zero(self, distance: Distance) -> NDArray[np.bool_]:
        """``(n,)`` bool: finite rows that are not usable, because they have no direction."""
        return self.valid & ~self.usable(distance)

    def is_measurable(self, distance: Distance) -> bool:
        """Whether enough rows are usable for metrics and maps: half of those that are not zero, see `enough_rows`."""
        return enough_rows(int(self.usable(distance).sum()), len(self.rows) - int(self.zero(distance).sum()))
