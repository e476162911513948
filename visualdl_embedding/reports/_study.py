"""Comparison of the views of a report: agreement, stability and clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Analysis, Config, ProjectionSpec
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.metrics.agreement import (
    Agreement,
    MapCluster,
    clusters,
    map_agreement,
    map_clusters,
    stability,
)

__all__ = ["Doubt", "Study", "study_projections"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Doubt:
    """Cluster that only one method shows.

    Attributes
    ----------
    view
        Key of the view that shows it.
    rows
        ``(m,)`` positions of the rows of the cluster in the snapshot.
    """

    view: str
    rows: NDArray[np.intp]


@dataclass(frozen=True)
class Study:
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
    doubtful
        Clusters that only one method shows.
    seen
        All clusters of the maps, as positions among the usable rows.
    """

    maps: Agreement | None
    agreement: Floats | None
    stability: Floats | None
    clusters: NDArray[np.int32]
    doubtful: tuple[Doubt, ...] = ()
    seen: tuple[MapCluster, ...] = ()

    def doubtful_rows(self, view: str) -> NDArray[np.bool_]:
        """Return a mask of the rows in doubtful clusters of a view, ``(n,)`` bool."""
        marked = np.zeros(len(self.clusters), dtype=bool)
        for doubt in self.doubtful:
            if doubt.view == view:
                marked[doubt.rows] = True
        return marked


def study_projections(snapshot: Snapshot, analysis: Analysis, config: Config) -> Study:
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
        return Study(None, None, None, found)
    positions = np.flatnonzero(snapshot.usable(neighbors.distance))
    places = {key: projection.coordinates[positions] for key, projection in analysis.projections.items()}
    first = {spec.key: places[spec.key] for spec in config.specs if not spec.repeat}
    maps = map_agreement(first, neighbors, n_neighbors=k)
    found[positions] = clusters(
        snapshot.vectors[positions], distance=neighbors.distance, random_state=config.random_state
    )
    methods = {spec.key: spec.method for spec in config.specs}
    seen = map_clusters(first, neighbors, n_neighbors=k, methods=methods, random_state=config.random_state)
    stable = _stability(config.specs, places, n_neighbors=k)
    return Study(
        maps=maps,
        agreement=spread(maps.row, positions, n),
        stability=None if stable is None else spread(stable, positions, n),
        clusters=found,
        doubtful=tuple(Doubt(c.key, positions[c.rows]) for c in seen if c.doubtful),
        seen=seen,
    )


def _stability(
    specs: Sequence[ProjectionSpec], places: Mapping[str, Floats], *, n_neighbors: int
) -> NDArray[np.float64] | None:
    """Return the mean stability over the methods that were run more than once; None if there are none."""
    kinds: dict[str, list[Floats]] = {}
    for spec in specs:
        if spec.method != "pca":
            kinds.setdefault(spec.like or spec.key, []).append(places[spec.key])
    measured = [stability(maps, n_neighbors) for maps in kinds.values() if len(maps) > 1]
    return np.mean(measured, axis=0, dtype=np.float64) if measured else None
