"""Overlap of neighbor lists, and how often rows are neighbors; rows at the same distance count alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import Distance, normalize, unit_scale
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.precision import resolution, rounding_errors

__all__ = ["hubness", "neighbor_counts", "neighbor_overlap", "overlap", "points_of"]

Floats = NDArray[np.float32]
Errors = NDArray[np.float64]
_PAIRS = 32_768
"""Distances computed at a time: 32,768 × 128 float64 are 32 MB."""
_QUERIES = 256
_NEARLY = 1.001
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
        Graphs of the same n rows in the same order; the wider one is cut to the width of the other.
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
    points = points_of(vectors[0], a.distance), points_of(vectors[1], b.distance)
    return overlap(a.indices, b.indices, points=points, errors=(errors[0] / scales[0], errors[1] / scales[1]))


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
    n, k = len(a), min(a.shape[1], b.shape[1])
    if k == 0:
        return np.full(n, np.nan, dtype=np.float32)
    a, b = a[:, :k], b[:, :k]
    # The neighbors of a row are distinct, so equal adjacent values are exactly the shared ones.
    both = np.sort(np.hstack([a, b]), axis=1)
    shared = np.count_nonzero(both[:, 1:] == both[:, :-1], axis=1)
    if points is not None:
        rows = np.flatnonzero(shared < k)
        tied = [
            _tied(rows, one, other, of, error)
            for one, other, of, error in zip((a, b), (b, a), points[::-1], (errors or (None, None))[::-1], strict=True)
        ]
        shared[rows] += np.minimum(*tied)
    share: Floats = (shared / k).astype(np.float32)
    return share


def _tied(
    rows: NDArray[np.intp], one: NDArray[np.int32], other: NDArray[np.int32], points: Floats, errors: Errors | None
) -> NDArray[np.intp]:
    """Count, for some rows, the neighbors in `one` but not in `other` that are as near as the last one of `other`.

    `points` and `errors` are those of `other`.
    """
    counts = np.zeros(len(rows), dtype=np.intp)
    size = max(1, _PAIRS // other.shape[1])
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        missing = ~(one[part][:, :, None] == other[part][:, None, :]).any(axis=2)
        place, column = np.nonzero(missing)
        row, asked, last = part[place], one[part][place, column], other[part, -1]
        slack = 0.0 if errors is None else errors[row] + np.maximum(errors[asked], errors[last][place])
        limit = _distances(points, part, last)[place] + slack
        # Nearly all are farther by more than float32 errors.
        step = points[row] - points[asked]
        near = np.flatnonzero(np.sqrt(np.einsum("ij,ij->i", step, step)) <= _NEARLY * limit)
        tied = near[_distances(points, row[near], asked[near]) <= limit[near]]
        np.add.at(counts, start + place[tied], 1)
    return counts


def _distances(points: Floats, rows: NDArray[np.intp], others: NDArray[np.integer]) -> Errors:
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
