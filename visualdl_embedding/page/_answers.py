"""Plain values shared by the server API and the data inlined in a file, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Projection
from visualdl_embedding.core.distance import Distance, is_finite, usable_rows
from visualdl_embedding.core.palette import group_colors
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.table import Table
from visualdl_embedding.metrics import METRICS

__all__ = ["frame_info", "metric_infos", "rows_answer", "rows_without_neighbors", "scalar_series", "table_info"]

_METRIC_FIELDS = ("low", "high", "higher_is_better", "description", "description_zh", "reference")
_NO_PARAMETERS = ("method", "random_state", "redrawn")
"""Parameters that have separate fields in the description of a frame."""


def table_info(table: Table, **described: Any) -> dict[str, Any]:
    """Return the description of a table.

    Parameters
    ----------
    described
        ``distance`` and ``n_neighbors`` of the analysis, the number ``n`` of watched rows, ``columns``, keys of the
        ``projections``, ``watch``, ``rows_version``, ``steps`` with a snapshot, and the subset ``analyzed``.
    """
    return {"name": table.name, "dim": table.dim, "num_rows": table.num_rows} | described


def rows_answer(rows: Rows, *, version: str) -> dict[str, Any]:
    """Return ids, labels, columns, colors of the column values, and pieces of composed rows."""
    by_id = dict(zip(rows.ids.tolist(), rows.labels, strict=True))
    return {
        "ids": rows.ids.tolist(),
        "labels": list(rows.labels),
        "columns": {name: list(values) for name, values in rows.columns.items()},
        "colors": {name: group_colors(values) for name, values in rows.columns.items()},
        "watch": list(rows.watch),
        "pieces": {
            str(position): " ".join(by_id.get(piece, f"#{piece}") for piece in pieces)
            for position, pieces in rows.pieces.items()
        },
        "version": version,
    }


def frame_info(
    projection: Projection, key: str, *, scalars: Mapping[str, float], previous_step: int | None
) -> dict[str, Any]:
    """Return the parameters, quality, motion and noise floor of a frame, with values of its analysis."""
    return {
        "method": projection.method,
        "parameters": {name: v for name, v in projection.parameters.items() if name not in _NO_PARAMETERS},
        "random_state": projection.parameters.get("random_state"),
        "axes": projection.axes.tolist(),
        "axes_version": projection.axes_version,
        "basis_version": projection.parameters.get("basis_version"),
        "noise_floor": projection.noise_floor,
        "redrawn": projection.redrawn,
        "trustworthiness": scalars.get(f"{key}/trustworthiness"),
        "continuity": scalars.get(f"{key}/continuity"),
        "motion": scalars.get(f"{key}/motion"),
        "analyzed_against": previous_step,
    }


def rows_without_neighbors(vectors: NDArray[np.floating], distance: Distance) -> dict[str, NDArray[np.intp]]:
    """Return the positions of the rows without neighbors, by reason.

    >>> rows_without_neighbors(np.float32([[3, 4], [0, 0], [np.nan, 1]]), "cosine")
    {'zero': array([1]), 'nonfinite': array([2])}
    """
    finite = is_finite(vectors)
    return {
        "zero": np.flatnonzero(finite & ~usable_rows(vectors, distance)),
        "nonfinite": np.flatnonzero(~finite),
    }


def scalar_series(scalars: Mapping[int, Mapping[str, float]]) -> dict[str, dict[str, list[Any]]]:
    """Convert scalars by step to steps and values by scalar.

    >>> scalar_series({0: {"norm_mean": 1.0}, 5: {"norm_mean": 2.0, "cka": 0.5}})["norm_mean"]
    {'steps': [0, 5], 'values': [1.0, 2.0]}
    """
    found: dict[str, dict[str, list[Any]]] = {}
    for step, values in scalars.items():
        for key, value in values.items():
            series = found.setdefault(key, {"steps": [], "values": []})
            series["steps"].append(step)
            series["values"].append(value)
    return found


def metric_infos() -> dict[str, dict[str, Any]]:
    """Return the range, direction, description in both languages and reference of every metric."""
    return {name: {field: getattr(metric, field) for field in _METRIC_FIELDS} for name, metric in METRICS.items()}
