"""What the views say together: how far they agree, how stable each row's place is, which clusters there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.metrics.agreement import (
    SUPPORTED,
    Agreement,
    MapCluster,
    clusters,
    map_agreement,
    map_clusters,
    stability,
)
from visualdl_embedding.reports._views import View

__all__ = ["Doubt", "Study", "study_views"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Doubt:
    """A cluster that only one method shows.

    Attributes
    ----------
    view
        Key of the view that shows it.
    rows
        ``(m,)``: its rows, as positions in the snapshot.
    """

    view: str
    rows: NDArray[np.intp]


@dataclass(frozen=True)
class Study:
    """What the views say together, for all n rows of the snapshot.

    Attributes
    ----------
    maps
        How far the 2-D views of the first seed agree with one another and with the original space, for finite rows.
    agreement
        ``(n,)`` float32, 0 to 1, higher is better, NaN where unknown.
    stability
        ``(n,)`` float32, 0 to 1: neighbors on the map that stay under other seeds and parameters; None where every
        method was run once.
    clusters
        ``(n,)`` int32: clusters of the original space, numbered from 0, the largest first; -1 for rows of none.
    doubtful
        Clusters that only one method shows.
    seen
        All clusters of the maps, as positions among the finite rows.
    """

    maps: Agreement | None
    agreement: Floats | None
    stability: Floats | None
    clusters: NDArray[np.int32]
    doubtful: tuple[Doubt, ...] = ()
    seen: tuple[MapCluster, ...] = ()

    def doubtful_rows(self, view: str) -> NDArray[np.bool_]:
        """``(n,)`` bool: rows that a view puts into a cluster that only its method shows."""
        marked = np.zeros(len(self.clusters), dtype=bool)
        for doubt in self.doubtful:
            if doubt.view == view:
                marked[doubt.rows] = True
        return marked


def study_views(
    vectors: Floats,
    neighbors: Neighbors,
    views: Sequence[View],
    *,
    positions: NDArray[np.intp],
    random_state: int,
) -> Study:
    """Compare views with one another and with the original space.

    Parameters
    ----------
    vectors
        ``(m, d)`` float32: the finite rows.
    neighbors
        Their graph; its width is the size of a neighborhood.
    views
        Their coordinates are of all n rows.
    positions
        ``(m,)``: where the finite rows stand among all.
    random_state
        Seed.
    """
    n = len(views[0].projection.coordinates)
    k = neighbors.n_neighbors
    found = np.full(n, -1, dtype=np.int32)
    if k == 0:
        return Study(None, None, None, found)
    places = {view.key: view.projection.coordinates[positions] for view in views}
    first = {view.key: view for view in views if view.plan.repeat == 0}
    maps = map_agreement({key: places[key] for key in first}, neighbors, n_neighbors=k)
    found[positions] = clusters(vectors, distance=neighbors.distance, random_state=random_state)
    drawn = {key: places[key] for key in first}
    seen = map_clusters(drawn, neighbors, n_neighbors=k, random_state=random_state)
    return Study(
        maps=maps,
        agreement=spread(maps.row, positions, n),
        stability=_stability(views, places, positions, n_neighbors=k),
        clusters=found,
        doubtful=tuple(Doubt(c.key, positions[c.rows]) for c in seen if _is_doubtful(c, first)),
        seen=seen,
    )


def _is_doubtful(cluster: MapCluster, views: Mapping[str, View]) -> bool:
    """Whether neither the original space nor a map of another method holds the cluster together.

    A map of the same method with another perplexity is no second witness.
    """
    own = views[cluster.key].plan.method
    support = cluster.support.items()
    return all(value < SUPPORTED for key, value in support if key not in views or views[key].plan.method != own)


def _stability(
    views: Sequence[View], places: Mapping[str, Floats], positions: NDArray[np.intp], *, n_neighbors: int
) -> Floats | None:
    """Mean over the methods that were run more than once."""
    kinds: dict[str, list[Floats]] = {}
    for view in views:
        if view.plan.method != "pca":
            kinds.setdefault(view.plan.like, []).append(places[view.key])
    measured = [stability(maps, n_neighbors) for maps in kinds.values() if len(maps) > 1]
    if not measured:
        return None
    return spread(np.mean(measured, axis=0, dtype=np.float64), positions, len(views[0].projection.coordinates))
