"""Endpoints that take seconds: findings and clusters."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Config
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.findings import find
from visualdl_embedding.metrics import agreement
from visualdl_embedding.server._endpoint import Answer, Asked
from visualdl_embedding.server._source import RunSource

__all__ = ["clusters", "findings"]

NO_CLUSTER = -1

_studying = threading.Lock()
"""Detectors and clustering take seconds and hundreds of megabytes: one at a time."""


def findings(source: RunSource, asked: Asked) -> Answer:
    """Return the findings of a snapshot."""
    table, step = source.table_at(asked, analyzed=True)

    def make() -> dict[str, Any]:
        with _studying:
            found = find(table.reader.read_snapshot(step), table.reader.read_analysis(step))
        listed = [finding.to_dict() for finding in found]
        order = table.order(step)
        if order is not None:
            newest = {int(own): position for position, own in enumerate(order) if own >= 0}
            for finding in listed:
                finding["row_indices"] = [newest[row] for row in finding["row_indices"] if row in newest]
        return {"findings": listed}

    return Answer(table.stamp(step), make)


def clusters(source: RunSource, asked: Asked) -> Answer:
    """Return the clusters of the rows of a step in the original space."""
    table, step = source.table_at(asked)

    def make() -> dict[str, Any]:
        with _studying:
            found = cluster_rows(table.reader.read_snapshot(step), table.reader.description.config)
        n_clusters = int(found.max(initial=NO_CLUSTER)) + 1
        found = table.in_order(step, found, missing=NO_CLUSTER)
        return {"step": step, "clusters": found.tolist(), "n_clusters": n_clusters}

    # Without the stamp of the analysis, which clusters do not depend on.
    return Answer((*table.stamp(), table.listing.snapshots[step]), make)


def cluster_rows(snapshot: Snapshot, config: Config) -> NDArray[np.int32]:
    """Cluster the usable rows of a snapshot by the distance of its table.

    Returns
    -------
    ``(n,)`` int32: clusters from 0, largest first; -1 for rows in no cluster and for rows that are not usable.
    """
    found = np.full(len(snapshot.labels), NO_CLUSTER, dtype=np.int32)
    usable = snapshot.usable(config.distance)
    if usable.any():
        # Intermediate values overflow for vectors near the limit of float32 (1e38).
        with np.errstate(all="ignore"):
            found[usable] = agreement.clusters(
                snapshot.vectors[usable], distance=config.distance, random_state=config.random_state
            )
    return found
