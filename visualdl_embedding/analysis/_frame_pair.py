"""Two snapshots of one table side by side: the rows that both have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis._types import Config, Frame
from visualdl_embedding.core.neighbors import Neighbors, nearest_neighbors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.metrics import neighbor_overlap

__all__ = ["FramePair"]


@dataclass(frozen=True)
class FramePair:
    """The rows that a snapshot shares, by label, with an earlier one, usable in both.

    Attributes
    ----------
    positions, then_positions
        Where they stand among all rows now and then.
    now_rows
        Where they are among the usable rows now.
    now, then
        Their vectors, ``(m, d)`` float32.
    graph_then
        The earlier graph if the usable rows are the very same, else None.
    config
        How graphs are made.
    """

    positions: NDArray[np.intp]
    then_positions: NDArray[np.intp]
    now_rows: NDArray[np.intp]
    now: NDArray[np.float32]
    then: NDArray[np.float32]
    graph_then: Neighbors | None
    config: Config

    @classmethod
    def of(cls, frame: Frame, now: Snapshot, config: Config) -> FramePair | None:
        """Pair by label; None where nothing is shared or the width of the table has changed."""
        then = frame.snapshot
        if now.vectors.shape[1] != then.vectors.shape[1]:
            return None
        usable_now, usable_then = now.usable(config.distance), then.usable(config.distance)
        if now.labels == then.labels:
            positions = np.flatnonzero(usable_now & usable_then)
            then_positions = positions
        else:
            where = {label: i for i, label in enumerate(then.labels)}
            pairs = [
                (i, where[label])
                for i, label in enumerate(now.labels)
                if label in where and usable_now[i] and usable_then[where[label]]
            ]
            positions, then_positions = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        if not len(positions):
            return None
        same = (
            now.labels == then.labels
            and len(positions) == usable_now.sum() == usable_then.sum() == len(frame.analysis.neighbors.indices)
            and frame.analysis.neighbors.distance == config.distance
        )
        return cls(
            positions=positions,
            then_positions=then_positions,
            now_rows=np.searchsorted(np.flatnonzero(usable_now), positions),
            now=now.vectors[positions],
            then=then.vectors[then_positions],
            graph_then=frame.analysis.neighbors if same else None,
            config=config,
        )

    def neighbor_overlap(self, graph: Neighbors) -> NDArray[np.float32]:
        """Share of neighbors kept, per shared row, where `graph` is that of all usable rows now.

        Graphs are made anew where the row sets differ.
        """
        if self.graph_then is not None:
            return neighbor_overlap(self.graph_then, graph)
        config = self.config
        then, now = (
            nearest_neighbors(
                vectors,
                config.n_neighbors,
                distance=config.distance,
                random_state=config.random_state,
                n_jobs=config.n_jobs,
            )
            for vectors in (self.then, self.now)
        )
        return neighbor_overlap(then, now)
