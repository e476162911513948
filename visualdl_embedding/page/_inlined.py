"""Data of the page inlined in a file: runs, their tables, the steps of each table, and the frames of each step."""

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
"""Version of the data format; the page accepts only this version."""
SHOWN_NEIGHBORS = 15


@dataclass(frozen=True)
class Moment:
    """Data of one step of a table for the page.

    Attributes
    ----------
    snapshot, analysis
        Snapshot and analysis of the step.
    findings
        Findings as plain values.
    clusters
        ``(n,)`` int32 cluster numbers from 0, the largest cluster first; -1 for rows without a cluster.
    row_metrics
        ``(n,)`` float32 each, NaN where unknown, in addition to those of the analysis.
    only_here
        Rows of each cluster that only one method shows, by key of the projection.
    """

    snapshot: Snapshot
    analysis: Analysis
    findings: Sequence[Mapping[str, Any]]
    clusters: NDArray[np.int32]
    row_metrics: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    only_here: Mapping[str, Sequence[NDArray[np.intp]]] = field(default_factory=dict)


def inlined(
    runs: Sequence[Mapping[str, Any]], *, about: Mapping[str, Any], opening: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the data of a file with the given runs.

    Parameters
    ----------
    runs
        Results of `inline_run`.
    about
        Title, facts, notes, numbers, parameters and versions.
    opening
        Initial view of the page: panels, color and pinned labels.

    Returns
    -------
    Plain values for JSON. Control characters in labels and all other text are escaped, because the page shows text
    unchanged.
    """
    content = {
        "format": FORMAT,
        "palette": page_palette(),
        "metrics": metric_infos(),
        "about": dict(about),
        "opening": dict(opening),
        "runs": list(runs),
    }
    visible: dict[str, Any] = _visible(plain(content))
    return visible


def _visible(value: Any) -> Any:
    """Escape control and format characters in every string, including names of columns and groups."""
    if isinstance(value, str):
        return visible_text(value)
    if isinstance(value, dict):
        return {visible_text(key): _visible(item) for key, item in value.items()}
    return [_visible(item) for item in value] if isinstance(value, list) else value


def inline_run(
    name: str, table: Table, moments: Sequence[Moment], *, representative: Iterable[int] | None = None
) -> dict[str, Any]:
    """Return the data of a run with one table.

    Parameters
    ----------
    name
        Name of the run.
    moments
        Steps in ascending order, all with the same rows.
    representative
        Rows in the order in which they are labeled; None if they are not ranked.
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
    """Return the neighbors in the original space as positions among all n rows.

    Returns
    -------
    Neighbors, ``(n, k)`` int64, nearest first, -1 for rows that are not usable; their cosine similarities, -1 to 1, and
    their distances, both ``(n, k)`` float32, NaN for rows that are not usable.
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
    """Encode little-endian bytes as base64, a quarter of the size of JSON."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode("ascii")
