"""Result of a comparison of two snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.jsonable import plain
from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.drift._direction import Direction

__all__ = ["Drift", "GroupDrift", "WordDrift"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class WordDrift:
    """Change of one word.

    Attributes
    ----------
    label
        Label of the word.
    neighbor_overlap, displacement, relative_displacement, change
        As in `Drift`; None if equal widths are required.
    p_value, p_corrected
        p-value of its change; corrected among the watched words, or among all others. NaN if unknown.
    neighbors_before, neighbors_after
        Labels of its nearest rows, nearest first.
    """

    label: str
    neighbor_overlap: float
    displacement: float | None
    relative_displacement: float | None
    change: float
    p_value: float
    p_corrected: float
    neighbors_before: tuple[str, ...]
    neighbors_after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupDrift:
    """Change of one group.

    Attributes
    ----------
    group, size
        Name, and number of paired rows.
    neighbor_overlap, displacement
        Means over its rows; the displacement is None if widths differ.
    p_value
        Rank of its mean change among those in the null pairs; NaN without null pairs.
    p_corrected
        The same, corrected for all groups.
    """

    group: str
    size: int
    neighbor_overlap: float
    displacement: float | None
    p_value: float
    p_corrected: float


@dataclass(frozen=True)
class Drift:
    """Changes between two snapshots.

    Attributes
    ----------
    labels
        Labels of the n paired rows, in the order of the later snapshot.
    step_before, step_after
        Steps of the two snapshots.
    neighbor_overlap
        ``(n,)`` float32, 0 to 1: share of the neighbors in common.
    displacement
        ``(n,)`` float32 from 0, in radii of the earlier snapshot (`metrics.aligned_displacement`); None if the widths
        differ.
    relative_displacement
        The same without the mean motion of the row's neighbors, or None.
    change
        ``(n,)`` float32, 0 to 2: one minus the cosine of the row's similarities to its neighbors before and after.
    p_values
        ``(n,)`` float64: p-value of the row's change, see `null`.
    p_corrected
        ``(n,)`` float64: corrected separately for the watched words and for all other rows.
    mean_neighbor_overlap, mean_displacement
        Means over the rows.
    cka
        Debiased linear CKA of the paired rows; 1 if only axes, origin and scale changed.
    space_p_values
        p-values of ``"neighbor_overlap"``, ``"displacement"`` and ``"cka"``: rank among the null pairs. Empty without
        them.
    groups
        One for each group, in the order of their names.
    watched
        One for each watched word that was compared, in the given order.
    moved
        Rows with the strongest evidence of a change: by p-value, then by change relative to the usual one.
    directions
        One for each watched word and group, if there are at least two groups.
    null
        Description of the reference for p-values.
    floor
        Means over the null pairs of ``"neighbor_overlap"``, ``"displacement"`` and ``"cka"``: the effect of a new
        training alone. None without null pairs.
    shift
        Motion of the center of the space relative to the origin, in radii; removed from all other values. NaN if widths
        differ.
    n_neighbors, distance, alpha, correction, random_state
        Settings of the comparison.
    left_out
        Number of rows not compared, by reason.
    notes
        Messages for the user about rows left out, lowered parameters, and limits.
    """

    labels: tuple[str, ...]
    step_before: int
    step_after: int
    neighbor_overlap: Floats
    displacement: Floats | None
    relative_displacement: Floats | None
    change: Floats
    p_values: NDArray[np.float64]
    p_corrected: NDArray[np.float64]
    mean_neighbor_overlap: float
    mean_displacement: float | None
    cka: float
    space_p_values: Mapping[str, float]
    groups: tuple[GroupDrift, ...]
    watched: tuple[WordDrift, ...]
    moved: tuple[WordDrift, ...]
    directions: tuple[Direction, ...]
    null: str
    floor: Mapping[str, float] | None
    shift: float
    n_neighbors: int
    distance: Distance
    alpha: float
    correction: str
    random_state: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the arrays with one value per row.

        NaN and the infinities become None.
        """
        rows = {"labels", "neighbor_overlap", "displacement", "relative_displacement", "change"}
        rows |= {"p_values", "p_corrected"}
        # asdict() of the whole object would copy all arrays first.
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in rows}
        for name in ("groups", "watched", "moved", "directions"):
            values[name] = [asdict(item) for item in values[name]]
        found: dict[str, Any] = plain({"num_rows": len(self.labels), **values})
        return found
