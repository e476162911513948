"""What a comparison of two snapshots says."""

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
    """How one word changed.

    Attributes
    ----------
    label
        Of the word.
    neighbor_overlap, displacement, relative_displacement, change
        As in `Drift`; None for what needs equal widths.
    p_value, p_corrected
        Of its change; corrected among the watched words, or among all the others. NaN where there is no rank.
    neighbors_before, neighbors_after
        Labels of its nearest rows, the nearest first.
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
    """How one group changed.

    Attributes
    ----------
    group, size
        Its name, and how many of the paired rows it has.
    neighbor_overlap, displacement
        Means over its rows; the latter None where widths differ.
    p_value
        That random rows, as many from every stratum, changed as much in the mean; NaN without null pairs.
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
    """What changed between two snapshots.

    Attributes
    ----------
    labels
        Of the n paired rows, in the order of the later snapshot.
    step_before, step_after
        Of the two snapshots.
    neighbor_overlap
        ``(n,)`` float32, 0 to 1: share of the neighbors that are the same.
    displacement
        ``(n,)`` float32 from 0, in radii of the earlier snapshot (`metrics.aligned_displacement`); None where the
        widths differ.
    relative_displacement
        The same without the mean motion of the row's neighbors, or None.
    change
        ``(n,)`` float32, 0 to 2: one minus the cosine of the row's similarities to its neighbors before and after.
    p_values
        ``(n,)`` float64: rank of the row's change, see `null`.
    p_corrected
        ``(n,)`` float64: corrected, the watched words among themselves, all other rows among themselves.
    mean_neighbor_overlap, mean_displacement
        Means over the rows.
    cka
        Debiased linear CKA of the paired rows, 1 where nothing but axes, origin and scale changed.
    space_p_values
        Of ``"neighbor_overlap"``, ``"displacement"`` and ``"cka"``: rank among the null pairs. Empty without them.
    groups
        One for each group, in the order of their names.
    watched
        One for each watched word that was compared, in the order given.
    moved
        The rows that moved most relative to their neighbors, the farthest first; where widths differ, those that
        changed most.
    directions
        One for each watched word and group, where there are two groups or more.
    null
        What p-values were ranked against, as a sentence.
    floor
        Means over the null pairs of ``"neighbor_overlap"``, ``"displacement"`` and ``"cka"``: what training anew does
        by itself. None without null pairs.
    shift
        How far the middle of the space moved against the origin, in radii; taken out of everything else. NaN where
        widths differ.
    n_neighbors, distance, alpha, correction, random_state
        With which it was made.
    left_out
        How many rows were not compared, by reason.
    notes
        Sentences for the user about what was left out, lowered, or cannot be said.
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
        """Plain values for JSON, without the arrays that have one number per row.

        NaN and the infinities become None.
        """
        rows = {"labels", "neighbor_overlap", "displacement", "relative_displacement", "change"}
        rows |= {"p_values", "p_corrected"}
        # Not asdict() of the whole: it would copy every array first.
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in rows}
        for name in ("groups", "watched", "moved", "directions"):
            values[name] = [asdict(item) for item in values[name]]
        found: dict[str, Any] = plain({"num_rows": len(self.labels), **values})
        return found
