"""Overlap of neighbor lists, and how often rows are neighbors; rows at the same distance count alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import Distance, normalize, unit_scale
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.precision import resolution, rounding_errors

__all__ = ["hubness", "neighbor_counts", "neighbor_overlap", "overlap", "points_of"]

Floats = NDArray[np.float32]
Errors = NDArray[np.float64]
Positions = NDArray[np.integer[Any]]
_PAIRS = 4096
"""Distances computed at a time: 4,096 × 128 float64 are 4 MB, and remain in the cache."""
_QUERIES = 256
_NEARLY = 1.001
_CLOSE = 1e-5
_EPS = float(np.finfo(np.float32).eps)


def neighbor_overlap(
    a: Neighbors,
    b: Neighbors,
    *,
    vectors: tuple[Floats, Floats] | None = None,
    errors: tuple[Errors, Errors] | None = None,
) -> Floats:
    """Measure the share of neighbors that each row has in common between two graphs.

    Parameters
    ----------
    a, b
        Graphs of the same n rows in the same order; the wider one is cut to the width of the other. An exact graph that
        is wider shows which rows can have ties: 10,000 rows of which few have any take a tenth of the time.
    vectors
        Vectors of both graphs, ``(n, d1)`` and ``(n, d2)``. With them, ties count as equal: a neighbor in one list is
        kept if its distance in the other space is at most that of the last neighbor there. The share is the smaller one
        of both directions, so rows that have become equal have lost their neighbors.
    errors
        ``(n,)`` each: errors of distances, see `core.precision.rounding_errors`, within which two distances are a tie;
        by default those of the coarser dtype of the two.

    Returns
    -------
    ``(n,)`` float32, 0 to 1; NaN without neighbors. The expected value for k random neighbors is ``k / (n - 1)``.

    Examples
    --------
    >>> from visualdl_embedding.core.neighbors import nearest_neighbors
    >>> graph = nearest_neighbors(np.float32([[0, 1], [1, 1], [1, 0], [1, -1]]), 2)
    >>> neighbor_overlap(graph, graph).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if len(a.indices) != len(b.indices):
        raise ValueError(f"a and b must have the same number of rows, not {len(a.indices)} and {len(b.indices)}.")
    if vectors is None:
        return overlap(a.indices, b.indices)
    if errors is None:
        spacing = resolution(*vectors)
        errors = (
            rounding_errors(vectors[0], a.distance, spacing),
            rounding_errors(vectors[1], b.distance, spacing),
        )
    scales = [_scale(of, graph) for of, graph in zip(vectors, (a, b), strict=True)]
    errors = errors[0] / scales[0], errors[1] / scales[1]
    k = min(a.n_neighbors, b.n_neighbors)
    shared = _count_shared(a.indices, b.indices)
    rows = np.flatnonzero(shared < k)
    for graph, other, scale, error in zip((a, b), (b, a), scales, errors, strict=True):
        rows = rows[_may_be_tied(rows, graph, other, k=k, scale=scale, errors=error)]
    if not len(rows):
        return _share(shared, k)
    in_a, in_b = a.indices[rows, :k], b.indices[rows, :k]
    asked, chosen = np.arange(len(shared)), rows.astype(np.int32)
    if 2 * in_a.size < len(asked):
        # Normalizing all rows would take longer than the rest.
        asked = np.unique(np.hstack([rows[:, None], in_a, in_b]))
        chosen, in_a, in_b = (np.searchsorted(asked, of).astype(np.int32) for of in (rows, in_a, in_b))
    points = [
        normalize(of[asked]) if graph.distance == "cosine" else of[asked] / np.float32(scale)
        for of, graph, scale in zip(vectors, (a, b), scales, strict=True)
    ]
    shared[rows] += _count_tied(chosen, in_a, in_b, points=points, errors=[error[asked] for error in errors])
    return _share(shared, k)


def _may_be_tied(
    rows: Positions, graph: Neighbors, other: Neighbors, *, k: int, scale: float, errors: Errors
) -> NDArray[np.bool_]:
    """Whether neighbors in `other` may be as near as the last of the first k in `graph`, by the one after it."""
    if not len(rows) or graph.n_neighbors <= k or not graph.exact:
        return np.ones(len(rows), dtype=bool)
    last, after = graph.distances[rows, k - 1 : k + 1].astype(np.float64).T
    if graph.distance == "cosine":
        last, after = (np.sqrt(2 * np.maximum(far, 0)) for far in (last, after))
    asked = np.column_stack([other.indices[rows, :k], graph.indices[rows, k - 1]])
    slack = errors[rows] + errors[asked].max(axis=1)
    # Distances in a graph have errors of float32; nearly all are farther apart.
    return np.asarray(after / scale <= (1 + _CLOSE) * (last / scale + slack) + _CLOSE)


def _scale(vectors: Floats, graph: Neighbors) -> float:
    """Return the factor between distances of the vectors and of `points_of` them."""
    return 1.0 if graph.distance == "cosine" else unit_scale(vectors)


def points_of(vectors: Floats, distance: Distance) -> Floats:
    """Return points whose Euclidean distances have the order of the distance, with squares within float32."""
    return normalize(vectors) if distance == "cosine" else vectors / np.float32(unit_scale(vectors))


def overlap(
    a: NDArray[np.int32],
    b: NDArray[np.int32],
    *,
    points: tuple[Floats, Floats] | None = None,
    errors: tuple[Errors, Errors] | None = None,
) -> Floats:
    """Measure the share of neighbors in common between ``(n, k)`` and ``(n, l)`` neighbors; see `neighbor_overlap`.

    `points` are those whose Euclidean distances the lists follow, `errors` those of the distances, 0 by default.
    """
    k = min(a.shape[1], b.shape[1])
    shared = _count_shared(a, b)
    if points is not None and k:
        rows = np.flatnonzero(shared < k)
        shared[rows] += _count_tied(rows, a[rows, :k], b[rows, :k], points=points, errors=errors or (None, None))
    return _share(shared, k)


def _share(shared: NDArray[np.intp], k: int) -> Floats:
    share: Floats = (shared / k if k else np.full(len(shared), np.nan)).astype(np.float32)
    return share


def _count_shared(a: NDArray[np.int32], b: NDArray[np.int32]) -> NDArray[np.intp]:
    """Count the neighbors in common; the wider lists are cut to the width of the others."""
    k = min(a.shape[1], b.shape[1])
    # The neighbors of a row are distinct, so equal adjacent values are exactly the shared ones.
    both = np.sort(np.hstack([a[:, :k], b[:, :k]]), axis=1)
    return np.asarray(np.count_nonzero(both[:, 1:] == both[:, :-1], axis=1))


def _count_tied(
    rows: Positions, a: Positions, b: Positions, *, points: Sequence[Floats], errors: Sequence[Errors | None]
) -> NDArray[np.intp]:
    """Count the neighbors of some rows that differ and are tied; the smaller number of both directions.

    `a` and `b` are the lists of these rows, ``(m, k)``.
    """
    counts = _tied(rows, a, b, points[1], errors[1])
    some = np.flatnonzero(counts)
    counts[some] = np.minimum(counts[some], _tied(rows[some], b[some], a[some], points[0], errors[0]))
    return counts


def _tied(rows: Positions, one: Positions, other: Positions, points: Floats, errors: Errors | None) -> NDArray[np.intp]:
    """Count, for some rows, the neighbors in `one` but not in `other` that are as near as the last one of `other`.

    `points` and `errors` are those of `other`.
    """
    counts = np.zeros(len(rows), dtype=np.intp)
    size = max(1, _PAIRS // other.shape[1])
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        missing = ~(one[part][:, :, None] == other[part][:, None, :]).any(axis=2)
        place, column = np.nonzero(missing)
        row, asked, last = rows[part][place], one[part][place, column], other[part, -1]
        slack = 0.0 if errors is None else errors[row] + np.maximum(errors[asked], errors[last][place])
        limit = _distances(points, rows[part], last)[place] + slack
        # Nearly all are farther by more than float32 errors.
        step = points[row] - points[asked]
        near = np.flatnonzero(np.sqrt(np.einsum("ij,ij->i", step, step)) <= _NEARLY * limit)
        tied = near[_distances(points, row[near], asked[near]) <= limit[near]]
        np.add.at(counts, start + place[tied], 1)
    return counts


def _distances(points: Floats, rows: Positions, others: Positions) -> Errors:
    """Compute Euclidean distances of pairs of rows, in float64 from differences."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), _PAIRS):
        part = slice(start, start + _PAIRS)
        found[part] = np.linalg.norm(np.subtract(points[rows[part]], points[others[part]], dtype=np.float64), axis=1)
    return found


def neighbor_counts(neighbors: Neighbors, vectors: Floats | None = None) -> Errors:
    """Count how often each row is a neighbor.

    Parameters
    ----------
    neighbors
        A graph of n rows with k neighbors.
    vectors
        ``(n, d)``. With them, rows at the distance of the last neighbor share its place: which of them a list contains
        is an accident of their order.

    Returns
    -------
    ``(n,)`` float64, with the sum n k.
    """
    n, k = len(neighbors.indices), neighbors.n_neighbors
    counts = np.bincount(neighbors.indices.ravel(), minlength=n).astype(np.float64)
    if vectors is None or not k or k == n - 1:
        return counts
    points = points_of(vectors, neighbors.distance)
    # Equal distances of any dtype differ by the arithmetic of float32 only.
    errors = rounding_errors(vectors, neighbors.distance, _EPS) / _scale(vectors, neighbors)
    nearest, last = neighbors.indices[:, max(k - 2, 0)], neighbors.indices[:, -1]
    rows = np.arange(n)
    reach, near = _distances(points, rows, last), _distances(points, rows, nearest)
    slack = errors + errors[last]
    # Without a tie of the last two neighbors, further ties are of single rows and change no statistic.
    suspects = np.flatnonzero((reach <= slack) | ((reach - near <= slack) & (k > 1)))
    if not len(suspects):
        return counts
    wide = points.astype(np.float64)
    squares = np.square(wide).sum(axis=1)
    for start in range(0, len(suspects), _QUERIES):
        part = suspects[start : start + _QUERIES]
        away = squares[part, None] + squares - 2 * wide[part] @ wide.T
        away[np.arange(len(part)), part] = np.inf
        # Products of float64 have rounding errors of their own.
        noise = 1e-14 * (squares[part, None] + squares)
        low = np.square(np.maximum(reach[part] - slack[part], 0))[:, None] - noise
        high = np.square(reach[part] + slack[part])[:, None] + noise
        nearer, tied = away < low, (away >= low) & (away <= high)
        n_tied, left = tied.sum(axis=1), k - nearer.sum(axis=1)
        share = np.clip(np.divide(left, n_tied, out=np.zeros(len(part)), where=n_tied > 0), 0, 1)
        np.subtract.at(counts, neighbors.indices[part].ravel(), 1.0)
        counts += nearer.sum(axis=0) + share @ tied
    return counts


def hubness(neighbors: Neighbors, vectors: Floats | None = None) -> float:
    """Measure the skewness of how often rows occur as neighbors.

    Parameters
    ----------
    neighbors
        A graph of n rows.
    vectors
        ``(n, d)``, so that rows at equal distance count alike, see `neighbor_counts`.

    Returns
    -------
    Near 0 for a symmetric distribution, positive and unbounded if a few hubs are neighbors of very many rows; lower is
    better. 0 if all rows occur equally often, NaN without neighbors.

    References
    ----------
    Radovanović, Nanopoulos and Ivanović 2010, "Hubs in space: popular nearest neighbors in high-dimensional data".
    """
    if neighbors.indices.size == 0:
        return np.nan
    from scipy.stats import skew

    counts = neighbor_counts(neighbors, vectors)
    return float(skew(counts)) if np.ptp(counts) > _EPS * counts.max() else 0.0
