"""Pairing of two snapshots, and changes row by row, without a test of significance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import squared_norms
from visualdl_embedding.core.distance import (
    ZERO_OR_SHORT,
    even_lengths,
    has_direction,
    long_rows,
    normalize,
    unit_scale,
)
from visualdl_embedding.core.neighbors import DISTANCES, Distance, Neighbors, graph_rows, nearest_neighbors
from visualdl_embedding.core.pairing import are_comparable, pair_labels
from visualdl_embedding.core.precision import resolution, rounding_errors, smallest_changes
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift._cka import cka
from visualdl_embedding.metrics import aligned_displacement, neighbor_overlap
from visualdl_embedding.projection import Alignment, align

__all__ = ["Errors", "Floats", "Graphs", "Pair", "Pairing", "lay_out", "measure_pair", "profile_change"]

Floats = NDArray[np.float32]
Errors = tuple[NDArray[np.float64], NDArray[np.float64]]
Graphs = tuple[Neighbors | None, Neighbors | None]
_BLOCK = 1024
"""Number of rows whose neighbors' vectors are in memory at once: 1,024 x 30 x 128 float32 are 16 MB."""
_STILL = 0.01
"""Maximum shift, as a share of the radius, for which the graph of the later snapshot is used unchanged."""
_ROUNDED = 4
"""Factor on the smallest change of a row up to which an aligned row did not change; alignment is rounded as well."""
_EPS = float(np.finfo(np.float32).eps)


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
class Pair:
    """Changes between two snapshots of one table.

    Attributes
    ----------
    neighbor_overlap
        ``(n,)`` float32, 0 to 1: share of the neighbors in common.
    displacement
        ``(n,)`` float32, or None if the widths differ: see `metrics.aligned_displacement`.
    relative_displacement
        ``(n,)`` float32, or None: displacement without the mean motion of the row's neighbors, in the same unit.
    change
        ``(n,)`` float32, 0 to 2: see `profile_change`. p-values of rows compare this value.
    cka
        Debiased linear CKA.
    shift
        Motion of the center of the space relative to the origin, in root mean square radii; NaN if unknown.
    distance, n_neighbors, neighbors
        Distance and number of the neighbors compared; neighbor graphs of the paired rows.
    vectors
        Paired rows before and after, ``(n, d)`` float32 each; `after` without the shift.
    pairing
        Pairing of the rows, with the number of rows left out.
    errors
        ``(n,)`` before and after: errors of distances that follow from the dtype, see `core.precision.rounding_errors`.
        Smaller changes count as none. None if unknown.
    """

    neighbor_overlap: Floats
    displacement: Floats | None
    relative_displacement: Floats | None
    change: Floats
    cka: float
    shift: float
    distance: Distance
    n_neighbors: int
    neighbors: tuple[Neighbors, Neighbors]
    vectors: tuple[Floats, Floats]
    pairing: Pairing
    errors: Errors | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the n paired rows."""
        return self.pairing.labels

    @property
    def means(self) -> dict[str, float]:
        """Mean overlap and displacement, and CKA; the floor is their mean over null pairs."""
        found = {"neighbor_overlap": _mean(self.neighbor_overlap), "cka": self.cka}
        if self.displacement is not None:
            found["displacement"] = _mean(self.displacement)
        return found


class _Laid(NamedTuple):
    """Paired rows before and after, the latter also without a shift (`seen`), and the alignment of equal widths."""

    pairing: Pairing
    then: Floats
    now: Floats
    seen: Floats
    laid: Alignment | None
    shift: float
    n_neighbors: int
    errors: Errors


def lay_out(before: Snapshot, after: Snapshot, *, n_neighbors: int, distance: Distance) -> _Laid:
    """Pair rows, and remove a shift of the origin.

    ``seen`` is ``now`` if the space did not shift, distances do not depend on it, or a row would lose its direction. By
    cosine, extremely long rows get the median length, and do not determine the center.
    """
    pairing = _pair_rows(before, after, distance)
    then = np.ascontiguousarray(before.vectors[pairing.before], dtype=np.float32)
    now = np.ascontiguousarray(after.vectors[pairing.after], dtype=np.float32)
    k = min(n_neighbors, max(1, (len(pairing.labels) - 1) // 2))
    spacing = resolution(then, now)
    ordinary = np.ones(len(then), dtype=bool)
    if distance == "cosine":
        ordinary = ~long_rows(then, now)
        then, now = even_lengths(then, now)
    errors_then = rounding_errors(then, distance, spacing)
    if then.shape != now.shape:
        errors = errors_then, rounding_errors(now, distance, spacing)
        return _Laid(pairing, then, now, now, None, float("nan"), k, errors)
    laid = align(now, then) if ordinary.all() else align(now[ordinary], then[ordinary])
    # Position of the origin of `before` in the axes of `after`.
    origin = -(laid.rotation @ laid.shift) / laid.scale
    radius = _radius(now)
    shift = float(np.linalg.norm(origin)) / radius if radius > 0 else 0.0
    seen = (now - origin).astype(np.float32)
    # If nothing else changed, a small shift is not an effect of noise either.
    still = spacing if shift <= _STILL and _is_rigid(then, now, laid, spacing) else _STILL
    if distance == "euclidean" or not shift > still or not has_direction(seen).all():
        seen = now
    errors = errors_then, rounding_errors(now, distance, spacing, points=seen)
    return _Laid(pairing, then, now, seen, laid, shift, k, errors)


def _is_rigid(then: Floats, now: Floats, laid: Alignment, spacing: float) -> bool:
    """Whether all rows differ by rounding errors only, after alignment."""
    lengths = np.maximum(squared_norms(then), laid.scale**2 * squared_norms(now))
    moved = squared_norms(laid.apply(now) - then)
    return bool((moved <= np.square(_ROUNDED * smallest_changes(np.sqrt(lengths), spacing))).all())


def measure_pair(
    before: Snapshot,
    after: Snapshot,
    *,
    n_neighbors: int = 15,
    distance: Distance = "cosine",
    neighbors: Graphs = (None, None),
    random_state: int = 42,
    n_jobs: int = 1,
) -> Pair:
    """Measure the changes between two snapshots with rows paired by label.

    Rotation, reflection, shift and scaling of the whole space have no influence. With the cosine distance a shift
    changes the neighbors, because it moves the origin. It is therefore removed first, by moving the later snapshot so
    that the origin has the same position relative to the rows.

    Parameters
    ----------
    before, after
        Snapshots of one table. If their widths differ, there is no displacement, and a shift cannot be detected.
    n_neighbors
        Number of neighbors; at most half of the paired rows.
    distance
        ``"cosine"`` or ``"euclidean"``.
    neighbors
        Neighbor graphs of the usable rows of both snapshots (``analysis.neighbors``), if available. Each is used if all
        of its rows are paired and it is wide enough; that of `after`, with cosine, only without a shift of the space.
    random_state, n_jobs
        For an approximate search above `neighbors.EXACT_ROWS` rows.

    Raises
    ------
    ValueError
        If no row can be paired, or a graph does not belong to its snapshot.
    """
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, not {n_neighbors}.")
    if distance not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, not {distance!r}.")
    both = lay_out(before, after, n_neighbors=n_neighbors, distance=distance)
    pairing, then, now, seen, laid, shift, k, errors = both

    def graph(vectors: Floats, snapshot: Snapshot, rows: NDArray[np.intp], given: Neighbors | None) -> Neighbors:
        if given is not None and (found := _of_paired(given, snapshot, rows, k=k, distance=distance)) is not None:
            return found
        return nearest_neighbors(vectors, k, distance=distance, random_state=random_state, n_jobs=n_jobs)

    graph_then = graph(then, before, pairing.before, neighbors[0])
    graph_now = graph(seen, after, pairing.after, neighbors[1] if seen is now else None)
    displacement = relative = None
    if laid is not None:
        displacement = aligned_displacement(then, now)
        relative = _relative_displacement(then, laid.apply(now), graph_then.indices)
    return Pair(
        neighbor_overlap=neighbor_overlap(graph_then, graph_now, vectors=(then, seen), errors=errors),
        displacement=displacement,
        relative_displacement=relative,
        change=profile_change(then, seen, (graph_then, graph_now), errors=errors),
        cka=cka(then, now),
        shift=shift,
        distance=distance,
        n_neighbors=k,
        neighbors=(graph_then, graph_now),
        vectors=(then, seen),
        pairing=pairing,
        errors=errors,
    )


def profile_change(
    before: Floats, after: Floats, neighbors: tuple[Neighbors, Neighbors], *, errors: Errors | None = None
) -> Floats:
    """Measure how much each row's similarities to its neighbors changed.

    The profile of a row is its similarities to the rows that are its neighbors before or after. The change is one minus
    the cosine of the two profiles. It is sensitive to small changes, whereas the overlap has steps of 1 / k.

    `before` and `after` are ``(n, d1)`` and ``(n, d2)`` float32, paired; `errors` are those of `Pair`. Returns ``(n,)``
    float32, 0 to 2: 0 for a change that the errors explain, NaN without neighbors.

    References
    ----------
    Hamilton, Leskovec and Jurafsky 2016, "Cultural shift or linguistic drift? Comparing two computational measures of
    semantic change": their local neighborhood measure. With the Euclidean distance profiles consist of distances.
    """
    n = len(before)
    cosine = neighbors[0].distance == "cosine"
    scales = [1.0 if cosine else unit_scale(v) for v in (before, after)]
    spaces = [
        normalize(v) if cosine else v / np.float32(scale) for v, scale in zip((before, after), scales, strict=True)
    ]
    union = np.sort(np.hstack([graph.indices for graph in neighbors]), axis=1)
    again = np.zeros(union.shape, dtype=bool)
    again[:, 1:] = union[:, 1:] == union[:, :-1]
    result = np.full(n, np.nan, dtype=np.float32)
    if not union.shape[1]:
        return result
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        counted = ~again[rows]
        first, second = (_profile(space, rows, union[rows], cosine) * counted for space in spaces)
        size = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        alike = np.divide((first * second).sum(axis=1), size, out=np.full(len(first), np.nan), where=size > 0)
        change = np.clip(1 - alike, 0, 2)
        if errors is not None:
            explained = [
                _explained(profile, error / scale, rows, union[rows], counted=counted, cosine=cosine)
                for profile, error, scale in zip((first, second), errors, scales, strict=True)
            ]
            change[change <= sum(explained)] = 0
        result[rows] = change
    return result


def _explained(
    profile: NDArray[np.float64],
    errors: NDArray[np.float64],
    rows: slice,
    union: NDArray[np.int32],
    *,
    counted: NDArray[np.bool_],
    cosine: bool,
) -> NDArray[np.float64]:
    """Change of the profiles of rows, ``(b,)``, that errors of their entries explain, float32 arithmetic included."""
    arithmetic = np.square(_EPS if cosine else _EPS * profile)
    squares = (np.square(errors[rows])[:, None] + np.square(errors[union]) + arithmetic) * counted
    size = np.square(profile).sum(axis=1)
    return np.asarray(np.divide(squares.sum(axis=1), 2 * size, out=np.zeros(len(profile)), where=size > 0))


def _profile(space: Floats, rows: slice, union: NDArray[np.int32], cosine: bool) -> NDArray[np.float64]:
    own, theirs = space[rows], space[union]
    if cosine:
        return np.asarray((theirs @ own[:, :, None])[:, :, 0], dtype=np.float64)
    return np.asarray(np.linalg.norm(theirs - own[:, None], axis=2), dtype=np.float64)


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


def _radius(vectors: Floats) -> float:
    """Root mean square distance from the mean."""
    return float(np.sqrt(np.square(vectors - vectors.mean(axis=0, dtype=np.float64)).sum(axis=1).mean()))


def _relative_displacement(before: Floats, laid: Floats, neighbors: NDArray[np.int32]) -> Floats:
    """Distance of each row's motion from the mean motion of its neighbors, in radii of `before`.

    `laid` are the rows after the change, aligned to those before.
    """
    motion = laid.astype(np.float64) - before
    radius = _radius(before)
    moved = np.empty(len(before))
    for start in range(0, len(before), _BLOCK):
        rows = slice(start, start + _BLOCK)
        common = motion[neighbors[rows]].mean(axis=1) if neighbors.shape[1] else 0.0
        moved[rows] = np.linalg.norm(motion[rows] - common, axis=1)
    return (moved / radius if radius > 0 else np.zeros_like(moved)).astype(np.float32)


def _of_paired(
    graph: Neighbors, snapshot: Snapshot, rows: NDArray[np.intp], *, k: int, distance: Distance
) -> Neighbors | None:
    """Reorder a graph to the paired rows; return None if rows are missing or it is too narrow."""
    usable = graph_rows(graph, snapshot)
    if graph.distance != distance or graph.n_neighbors < k or len(rows) != len(usable):
        return None
    place = np.searchsorted(usable, rows)
    back = np.empty(len(usable), dtype=np.int32)
    back[place] = np.arange(len(usable), dtype=np.int32)
    return Neighbors(
        np.ascontiguousarray(back[graph.indices[place, :k]]),
        np.ascontiguousarray(graph.distances[place, :k]),
        distance,
        graph.exact,
    )


def _mean(values: NDArray[np.floating]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
