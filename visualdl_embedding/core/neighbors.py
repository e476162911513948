"""Nearest-neighbor graph of a snapshot in the original space, computed once and shared."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import DISTANCES, Distance, normalize, scaled_back, unit_scale, validate_usable
from visualdl_embedding.core.snapshot import Snapshot

__all__ = ["DISTANCES", "EXACT_ROWS", "Distance", "Neighbors", "graph_rows", "nearest_neighbors", "normalize"]

EXACT_ROWS = 30_000
"""Maximum number of rows for an exact graph: 10,000 x 384 take 1.1 s on 2 cores; time grows quadratically."""


@dataclass(frozen=True)
class Neighbors:
    """Nearest-neighbor graph.

    Attributes
    ----------
    indices
        ``(n, k)`` int32, nearest first, without the row itself.
    distances
        ``(n, k)`` float32, ascending: ``1 - cosine`` in 0 to 2, or Euclidean.
    distance
        ``"cosine"`` or ``"euclidean"``.
    exact
        False if an approximate index was used.
    """

    indices: NDArray[np.int32]
    distances: NDArray[np.float32]
    distance: Distance
    exact: bool = True

    @property
    def n_neighbors(self) -> int:
        """k, the number of neighbors per row."""
        return int(self.indices.shape[1])

    def first(self, n_neighbors: int) -> Neighbors:
        """Return the graph of the first `n_neighbors` neighbors, or all if there are fewer."""
        if n_neighbors >= self.n_neighbors:
            return self
        indices = np.ascontiguousarray(self.indices[:, :n_neighbors])
        return replace(self, indices=indices, distances=np.ascontiguousarray(self.distances[:, :n_neighbors]))


def graph_rows(graph: Neighbors, snapshot: Snapshot) -> NDArray[np.intp]:
    """Find the rows of a snapshot in its stored graph.

    Returns
    -------
    ``(m,)`` ascending positions: the usable rows; for a graph by cosine stored before rows without a direction were
    left out, all finite rows.

    Raises
    ------
    ValueError
        If the graph has another number of rows.
    """
    m = len(graph.indices)
    for chosen in (snapshot.usable(graph.distance), snapshot.valid):
        if m == chosen.sum():
            return np.flatnonzero(chosen)
    raise ValueError(
        f"neighbors has {m} rows, but the snapshot of step {snapshot.step} has "
        f"{int(snapshot.usable(graph.distance).sum())} usable rows; pass the graph of this snapshot "
        "(analysis.neighbors)."
    )


def _drop_self(
    indices: NDArray[np.integer[Any]], distances: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.integer[Any]], NDArray[np.floating[Any]]]:
    """Remove each row from its own k + 1 nearest.

    Among more than k duplicates the row may be missing; the last neighbor is removed in that case.
    """
    n, width = indices.shape
    drop = indices == np.arange(n)[:, None]
    drop[:, -1] |= ~drop.any(axis=1)
    keep = ~drop
    return indices[keep].reshape(n, width - 1), distances[keep].reshape(n, width - 1)


def _exact(points: NDArray[np.float32], k: int, n_jobs: int) -> tuple[NDArray[Any], NDArray[Any]]:
    from sklearn.neighbors import NearestNeighbors
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=n_jobs if n_jobs > 0 else None):
        distances, indices = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(points).kneighbors(points)
    return _drop_self(indices, distances)


def _approximate(
    points: NDArray[np.float32], k: int, random_state: int, n_jobs: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    from pynndescent import NNDescent
    from sklearn.neighbors import NearestNeighbors

    with warnings.catch_warnings():
        # Rows without enough neighbors are marked with -1 and computed exactly below.
        warnings.filterwarnings("ignore", message="Failed to correctly find")
        index = NNDescent(
            points, metric="euclidean", n_neighbors=min(k + 1, len(points)), random_state=random_state, n_jobs=n_jobs
        )
        indices, distances = index.neighbor_graph
    failed = np.flatnonzero((indices < 0).any(axis=1))
    if len(failed):
        indices, distances = indices.copy(), distances.copy()
        brute = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(points)
        distances[failed], indices[failed] = brute.kneighbors(points[failed])
    return _drop_self(indices, distances)


def nearest_neighbors(
    vectors: NDArray[np.float32],
    n_neighbors: int = 15,
    *,
    distance: Distance = "cosine",
    exact: bool | None = None,
    random_state: int = 42,
    n_jobs: int = 1,
) -> Neighbors:
    """Find the nearest neighbors of every row among the others.

    Exact by scikit-learn's blocked brute force, with memory that does not grow with n²; approximate by PyNNDescent.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all usable: finite, and by cosine with a direction, see `core.distance.usable_rows`.
    n_neighbors
        At most ``n - 1`` are returned.
    distance
        ``"cosine"`` or ``"euclidean"``.
    exact
        None: exact up to `EXACT_ROWS` rows.
    random_state
        Seed of the approximate search.
    n_jobs
        Number of threads.

    Returns
    -------
    A graph of width ``min(n_neighbors, n - 1)``.

    Raises
    ------
    ValueError
        If a row is not usable.

    References
    ----------
    Dong, Moses and Li 2011, "Efficient k-nearest neighbor graph construction for generic similarity measures".
    """
    if vectors.ndim != 2 or len(vectors) == 0:
        raise ValueError(f"vectors must be a non-empty (n, d) array, not of shape {vectors.shape}.")
    if distance not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, not {distance!r}.")
    validate_usable(vectors, distance)
    n = len(vectors)
    k = min(n_neighbors, n - 1)
    if k < 1:
        return Neighbors(np.zeros((n, 0), np.int32), np.zeros((n, 0), np.float32), distance)
    cosine = distance == "cosine"
    scale = 1.0 if cosine else unit_scale(vectors)
    points = normalize(vectors) if cosine else np.ascontiguousarray(vectors / np.float32(scale), dtype=np.float32)
    if exact is None:
        exact = n <= EXACT_ROWS
    indices, distances = _exact(points, k, n_jobs) if exact else _approximate(points, k, random_state, n_jobs)
    # On unit vectors |a - b|² = 2 (1 - cos), so one Euclidean search serves both distances.
    distances = distances**2 / 2 if cosine else scaled_back(distances, scale)
    return Neighbors(indices.astype(np.int32), distances.astype(np.float32), distance, exact)
