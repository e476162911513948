"""Agreement of maps with the original space and with each other, stability over seeds, and clusters on maps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import DISTANCES, Distance, normalize
from visualdl_embedding.core.duplicates import representatives
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.metrics._overlap import overlap, points_of
from visualdl_embedding.metrics._ranks import nearest_in_layout

__all__ = ["Agreement", "MapCluster", "clusters", "map_agreement", "map_clusters", "stability"]

Floats = NDArray[np.float32]
SPACE = "space"
"""Key of the original space in `MapCluster.support`."""
SUPPORTED = 0.5
"""Minimum support for a cluster to count as present in another view."""
_COMPONENTS = 20
_MIN_SAMPLES = 5
MAX_CLUSTERED = 5_000
"""Maximum number of rows for HDBSCAN, with quadratic time: 5,000 × 20 take 0.7 to 2 s, 10,000 up to 7 s on a core."""


@dataclass(frozen=True)
class Agreement:
    """Share of neighbors that each row has in common between views.

    Attributes
    ----------
    with_space
        ``(n,)`` float32 by map: share of a row's neighbors on the map that are also its neighbors in the original
        space.
    between
        ``(n,)`` float32 by pair of maps: share of a row's neighbors in both maps.
    row
        ``(n,)`` float32: mean of all these. A map in two dimensions cannot keep all neighbors of a space with hundreds,
        so compare rows with each other and not with 1.
    n_neighbors
        Number of neighbors compared.
    chance
        Expected share for unrelated views.
    """

    with_space: Mapping[str, Floats]
    between: Mapping[tuple[str, str], Floats]
    row: Floats
    n_neighbors: int
    chance: float


@dataclass(frozen=True)
class MapCluster:
    """Cluster on a map.

    Attributes
    ----------
    key
        Key of the map.
    rows
        ``(m,)`` positions, ascending.
    support
        For every other map, and for ``"space"``: share of its rows' neighbors there that are in the cluster, corrected
        for chance; 1 if the cluster is equally separate, about 0 if its rows are scattered.
    doubtful
        Whether neither the original space nor a map of another method supports it by `SUPPORTED` or more, so that only
        this method shows it. Two runs of t-SNE share artifacts, so they are not independent evidence.
    """

    key: str
    rows: NDArray[np.intp]
    support: Mapping[str, float]
    doubtful: bool


def _validate_map(coordinates: NDArray[np.floating], name: str) -> None:
    if np.ndim(coordinates) != 2 or 0 in np.shape(coordinates):
        raise ValueError(f"{name} must be a non-empty (n, c) array, not one of shape {np.shape(coordinates)}.")
    bad = int((~np.isfinite(coordinates).all(axis=1)).sum())
    if bad:
        raise ValueError(
            f"{bad} of {len(coordinates)} rows of {name} contain NaN or inf; pass the usable rows only: "
            "coordinates[snapshot.usable(distance)]."
        )


def _validate_maps(projections: Mapping[str, NDArray[np.floating]], neighbors: Neighbors, n_neighbors: int) -> None:
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, not {n_neighbors}.")
    n = len(neighbors.indices)
    for key, coordinates in projections.items():
        _validate_map(coordinates, f"map {key!r}")
        if len(coordinates) != n:
            raise ValueError(
                f"Map {key!r} has {len(coordinates)} rows, but the neighbor graph has the {n} usable rows; pass "
                "coordinates[snapshot.usable(neighbors.distance)]."
            )


def _map_neighbors(coordinates: NDArray[np.floating], k: int) -> NDArray[np.int32]:
    """Find the neighbors of each row on a map, at most k, in 0.1 s for 50,000 points."""
    n = len(coordinates)
    return nearest_in_layout(coordinates, np.arange(n), min(k, n - 1)) if n > 1 else np.zeros((n, 0), np.int32)


def map_agreement(
    projections: Mapping[str, NDArray[np.floating]],
    neighbors: Neighbors,
    *,
    n_neighbors: int = 15,
    vectors: Floats | None = None,
) -> Agreement:
    """Compute, for each row, the share of neighbors in common between maps and with the original space.

    Parameters
    ----------
    projections
        Coordinates by key, ``(n, c)`` each, all finite.
    neighbors
        Graph of the same n rows in the original space.
    n_neighbors
        Neighborhood size; at most the width of the graph.
    vectors
        ``(n, d)`` of the graph. With them, rows at equal distance count alike, see `metrics.neighbor_overlap`.

    Returns
    -------
    Shares from 0 to 1; NaN for a single row, and `Agreement.row` also without maps.
    """
    _validate_maps(projections, neighbors, n_neighbors)
    n, k = len(neighbors.indices), min(n_neighbors, neighbors.n_neighbors)
    space = neighbors.indices[:, :k]
    graphs = {key: _map_neighbors(coordinates, k) for key, coordinates in projections.items()}
    places = {key: points_of(coordinates, "euclidean") for key, coordinates in projections.items()}
    points = None if vectors is None else points_of(vectors, neighbors.distance)
    with_space = {
        key: overlap(graph, space, points=None if points is None else (places[key], points))
        for key, graph in graphs.items()
    }
    between = {(a, b): overlap(graphs[a], graphs[b], points=(places[a], places[b])) for a, b in combinations(graphs, 2)}
    shares = [*with_space.values(), *between.values()]
    row = np.mean(shares, axis=0).astype(np.float32) if shares else np.full(n, np.nan, dtype=np.float32)
    return Agreement(with_space, between, row, k, k / (n - 1) if n > 1 else float("nan"))


def stability(coordinates_by_seed: Sequence[NDArray[np.floating]], n_neighbors: int = 15) -> Floats:
    """Measure, for each row, the share of neighbors on the map that do not depend on seed or parameters.

    Parameters
    ----------
    coordinates_by_seed
        At least two maps of the same n rows, ``(n, c)`` each, all finite; c may differ.
    n_neighbors
        Neighborhood size.

    Returns
    -------
    ``(n,)`` float32, 0 to 1, higher is better: share of neighbors in common between two maps, averaged over all pairs
    of maps. The expected value for unrelated maps is ``n_neighbors / (n - 1)``. NaN for a single row.
    """
    if len(coordinates_by_seed) < 2:
        raise ValueError(f"coordinates_by_seed must have at least 2 maps, not {len(coordinates_by_seed)}.")
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1, not {n_neighbors}.")
    for i, coordinates in enumerate(coordinates_by_seed):
        _validate_map(coordinates, f"map {i}")
        if len(coordinates) != len(coordinates_by_seed[0]):
            raise ValueError(
                f"All maps must have the same rows: map 0 has {len(coordinates_by_seed[0])}, map {i} has "
                f"{len(coordinates)}."
            )
    graphs = [_map_neighbors(coordinates, n_neighbors) for coordinates in coordinates_by_seed]
    places = [points_of(coordinates, "euclidean") for coordinates in coordinates_by_seed]
    pairs = combinations(zip(graphs, places, strict=True), 2)
    shares = [overlap(a, b, points=(at_a, at_b)) for (a, at_a), (b, at_b) in pairs]
    return np.asarray(np.mean(shares, axis=0, dtype=np.float64), dtype=np.float32)


def clusters(
    vectors: Floats,
    *,
    min_cluster_size: int | None = None,
    distance: Distance = "cosine",
    random_state: int = 42,
) -> NDArray[np.int32]:
    """Cluster rows by density. Rows that coincide (`core.duplicates`) count once, and are in one cluster.

    HDBSCAN on the 20 leading principal components (of the unit vectors, for cosine): in hundreds of dimensions
    distances are nearly equal, and no region is dense. Many tables have no clusters; all rows are noise then.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.
    min_cluster_size
        2 or more; by default a hundredth of the rows, at least 5.
    distance
        ``"cosine"`` or ``"euclidean"``.
    random_state
        Seed of the sample: above 5,000 rows a random 5,000 are clustered. Each other row joins the cluster of its
        nearest sampled row, if their distance is at most that between rows of the cluster. 50,000 rows take about 3 s
        on one core, and memory is linear in n.

    Returns
    -------
    ``(n,)`` int32: clusters from 0, largest first; -1 for noise.

    References
    ----------
    Campello, Moulavi and Sander 2013, "Density-based clustering based on hierarchical density estimates".
    """
    _validate_map(vectors, "vectors")
    if distance not in DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(DISTANCES)}, not {distance!r}.")
    points = normalize(vectors) if distance == "cosine" else np.asarray(vectors, dtype=np.float32)
    first = representatives(np.asarray(vectors, dtype=np.float32), distance)
    return _hdbscan(_reduce(points), _cluster_size(min_cluster_size, len(vectors)), random_state, first)


def _cluster_size(asked: int | None, n: int) -> int:
    if asked is not None and asked < 2:
        raise ValueError(f"min_cluster_size must be at least 2, not {asked}.")
    return asked or max(5, n // 100)


def _reduce(points: Floats) -> Floats:
    """Project onto the leading principal components, ``(n, min(d, 20))``."""
    centered = points - points.mean(axis=0, dtype=np.float64).astype(np.float32)
    centered /= np.abs(centered).max() or 1.0
    if points.shape[1] <= _COMPONENTS:
        return np.asarray(centered)
    _, axes = np.linalg.eigh((centered.T @ centered).astype(np.float64))
    scores: Floats = centered @ axes[:, : -_COMPONENTS - 1 : -1].astype(np.float32)
    return scores


def _hdbscan(
    points: NDArray[np.floating], min_cluster_size: int, random_state: int, first: NDArray[np.intp] | None = None
) -> NDArray[np.int32]:
    """Cluster points, with those that have one representative `first` as one point."""
    if first is not None and len(distinct := np.unique(first)) < len(first):
        return _hdbscan(points[distinct], min_cluster_size, random_state)[np.searchsorted(distinct, first)]
    from sklearn.cluster import HDBSCAN

    n = len(points)
    sample = np.arange(n)
    if n > MAX_CLUSTERED:
        sample = np.sort(np.random.default_rng(random_state).choice(n, MAX_CLUSTERED, replace=False))
    size = max(2, round(min_cluster_size * len(sample) / n))
    if len(sample) <= max(size, 2) or not np.ptp(points, axis=0).any():
        return np.full(n, -1, dtype=np.int32)
    model = HDBSCAN(min_cluster_size=size, min_samples=min(_MIN_SAMPLES, len(sample) - 1), copy=True)
    labels = np.full(n, -1, dtype=np.int32)
    # HDBSCAN labels infinite rows -2 and NaN rows -3; treat them as noise.
    labels[sample] = np.maximum(model.fit_predict(points[sample]), -1)
    if n > MAX_CLUSTERED:
        _join_rest(points, sample, labels)
    clustered = labels >= 0
    rank = np.argsort(np.argsort(-np.bincount(labels[clustered]), kind="stable"))
    labels[clustered] = rank[labels[clustered]]
    return labels


def _join_rest(points: NDArray[np.floating], sample: NDArray[np.intp], labels: NDArray[np.int32]) -> None:
    """Assign rows outside the sample the label of their nearest sampled row, if it is near enough; in place."""
    from sklearn.neighbors import NearestNeighbors

    rest = np.setdiff1d(np.arange(len(points)), sample)
    index = NearestNeighbors(n_neighbors=1).fit(points[sample])
    gap = index.kneighbors()[0][:, 0]
    away, nearest = (found[:, 0] for found in index.kneighbors(points[rest]))
    own = labels[sample]
    # The last entry is for noise, with a reach of 0.
    reach = np.zeros(int(own.max()) + 2)
    np.maximum.at(reach, own, gap)
    reach[-1] = -1
    label = own[nearest]
    labels[rest] = np.where(away <= reach[label], label, -1)


def map_clusters(
    projections: Mapping[str, NDArray[np.floating]],
    neighbors: Neighbors,
    *,
    min_cluster_size: int | None = None,
    n_neighbors: int = 15,
    methods: Mapping[str, str] | None = None,
    vectors: Floats | None = None,
    random_state: int = 42,
) -> tuple[MapCluster, ...]:
    """Find the clusters of each map, and their support in the other maps and in the original space.

    Parameters
    ----------
    projections
        Coordinates by key, ``(n, c)`` each, all finite.
    neighbors
        Graph of the same n rows in the original space.
    min_cluster_size, random_state
        As in `clusters`; all rows and all components of the map are used.
    n_neighbors
        Number of neighbors of each row for the support; at most the cluster size minus one.
    methods
        Method of each map, by key; by default the lowercase letters at the start of its key (``"tsne"`` for
        ``"tsne_3d"``).
    vectors
        ``(n, d)`` of the graph. With them, rows that coincide count once, as in `clusters`.

    Returns
    -------
    Clusters by map, largest first. Clusters with more than half of all rows are omitted.
    """
    _validate_maps(projections, neighbors, n_neighbors)
    if methods is not None and (missing := [key for key in projections if key not in methods]):
        raise ValueError(f"methods must have an entry for the maps {', '.join(map(repr, missing))}.")
    n = len(neighbors.indices)
    size = _cluster_size(min_cluster_size, n)
    views = {key: _map_neighbors(coordinates, n_neighbors) for key, coordinates in projections.items()}
    views[SPACE] = neighbors.indices[:, :n_neighbors]
    method = {key: _method(key) for key in projections} if methods is None else dict(methods)
    method[SPACE] = ""
    first = None if vectors is None else representatives(vectors, neighbors.distance)
    found = []
    for key, coordinates in projections.items():
        labels = _hdbscan(np.asarray(coordinates, dtype=np.float32), size, random_state, first)
        for cluster in range(int(labels.max()) + 1):
            inside = labels == cluster
            rows = np.flatnonzero(inside)
            if len(rows) > n / 2:
                continue
            support = {other: _support(graph, inside, rows) for other, graph in views.items() if other != key}
            others = (value for other, value in support.items() if method[other] != method[key])
            found.append(MapCluster(key, rows, support, all(value < SUPPORTED for value in others)))
    return tuple(found)


def _method(key: str) -> str:
    """Return the method in a map's key.

    >>> _method("tsne_3d"), _method("umap-seed-7")
    ('tsne', 'umap')
    """
    return re.split(r"[^a-z]", key, maxsplit=1)[0] or key


def _support(graph: NDArray[np.int32], inside: NDArray[np.bool_], rows: NDArray[np.intp]) -> float:
    """Share of the rows' neighbors that are in the cluster, corrected for chance: (share - chance) / (1 - chance)."""
    k = min(graph.shape[1], len(rows) - 1)
    share = float(inside[graph[rows, :k]].mean())
    chance = (len(rows) - 1) / (len(inside) - 1)
    return (share - chance) / (1 - chance)
