"""Changes between two snapshots, row by row, without a test of significance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import normalize, unit_scale
from visualdl_embedding.core.neighbors import DISTANCES, Distance, Neighbors, graph_rows, nearest_neighbors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift._align import Errors, Floats, Pairing, align_pair, radius
from visualdl_embedding.drift._cka import cka
from visualdl_embedding.metrics import aligned_displacement, neighbor_overlap

__all__ = ["Graphs", "Pair", "measure_pair", "profile_change"]

Graphs = tuple[Neighbors | None, Neighbors | None]
_BLOCK = 1024
"""Number of rows whose neighbors' vectors are in memory at once: 1,024 x 30 x 128 float32 are 16 MB."""
_EPS = float(np.finfo(np.float32).eps)


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
        Debiased linear CKA of the ordinary rows.
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
    ordinary
        ``(n,)`` bool: rows that determine the center, axes and scale, see `core.distance.long_rows`. None: all rows.
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
    ordinary: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the n paired rows."""
        return self.pairing.labels

    @property
    def means(self) -> dict[str, float]:
        """Mean overlap, mean displacement of the ordinary rows, and CKA; the floor is their mean over null pairs."""
        found = {"neighbor_overlap": _mean(self.neighbor_overlap), "cka": self.cka}
        if self.displacement is not None:
            found["displacement"] = self.mean_displacement(slice(None))
        return found

    def mean_displacement(self, rows: slice | NDArray[np.bool_]) -> float:
        """Mean displacement of the ordinary ones of some rows; NaN if there are none, or the widths differ."""
        if self.displacement is None:
            return float("nan")
        values = self.displacement if self.ordinary is None else np.where(self.ordinary, self.displacement, np.nan)
        return _mean(values[rows])


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
    pair = align_pair(before, after, distance)
    pairing, vectors, ordinary, k = pair.pairing, pair.vectors, pair.ordinary, pair.limit_neighbors(n_neighbors)

    def graph(vectors: Floats, snapshot: Snapshot, rows: NDArray[np.intp], given: Neighbors | None) -> Neighbors:
        if given is not None and (found := _reordered(given, snapshot, rows, k=k, distance=distance)) is not None:
            return found
        return nearest_neighbors(vectors, k, distance=distance, random_state=random_state, n_jobs=n_jobs)

    graphs = (
        graph(vectors[0], before, pairing.before, neighbors[0]),
        graph(vectors[1], after, pairing.after, neighbors[1] if pair.unshifted is pair.after else None),
    )
    displacement = relative = None
    if pair.alignment is not None:
        displacement = aligned_displacement(pair.before, pair.after, fitted=ordinary)
        aligned = pair.alignment.apply(pair.after)
        relative = _relative_displacement(pair.before, aligned, graphs[0].indices, ordinary=ordinary)
    return Pair(
        neighbor_overlap=neighbor_overlap(*graphs, vectors=vectors, errors=pair.errors),
        displacement=displacement,
        relative_displacement=relative,
        change=profile_change(*vectors, graphs, errors=pair.errors, ordinary=ordinary),
        cka=cka(pair.before[ordinary], pair.after[ordinary]),
        shift=pair.shift,
        distance=distance,
        n_neighbors=k,
        neighbors=graphs,
        vectors=vectors,
        pairing=pairing,
        errors=pair.errors,
        ordinary=ordinary,
    )


def profile_change(
    before: Floats,
    after: Floats,
    neighbors: tuple[Neighbors, Neighbors],
    *,
    errors: Errors | None = None,
    ordinary: NDArray[np.bool_] | None = None,
) -> Floats:
    """Measure how much each row's similarities to its neighbors changed.

    The profile of a row is its similarities to the rows that are its neighbors before or after. The change is one minus
    the cosine of the two profiles. It is sensitive to small changes, whereas the overlap has steps of 1 / k.

    `before` and `after` are ``(n, d1)`` and ``(n, d2)`` float32, paired; `errors` and `ordinary` are those of `Pair`.
    Returns ``(n,)`` float32, 0 to 2: 0 for a change that the errors explain, NaN without neighbors. With the Euclidean
    distance, profiles of ordinary rows contain only ordinary rows, because the distance from a long one would dominate.

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
        if ordinary is not None and not cosine:
            counted &= _alike(union, rows, ordinary)
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


def _alike(neighbors: NDArray[np.int32], rows: slice, ordinary: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask of the neighbors with which rows are compared: ordinary rows with ordinary neighbors, others with all."""
    return np.asarray(ordinary[neighbors[rows]] | ~ordinary[rows, None])


def _relative_displacement(
    before: Floats, aligned: Floats, neighbors: NDArray[np.int32], *, ordinary: NDArray[np.bool_]
) -> Floats:
    """Distance of each row's motion from the mean motion of its neighbors, in radii of `before`.

    `aligned` are the rows after the change, aligned to those before; `ordinary` are those of `Pair`.
    """
    motion = aligned.astype(np.float64) - before
    unit = radius(before[ordinary])
    moved = np.empty(len(before))
    for start in range(0, len(before), _BLOCK):
        rows = slice(start, start + _BLOCK)
        counted = _alike(neighbors, rows, ordinary)[:, :, None]
        common = (motion[neighbors[rows]] * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1)
        moved[rows] = np.linalg.norm(motion[rows] - common, axis=1)
    return (moved / unit if unit > 0 else np.zeros_like(moved)).astype(np.float32)


def _reordered(
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
