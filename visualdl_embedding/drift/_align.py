"""Rows shared by two snapshots, and the motion of the whole space between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import squared_norms
from visualdl_embedding.core.distance import ZERO_OR_SHORT, even_lengths, has_direction, long_rows
from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.pairing import are_comparable, pair_labels
from visualdl_embedding.core.precision import resolution, rounding_errors, smallest_changes
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.projection import Alignment, align

__all__ = ["AlignedPair", "Errors", "Floats", "Pairing", "align_pair", "radius"]

Floats = NDArray[np.float32]
Errors = tuple[NDArray[np.float64], NDArray[np.float64]]
_STILL = 0.01
"""Maximum shift, as a share of the radius, for which the graph of the later snapshot is used unchanged."""
_ROUNDED = 4
"""Factor on the smallest change of a row up to which an aligned row did not change; alignment is rounded as well."""


@dataclass(frozen=True)
class Pairing:
    """Rows in both snapshots, in the order of the later one.

    Attributes
    ----------
    labels
        Labels of the n paired rows.
    before, after
        ``(n,)``: positions in the snapshots.
    left_out
        Number of labels left out, by reason.
    """

    labels: tuple[str, ...]
    before: NDArray[np.intp]
    after: NDArray[np.intp]
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class AlignedPair:
    """Rows of two snapshots, and the transform of the later onto the earlier one.

    Attributes
    ----------
    pairing
        Pairing of the rows.
    before, after
        ``(n, d)`` float32 each: paired rows; by cosine, long rows have the median length.
    unshifted
        ``(n, d)`` float32: `after`, moved so that the origin has the same position relative to the rows as before. It
        is `after` itself if the space did not shift, distances do not depend on it, or a row would lose its direction.
    ordinary
        ``(n,)`` bool: rows that determine the center, axes and scale, see `core.distance.long_rows`.
    alignment
        Transform of `after` onto `before`; None if the widths differ.
    shift, distance, errors
        As in `Pair`.
    """

    pairing: Pairing
    before: Floats
    after: Floats
    unshifted: Floats
    ordinary: NDArray[np.bool_]
    alignment: Alignment | None
    shift: float
    distance: Distance
    errors: Errors

    @property
    def vectors(self) -> tuple[Floats, Floats]:
        """Rows before and after, the latter without a shift of the origin."""
        return self.before, self.unshifted

    def limit_neighbors(self, n_neighbors: int) -> int:
        """Return the number of neighbors to compare: at most half of the other rows."""
        return min(n_neighbors, max(1, (len(self.before) - 1) // 2))


def align_pair(before: Snapshot, after: Snapshot, distance: Distance) -> AlignedPair:
    """Pair the usable rows of two snapshots by label, and remove a shift of the origin.

    Raises
    ------
    ValueError
        If the snapshots share no label, or fewer than half of the shared rows are usable in both.
    """
    pairing = _pair_rows(before, after, distance)
    then = np.ascontiguousarray(before.vectors[pairing.before], dtype=np.float32)
    now = np.ascontiguousarray(after.vectors[pairing.after], dtype=np.float32)
    spacing = resolution(then, now)
    ordinary = ~long_rows(then, now, distance=distance)
    if distance == "cosine":
        then, now = even_lengths(then, now)
    errors_before = rounding_errors(then, distance, spacing)
    unshifted, alignment, shift = now, None, float("nan")
    if then.shape == now.shape:
        alignment = align(now[ordinary], then[ordinary])
        # Position of the origin of `before` in the axes of `after`.
        origin = -(alignment.rotation @ alignment.shift) / alignment.scale
        extent = radius(now[ordinary])
        shift = float(np.linalg.norm(origin)) / extent if extent > 0 else 0.0
        # If nothing else changed, a small shift is not an effect of noise either.
        still = spacing if shift <= _STILL and _is_rigid(then, now, alignment, spacing) else _STILL
        moved = (now - origin).astype(np.float32)
        if distance == "cosine" and shift > still and has_direction(moved).all():
            unshifted = moved
    errors = errors_before, rounding_errors(now, distance, spacing, points=unshifted)
    return AlignedPair(pairing, then, now, unshifted, ordinary, alignment, shift, distance, errors)


def radius(vectors: Floats) -> float:
    """Root mean square distance from the mean."""
    return float(np.sqrt(np.square(vectors - vectors.mean(axis=0, dtype=np.float64)).sum(axis=1).mean()))


def _is_rigid(before: Floats, after: Floats, alignment: Alignment, spacing: float) -> bool:
    """Whether all rows differ by rounding errors only, after alignment."""
    lengths = np.maximum(squared_norms(before), alignment.scale**2 * squared_norms(after))
    moved = squared_norms(alignment.apply(after) - before)
    return bool((moved <= np.square(_ROUNDED * smallest_changes(np.sqrt(lengths), spacing))).all())


def _pair_rows(before: Snapshot, after: Snapshot, distance: Distance) -> Pairing:
    """Pair rows by label, without those that are not usable in either snapshot."""
    j, i = pair_labels(after.labels, before.labels)
    if not len(j):
        raise ValueError(
            f"The snapshots share no label: {_some(before)} before, {_some(after)} after. Compare snapshots with "
            "labels of the same vocabulary."
        )
    finite: NDArray[np.bool_] = np.asarray(before.valid[i] & after.valid[j])
    keep = before.usable(distance)[i] & after.usable(distance)[j]
    reasons = {
        "only before": len(before.labels) - len(i),
        "only after": len(after.labels) - len(i),
        "not finite": int((~finite).sum()),
        "zero": int((finite & ~keep).sum()),
    }
    if not are_comparable(before, after, distance):
        few = f"Only {keep.sum()}, fewer than half," if keep.any() else "None"
        raise ValueError(
            f"{few} of the {len(i)} shared rows can be compared: {reasons['not finite']} contain NaN or inf, "
            f"{reasons['zero']} are {ZERO_OR_SHORT}. Check the two snapshots individually."
        )
    i, j = i[keep], j[keep]
    labels = tuple(after.labels[row] for row in j)
    return Pairing(labels, i, j, {reason: count for reason, count in reasons.items() if count})


def _some(snapshot: Snapshot) -> str:
    named = ", ".join(map(repr, snapshot.labels[:3]))
    return f"{named}{', …' if len(snapshot.labels) > 3 else ''}" or "no rows"
