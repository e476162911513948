"""Usable rows, neighbor graph and metrics of the original space, and quality of projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import metrics
from visualdl_embedding.analysis._config import Config
from visualdl_embedding.analysis._result import Measured, Projection, UsableRows
from visualdl_embedding.analysis._specs import ProjectionSpec
from visualdl_embedding.core.distance import count_rows, left_out_notes, why_unusable
from visualdl_embedding.core.duplicates import representatives
from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.neighbors import Neighbors, nearest_neighbors
from visualdl_embedding.core.pairing import positions_of
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.projection import neighbors_needed

__all__ = ["measure_quality", "measure_space", "measure_watched", "neighbor_graph", "select_usable"]

Floats = NDArray[np.float32]


def select_usable(snapshot: Snapshot, config: Config) -> tuple[UsableRows, Measured]:
    """Select the rows between which the distance is defined, and count the others and those that coincide."""
    positions = np.flatnonzero(snapshot.usable(config.distance))
    counts = count_rows(snapshot.vectors, config.distance)
    vectors = np.ascontiguousarray(snapshot.vectors[positions])
    first = representatives(vectors, config.distance)
    if len(vectors) and not first.any() and not representatives(vectors, "euclidean").any():
        # All rows coincide, so what differs is rounding, which has no neighbors and no spectrum.
        vectors = vectors[first]
    rows = UsableRows(positions, vectors, len(snapshot.rows), first)
    same = np.bincount(rows.first, minlength=len(vectors))[rows.first] - 1.0
    coinciding = {"duplicates": rows.spread(same)} if same.any() else {}
    position = positions_of(snapshot.labels)
    reasons = {label: why_unusable(snapshot.vectors[position[label]], config.distance) for label in snapshot.rows.watch}
    notes = [*left_out_notes(counts)]
    notes += [f"The vector of {label!r} {why}." for label, why in reasons.items() if why]
    if counts["nonfinite_rows"] and not snapshot.is_measurable(config.distance):
        finite = rows.n - int(counts["zero_rows"])
        notes.append(
            f"{len(positions)} of {finite} rows are usable, fewer than half, so this step has no maps and no metrics "
            "except counts."
        )
    return rows, Measured(counts, coinciding, notes=tuple(notes))


def neighbor_graph(vectors: Floats, config: Config, specs: Sequence[ProjectionSpec] | None = None) -> Neighbors:
    """Build the neighbor graph that all metrics and projections share, with the largest number of neighbors required.

    Parameters
    ----------
    vectors
        ``(v, d)`` float32, finite.
    config
        Distance, number of neighbors, seed and number of threads.
    specs
        Projections that use the graph; those of `config` if None.
    """
    if not vectors.size:
        return Neighbors(np.zeros((0, 0), np.int32), np.zeros((0, 0), np.float32), config.distance)
    # The neighbor after the last one shows whether there are ties.
    widths = [min(config.n_neighbors + 1, len(vectors) - 1)]
    for spec in config.specs if specs is None else specs:
        asked = config.parameters_of(spec)
        sizes = {name: asked[name] for name in ("n_neighbors", "perplexity")}
        widths.append(neighbors_needed((spec.method,), n_rows=len(vectors), **sizes))
    return nearest_neighbors(
        vectors, max(widths), distance=config.distance, random_state=config.random_state, n_jobs=config.n_jobs
    )


def measure_space(rows: UsableRows, graph: Neighbors) -> Measured:
    """Measure the original space, see `metrics.space_scalars`; note an approximate search for neighbors."""
    scalars, norms = metrics.space_scalars(rows.vectors, graph)
    notes = []
    if rows.vectors.shape[1] == 1:
        notes.append(
            "The table has one column, so there are no metrics of directions: mean_cosine, effective_rank, isoscore."
        )
    if not graph.exact:
        notes.append(f"Neighbors of {len(norms):,} rows were found by an approximate search (PyNNDescent).")
    return Measured(scalars, {"norm": rows.spread(norms)}, tuple(notes))


def measure_quality(
    rows: UsableRows, graph: Neighbors, projections: Mapping[str, Projection], *, config: Config
) -> Measured:
    """Measure trustworthiness and continuity of every projection, in one pass over the original space."""
    if not projections:
        return Measured()
    found = metrics.projection_quality(
        rows.vectors,
        {key: projection.coordinates[rows.positions] for key, projection in projections.items()},
        graph,
        n_neighbors=config.n_neighbors,
        distance=config.distance,
        random_state=config.random_state,
    )
    names = ("trustworthiness", "continuity")
    return Measured(
        {f"{key}/{name}": getattr(quality, name) for key, quality in found.items() for name in names},
        {
            f"{key}/{name}": rows.spread(getattr(quality, f"row_{name}"))
            for key, quality in found.items()
            for name in names
        },
    )


def measure_watched(
    rows: Rows, row_metrics: Mapping[str, Floats], projections: Mapping[str, Projection]
) -> dict[str, float]:
    """Return the scalars of each watched label: norm, change, and coordinates in every projection."""
    position = positions_of(rows.labels)
    scalars: dict[str, float] = {}
    for label in rows.watch:
        i = position[label]
        for metric in ("norm", "displacement", "neighbor_overlap"):
            if metric in row_metrics:
                scalars[scalar_key(metric, watch=label)] = float(row_metrics[metric][i])
        for key, projection in projections.items():
            for axis, value in zip("xyz", projection.coordinates[i], strict=False):
                scalars[scalar_key(axis, method=key, watch=label)] = float(value)
    return scalars
