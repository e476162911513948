"""Preservation of neighborhoods by projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import spread, validate_vectors
from visualdl_embedding.core.distance import validate_usable
from visualdl_embedding.core.neighbors import DISTANCES, Distance, Neighbors, nearest_neighbors
from visualdl_embedding.metrics._ranks import (
    compiled,
    count_nearer_in_layout,
    nearest_in_layout,
    ranks_in_space,
    scaled_layout,
)

__all__ = [
    "Quality",
    "continuity",
    "projection_quality",
    "trustworthiness",
]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Quality:
    """Quality of a projection.

    Attributes
    ----------
    trustworthiness, continuity
        Means over the rows used, 0 to 1, higher is better; NaN for fewer than 3 rows.
    row_trustworthiness, row_continuity
        ``(n,)`` float32, same range, NaN for rows not used.
    rows_used
        Number of rows used as queries.
    n_neighbors
        Neighborhood size used: the requested one, or the maximum for n.
    """

    trustworthiness: float
    continuity: float
    row_trustworthiness: Floats
    row_continuity: Floats
    rows_used: int
    n_neighbors: int


def trustworthiness(
    vectors: Floats, coordinates: Floats, n_neighbors: int = 15, *, distance: Distance = "cosine"
) -> float:
    """Measure whether neighbors on the map are neighbors in the original space.

    Equals scikit-learn's measure, in memory that does not grow with n². Rows at equal distance share the better rank.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.
    coordinates
        ``(n, c)`` float32, all finite; distances on the map are Euclidean.
    n_neighbors
        Neighborhood size; at most ``(n - 1) // 2``, the largest for which the measure is within 0 to 1.
    distance
        ``"cosine"`` or ``"euclidean"``, in the original space.

    Returns
    -------
    0 to 1, higher is better; NaN for fewer than 3 rows.

    References
    ----------
    Venna and Kaski 2001, "Neighborhood preservation in nonlinear projection methods: an experimental study".
    """
    k = _validate_projection(vectors, {"coordinates": coordinates}, n_neighbors, distance)
    rows = np.arange(len(vectors))
    if not k:
        return np.nan
    return float(_row_trustworthiness(vectors, [scaled_layout(coordinates)], rows, k, distance)[0].mean())


def continuity(vectors: Floats, coordinates: Floats, n_neighbors: int = 15, *, distance: Distance = "cosine") -> float:
    """Measure whether neighbors in the original space are still neighbors on the map.

    This is `trustworthiness` with the two spaces exchanged. Parameters, result and reference are the same.
    """
    k = _validate_projection(vectors, {"coordinates": coordinates}, n_neighbors, distance)
    if not k:
        return np.nan
    graph = nearest_neighbors(vectors, k, distance=distance, exact=True)
    return float(_row_continuity(scaled_layout(coordinates), np.arange(len(vectors)), graph.indices).mean())


def projection_quality(
    vectors: Floats,
    projections: Mapping[str, Floats],
    neighbors: Neighbors,
    *,
    n_neighbors: int = 15,
    distance: Distance = "cosine",
    max_rows: int = 10_000,
    random_state: int = 42,
) -> dict[str, Quality]:
    """Measure trustworthiness and continuity of several projections with one computation of the original distances.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.
    projections
        Coordinates by name, ``(n, c)`` float32 each, all finite.
    neighbors
        Graph of `vectors` with the same distance, at least as wide as the neighborhood. An approximate graph makes
        continuity approximate; trustworthiness remains exact.
    n_neighbors
        Neighborhood size; at most ``(n - 1) // 2``.
    distance
        ``"cosine"`` or ``"euclidean"``, in the original space.
    max_rows
        Maximum number of query rows, sampled at random, and ranked among all n rows. The mean over the sample is an
        unbiased estimate.
    random_state
        Seed of the sample.

    Returns
    -------
    A `Quality` for each projection.
    """
    n, k = len(vectors), _validate_projection(vectors, projections, n_neighbors, distance)
    if max_rows < 1:
        raise ValueError(f"max_rows must be at least 1, not {max_rows}.")
    _validate_graph(neighbors, n, k, distance)
    if not k or not projections:
        unknown = np.full(n, np.nan, dtype=np.float32)
        return {name: Quality(np.nan, np.nan, unknown, unknown, 0, k) for name in projections}
    rows = np.arange(n)
    if n > max_rows:
        rows = np.sort(np.random.default_rng(random_state).choice(n, max_rows, replace=False))
    layouts = [scaled_layout(coordinates) for coordinates in projections.values()]
    trusts = _row_trustworthiness(vectors, layouts, rows, k, distance)
    continuities = [_row_continuity(layout, rows, neighbors.indices[rows, :k]) for layout in layouts]
    return {
        name: Quality(
            float(trust.mean()), float(kept.mean()), spread(trust, rows, n), spread(kept, rows, n), len(rows), k
        )
        for name, trust, kept in zip(projections, trusts, continuities, strict=True)
    }


def _row_trustworthiness(
    vectors: Floats, layouts: Sequence[Floats], rows: NDArray[np.intp], k: int, distance: Distance
) -> list[NDArray[np.float64]]:
    """Trustworthiness of each row in each layout, with one computation of the ranks."""
    candidates = np.hstack([nearest_in_layout(layout, rows, k) for layout in layouts])
    ranks = ranks_in_space(vectors, rows, candidates, distance=distance)
    return [_share_kept(part, len(vectors)) for part in np.split(ranks, len(layouts), axis=1)]


def _row_continuity(layout: Floats, rows: NDArray[np.intp], neighbors: NDArray[np.int32]) -> NDArray[np.float64]:
    """Continuity of each row, from its neighbors in the original space."""
    # One row per component, so that the inner loops vectorize.
    nearer = compiled(count_nearer_in_layout)(np.ascontiguousarray(layout.T), rows, np.ascontiguousarray(neighbors))
    return _share_kept(nearer + 1, len(layout))


def _share_kept(ranks: NDArray[np.int32], n: int) -> NDArray[np.float64]:
    """1 if the k ranks of a row, ``(b, k)``, are all within k, 0 if they are the k last ones; ``(b,)``."""
    k = ranks.shape[1]
    worst = k * (2 * n - 3 * k - 1) / 2
    share: NDArray[np.float64] = (worst - np.maximum(ranks - k, 0).sum(axis=1, dtype=np.float64)) / worst
    return share


def _validate_projection(
    vectors: Floats, projections: Mapping[str, Floats], n_neighbors: int, distance: Distance
) -> int:
    """Check arguments, and return the neighborhood size to use: 0 if there are too few rows."""
    validate_vectors(vectors)
    for name, coordinates in projections.items():
        validate_vectors(coordinates, name)
        if len(coordinates) != len(vectors):
            raise ValueError(f"{name} must have {len(vectors)} rows like the vectors, not {len(coordinates)}.")
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, not {n_neighbors}.")
    if distance not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, not {distance!r}.")
    validate_usable(vectors, distance)
    return min(n_neighbors, (len(vectors) - 1) // 2)


def _validate_graph(neighbors: Neighbors, n: int, k: int, distance: Distance) -> None:
    if len(neighbors.indices) != n:
        raise ValueError(f"neighbors must have {n} rows like the vectors, not {len(neighbors.indices)}.")
    if neighbors.n_neighbors < k:
        raise ValueError(
            f"neighbors must have at least {k} neighbors per row, not {neighbors.n_neighbors}; "
            f"compute it with nearest_neighbors(vectors, {k})."
        )
    if neighbors.distance != distance:
        raise ValueError(f"neighbors must use the distance {distance!r}, not {neighbors.distance!r}.")
