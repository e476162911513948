"""Answers that take seconds: what is wrong or strange in a snapshot, and which clusters its rows form."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Config
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.findings import find
from visualdl_embedding.metrics import agreement
from visualdl_embedding.server._endpoint import Answer
from visualdl_embedding.server._source import RunSource

__all__ = ["clusters", "findings"]

Asked = Mapping[str, Any]
NO_CLUSTER = -1

_studying = threading.Lock()
"""Detectors and clustering take seconds and hundreds of megabytes: one at a time."""


def findings(source: RunSource, asked: Asked) -> Answer:
    """Look for what is wrong or strange in a snapshot."""
    table = source.table(asked["run"], asked["table"])
    step = asked["step"]
    table.check_step(step, analyzed=True)

    def make() -> dict[str, Any]:
        with _studying:
            snapshot = table.snapshot(step)
            found = [finding.to_dict() for finding in find(snapshot, table.analysis(step))]
        order = table.order(step)
        if order is not None:
            newest = {int(own): position for position, own in enumerate(order) if own >= 0}
            for finding in found:
                finding["row_indices"] = [newest[row] for row in finding["row_indices"] if row in newest]
        return {"findings": found}

    return Answer(("findings", *table.stamp(step), table.reader.description.rows_version), make)


def clusters(source: RunSource, asked: Asked) -> Answer:
    """Find the clusters that the rows of a step form in the original space."""
    table = source.table(asked["run"], asked["table"])
    step = asked["step"]
    table.check_step(step)
    description = table.reader.description

    def make() -> dict[str, Any]:
        with _studying:
            found = cluster_rows(table.snapshot(step), description.config)
        n_clusters = int(found.max(initial=NO_CLUSTER)) + 1
        order = table.order(step)
        if order is not None:
            found = np.where(order >= 0, found[np.maximum(order, 0)], NO_CLUSTER)
        return {"step": step, "clusters": found.tolist(), "n_clusters": n_clusters}

    # An analysis that comes later changes nothing here, so its stamp is not in the key.
    snapshot_stamp = table.listing.snapshots[step]
    asked_for = (step, description.config.distance, description.config.random_state)
    return Answer(("clusters", str(table.reader.folder), snapshot_stamp, description.rows_version, asked_for), make)


def cluster_rows(snapshot: Snapshot, config: Config) -> NDArray[np.int32]:
    """Cluster the usable rows of a snapshot by the distance of its table.

    Returns
    -------
    ``(n,)`` int32: clusters from 0, the largest first; -1 for rows in none, and for those that are not usable.
    """
    found = np.full(len(snapshot.labels), NO_CLUSTER, dtype=np.int32)
    usable = snapshot.usable(config.distance)
    if usable.any():
        # Vectors near the end of float32 (1e38) overflow in between.
        with np.errstate(all="ignore"):
            found[usable] = agreement.clusters(
                snapshot.vectors[usable], distance=config.distance, random_state=config.random_state
            )
    return found
