"""Comparison of a snapshot with earlier snapshots of the same table, over the rows that they share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import metrics
from visualdl_embedding.analysis._config import Config
from visualdl_embedding.analysis._result import Frame, Measured, State
from visualdl_embedding.analysis._space import neighbor_graph
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.distance import even_lengths, long_rows
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.pairing import are_comparable, pair_labels, pair_rows
from visualdl_embedding.core.precision import resolution, rounding_errors
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import cka

__all__ = ["FramePair", "measure_pairs", "pair_with", "too_few_shared"]

Floats = NDArray[np.float32]
_TIED = 0.01
"""Share of rows with tied neighbors above which there is a note."""


@dataclass(frozen=True)
class FramePair:
    """Rows that a snapshot and an earlier one share by label, usable in both.

    Attributes
    ----------
    positions, then_positions
        ``(m,)`` positions of the shared rows among all rows of the current and of the earlier snapshot.
    now_rows
        ``(m,)`` positions of the shared rows among the usable rows of the current snapshot.
    now, then
        Vectors of the shared rows in the current and in the earlier snapshot, ``(m, d)`` float32.
    graph_then
        Graph of the earlier snapshot if both have the same usable rows, else None.
    """

    positions: NDArray[np.intp]
    then_positions: NDArray[np.intp]
    now_rows: NDArray[np.intp]
    now: Floats
    then: Floats
    graph_then: Neighbors | None

    @cached_property
    def spacing(self) -> float:
        """Spacing of the values, relative to a value, see `core.precision.resolution`."""
        return resolution(self.then, self.now, one_run=True)

    def neighbor_overlap(self, graphs: tuple[Neighbors, Neighbors]) -> Floats:
        """Overlap of the graphs before and now; ties are kept, see `metrics.neighbor_overlap`."""
        vectors = self.then, self.now
        then, now = (rounding_errors(v, graphs[0].distance, self.spacing) for v in vectors)
        return metrics.neighbor_overlap(*graphs, vectors=vectors, errors=(then, now))


def pair_with(frame: Frame | None, now: Snapshot, config: Config) -> FramePair | None:
    """Pair a snapshot with an earlier frame; None if they differ in width or share too few usable rows."""
    if frame is None or now.vectors.shape[1] != frame.snapshot.vectors.shape[1]:
        return None
    then = frame.snapshot
    if not are_comparable(then, now, config.distance):
        return None
    usable_now, usable_then = now.usable(config.distance), then.usable(config.distance)
    positions, then_positions = pair_rows(now, then, config.distance)
    same = (
        now.labels == then.labels
        and len(positions) == usable_now.sum() == usable_then.sum() == len(frame.analysis.neighbors.indices)
        and frame.analysis.neighbors.distance == config.distance
    )
    return FramePair(
        positions=positions,
        then_positions=then_positions,
        now_rows=np.searchsorted(np.flatnonzero(usable_now), positions),
        now=now.vectors[positions],
        then=then.vectors[then_positions],
        graph_then=frame.analysis.neighbors if same else None,
    )


def too_few_shared(state: State, now: Snapshot, config: Config) -> tuple[str, ...]:
    """Return a note for each earlier frame with shared labels too few of which are usable to measure the change."""
    frames = (frame.snapshot for frame in (state.previous, state.first) if frame is not None)
    steps = [
        then.step
        for then in frames
        if not are_comparable(then, now, config.distance) and len(pair_labels(then.labels, now.labels)[0])
    ]
    return tuple(
        f"Fewer than half of the rows shared with step {step} are usable at both steps, so the change is not measured."
        for step in dict.fromkeys(steps)
    )


def measure_pairs(
    n: int, graph: Neighbors, config: Config, *, previous: FramePair | None, first: FramePair | None
) -> Measured:
    """Measure the change of n rows since the previous and since the first snapshot, as far as these are available.

    `graph` is that of the usable rows, of more than the configured width if possible, so that ties are found faster;
    `config` is for the graphs of pairs with other rows.
    """
    scalars: dict[str, float] = {}
    row_metrics: dict[str, Floats] = {}
    notes: list[str] = []
    if previous is not None:
        then, now = previous.then, previous.now
        fitted = ~long_rows(then, now, distance=config.distance)
        if config.distance == "cosine":
            then, now = even_lengths(then, now)
        graphs = _graphs(previous, graph, config)
        rows = {
            "neighbor_overlap": previous.neighbor_overlap(graphs),
            "displacement": metrics.aligned_displacement(then, now, spacing=previous.spacing, fitted=fitted),
        }
        scalars |= {
            "neighbor_overlap": _mean(rows["neighbor_overlap"]),
            "displacement": _mean(rows["displacement"][fitted]),
            "cka": cka(then[fitted], now[fitted]),
        }
        row_metrics |= {name: spread(values, previous.positions, n) for name, values in rows.items()}
        if (count := int((metrics.neighbor_overlap(*graphs) < rows["neighbor_overlap"]).sum())) > _TIED * len(then):
            notes.append(
                f"{count:,} of {len(then):,} rows have neighbors at equal distances, within the resolution of their "
                "values; these count as kept."
            )
    if first is not None:
        scalars["neighbor_overlap_first"] = _mean(first.neighbor_overlap(_graphs(first, graph, config)))
        same = metrics.unchanged(first.then, first.now)
        row_metrics["unchanged"] = spread(same, first.positions, n)
        scalars["unchanged_rows"] = float(same.sum())
    return Measured(scalars, row_metrics, tuple(notes))


def _graphs(pair: FramePair, graph: Neighbors, config: Config) -> tuple[Neighbors, Neighbors]:
    """Return the graphs of the shared rows before and now; `graph` is the graph of the current usable rows."""
    if pair.graph_then is not None:
        return pair.graph_then, graph
    then = neighbor_graph(pair.then, config, ()).first(config.n_neighbors)
    return then, neighbor_graph(pair.now, config, ())


def _mean(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")
