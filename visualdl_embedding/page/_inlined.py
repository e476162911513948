"""Data that a file holds for the page: a list of runs, their tables, the tables' steps, and the frames of each step."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from visualdl_embedding.analysis import Analysis
from visualdl_embedding.core.jsonable import plain
from visualdl_embedding.core.neighbors import normalize
from visualdl_embedding.core.palette import page_palette
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.core.text import visible_text
from visualdl_embedding.page._answers import frame_info, metric_infos, rows_answer, scalar_series, table_info

__all__ = ["FORMAT", "Moment", "inline_run", "inlined", "neighbor_table"]

FORMAT = 1
"""Of the data; the page reads this one only."""
SHOWN_NEIGHBORS = 15


@dataclass(frozen=True)
class Moment:
    """One step of a table, with all that the page shows of it.

    Attributes
    ----------
    snapshot, analysis
        Of the step.
    findings
        As plain values.
    clusters
        ``(n,)`` int32 from 0, the largest first; -1 for rows in none.
    row_metrics
        ``(n,)`` float32 each, NaN where unknown, beside those of the analysis.
    only_here
        By key of a projection: the rows of each cluster that only its method shows.
    """

    snapshot: Snapshot
    analysis: Analysis
    findings: Sequence[Mapping[str, Any]]
    clusters: NDArray[np.int32]
    row_metrics: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    only_here: Mapping[str, Sequence[NDArray[np.intp]]] = field(default_factory=dict)


def inlined(
    runs: Sequence[Mapping[str, Any]],
    *,
    about: Mapping[str, Any],
    opening: Mapping[str, Any],
    metrics: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Join runs to the data of a file.

    Parameters
    ----------
    runs
        From `inline_run`.
    about
        Title, facts, notes, numbers, parameters and versions.
    opening
        The view that the page opens with: panels, color and pinned labels.
    metrics
        Meanings of metrics that the library's registry does not have.

    Returns
    -------
    Plain values for JSON. Labels and all other texts are shown as they are, so none holds control characters.
    """
    content = {
        "format": FORMAT,
        "palette": page_palette(),
        "metrics": metric_infos() | dict(metrics or {}),
        "about": dict(about),
        "opening": dict(opening),
        "runs": list(runs),
    }
    visible: dict[str, Any] = _visible(plain(content))
    return visible


def _visible(value: Any) -> Any:
    """Escape characters that act in every string, names of columns and groups too."""
    if isinstance(value, str):
        return visible_text(value)
    if isinstance(value, dict):
        return {visible_text(key): _visible(item) for key, item in value.items()}
    return [_visible(item) for item in value] if isinstance(value, list) else value


def inline_run(
    name: str, table: Table, moments: Sequence[Moment], *, representative: Iterable[int] | None = None
) -> dict[str, Any]:
    """Describe a run with one table.

    Parameters
    ----------
    name
        Of the run.
    moments
        Ascending by step, all of the same rows.
    representative
        Rows in the order in which they get labels; None where they are not ranked.
    """
    last = moments[-1]
    rows = last.snapshot.rows
    steps = [moment.snapshot.step for moment in moments]
    graph = last.analysis.neighbors
    info = table_info(
        table,
        distance=graph.distance,
        n_neighbors=graph.n_neighbors,
        n=len(rows),
        columns=list(rows.columns),
        projections=last.analysis.projections,
        watch=rows.watch,
        steps=steps,
        analyzed=steps,
        rows_version=rows.version,
    )
    described = rows_answer(rows, version=rows.version)
    if representative is not None:
        described["representative"] = [int(row) for row in representative]
    tables = {
        "info": info,
        "rows": described,
        "scalars": scalar_series({moment.snapshot.step: moment.analysis.scalars for moment in moments}),
        "alerts": [],
        "steps": [_step(moment) for moment in moments],
    }
    return {"name": name, "curves": {}, "tables": [tables]}


def _step(moment: Moment) -> dict[str, Any]:
    analysis = moment.analysis
    rows, cosines, distances = neighbor_table(moment.snapshot, analysis)
    k = min(SHOWN_NEIGHBORS, rows.shape[1])
    frames = {
        key: {
            "info": frame_info(projection, key, scalars=analysis.scalars, previous_step=analysis.previous_step)
            | {"only_here": [cluster.tolist() for cluster in moment.only_here.get(key, ())]},
            "components": projection.coordinates.shape[1],
            "values": _floats(projection.coordinates),
        }
        for key, projection in analysis.projections.items()
    }
    return {
        "step": moment.snapshot.step,
        "frames": frames,
        "row_metrics": {
            name: _floats(values) for name, values in {**analysis.row_metrics, **moment.row_metrics}.items()
        },
        "neighbors": {
            "k": k,
            "rows": _integers(rows[:, :k]),
            "cosines": _floats(cosines[:, :k]),
            "distances": None if analysis.neighbors.distance == "cosine" else _floats(distances[:, :k]),
        },
        "clusters": {
            "n_clusters": int(moment.clusters.max(initial=-1)) + 1,
            "clusters": _integers(moment.clusters),
        },
        "findings": list(moment.findings),
    }


def neighbor_table(
    snapshot: Snapshot, analysis: Analysis
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Neighbors in the original space as positions among all n rows.

    Returns
    -------
    ``(n, k)`` int64, nearest first, -1 for rows that are not usable; their cosine, -1 to 1, and their distance, both
    ``(n, k)`` float32, NaN there.
    """
    graph, n = analysis.neighbors, len(snapshot.rows)
    positions = np.flatnonzero(snapshot.usable(graph.distance))
    k = graph.n_neighbors
    indices = np.full((n, k), -1, dtype=np.int64)
    cosines = np.full((n, k), np.nan, dtype=np.float32)
    distances = np.full((n, k), np.nan, dtype=np.float32)
    indices[positions] = positions[graph.indices]
    distances[positions] = graph.distances
    if graph.distance == "cosine":
        cosines[positions] = 1 - graph.distances
    else:
        unit = normalize(snapshot.vectors[positions])
        for j in range(k):
            cosines[positions, j] = np.einsum("nd,nd->n", unit, unit[graph.indices[:, j]])
    return indices, cosines, distances


def _floats(values: ArrayLike) -> str:
    return _packed(values, "<f4")


def _integers(values: ArrayLike) -> str:
    return _packed(values, "<i4")


def _packed(values: ArrayLike, dtype: str) -> str:
    """Little-endian bytes as base64, a quarter of what JSON takes."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode("ascii")
