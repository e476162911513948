"""Comparison of the views of a report: agreement, stability and clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Analysis, Config
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.metrics.agreement import Agreement, MapCluster, clusters, map_agreement, map_clusters, stability

__all__ = ["ViewStudy", "study_projections"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ViewStudy:
    """Comparison of the views, for all n rows of the snapshot.

    Attributes
    ----------
    maps
        Agreement of the views of the first seed with each other and with the original space, for usable rows.
    agreement
        Agreement of each row, ``(n,)`` float32, 0 to 1, higher is better, NaN where unknown.
    stability
        Share of neighbors on the map that are the same under other seeds and parameters, ``(n,)`` float32, 0 to 1; None
        if every method was run once.
    clusters
        Cluster numbers in the original space, ``(n,)`` int32 from 0, the largest cluster first; -1 for rows without a
        cluster.
    only_here
        Clusters that only one method shows, by key of the view: positions of their rows in the snapshot.
    seen
        All clusters of the maps, as positions among the usable rows.
    """

    maps: Agreement | None
    agreement: Floats | None
    stability: Floats | None
    clusters: NDArray[np.int32]
    only_here: Mapping[str, list[NDArray[np.intp]]] = field(default_factory=dict)
    seen: tuple[MapCluster, ...] = ()

    def doubtful_rows(self, view: str) -> NDArray[np.bool_]:
        """Return a mask of the rows in doubtful clusters of a view, ``(n,)`` bool."""
        marked = np.zeros(len(self.clusters), dtype=bool)
        for rows in self.only_here.get(view, ()):
            marked[rows] = True
        return marked


def study_projections(snapshot: Snapshot, analysis: Analysis, config: Config) -> ViewStudy:
    """Compare the projections of an analysis with each other and with the original space.

    Parameters
    ----------
    snapshot, analysis
        Snapshot, and the result of `analyze` for it and `config`. Its graph sets the number of neighbors.
    config
        Parameters of the analysis; the specs identify repeats and parameter values of the same method.
    """
    n, neighbors = len(snapshot.rows), analysis.neighbors
    k = neighbors.n_neighbors
    found = np.full(n, -1, dtype=np.int32)
    if k == 0:
        return ViewStudy(None, None, None, found)
    positions = np.flatnonzero(snapshot.usable(neighbors.distance))
    places = {key: projection.coordinates[positions] for key, projection in analysis.projections.items()}
    first = {spec.key: places[spec.key] for spec in config.specs if not spec.repeat}
    vectors = np.ascontiguousarray(snapshot.vectors[positions], dtype=np.float32)
    maps = map_agreement(first, neighbors, n_neighbors=k, vectors=vectors)
    found[positions] = clusters(vectors, distance=neighbors.distance, random_state=config.random_state)
    methods = {spec.key: spec.method for spec in config.specs}
    seen = map_clusters(
        first, neighbors, n_neighbors=k, methods=methods, vectors=vectors, random_state=config.random_state
    )
    only_here: dict[str, list[NDArray[np.intp]]] = {}
    for cluster in seen:
        if cluster.doubtful:
            only_here.setdefault(cluster.key, []).append(positions[cluster.rows])
    kinds: dict[str, list[Floats]] = {}
    for spec in config.specs:
        if spec.method != "pca":
            kinds.setdefault(spec.like or spec.key, []).append(places[spec.key])
    stable = [stability(alike, k) for alike in kinds.values() if len(alike) > 1]
    return ViewStudy(
        maps=maps,
        agreement=spread(maps.row, positions, n),
        stability=spread(np.mean(stable, axis=0, dtype=np.float64), positions, n) if stable else None,
        clusters=found,
        only_here=only_here,
        seen=seen,
    )
