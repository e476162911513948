"""Page of a report, with the report as a run of one step."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.jsonable import plain
from visualdl_embedding.core.palette import page_palette
from visualdl_embedding.core.text import visible_text
from visualdl_embedding.page import (
    frame_info,
    html_file,
    metric_infos,
    rows_answer,
    rows_without_neighbors,
    scalar_series,
    table_info,
)

if TYPE_CHECKING:
    from visualdl_embedding.reports._report import Report

__all__ = ["page", "page_data"]

FORMAT = 1
"""Version of the data format; the page accepts only this version."""
SHOWN_NEIGHBORS = 15
MOST_PANELS = 4
"""Maximum number of initial panels; other maps can be selected in each panel."""
OF_ROWS = ("norm", "agreement", "stability", "trustworthiness")
"""Colorings that the page represents as row metrics."""


def page(report: Report) -> str:
    """Return the content of ``report.html``; equal reports give equal pages.

    Raises
    ------
    FileNotFoundError
        If the page was not built at installation.
    """
    return html_file(page_data(report), title=f"{report.table.name} · {report.name}")


def page_data(report: Report) -> dict[str, Any]:
    """Return the data of the page as plain values for JSON.

    Control and format characters are escaped in every string, because the page shows text unchanged.
    """
    rows, analysis, step = report.snapshot.rows, report.analysis, report.snapshot.step
    info = table_info(
        report.table,
        n=len(rows),
        distance=analysis.neighbors.distance,
        n_neighbors=analysis.neighbors.n_neighbors,
        projections=list(analysis.projections),
        columns=list(rows.columns),
        watch=rows.watch,
        steps=[step],
        analyzed=[step],
        rows_version=rows.version,
    )
    representative = np.argsort(-report.representative, kind="stable")
    table = {
        "info": info,
        "rows": {**rows_answer(rows, version=rows.version), "representative": representative},
        "scalars": scalar_series({step: analysis.scalars}),
        "alerts": [],
        "steps": [_step(report)],
    }
    content = {
        "format": FORMAT,
        "palette": page_palette(),
        "metrics": metric_infos(),
        "about": _about(report),
        "opening": _opening(report),
        "runs": [{"name": report.name, "curves": {}, "tables": [table]}],
    }
    visible: dict[str, Any] = _visible(plain(content))
    return visible


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible_text(value)
    if isinstance(value, dict):
        return {visible_text(key): _visible(item) for key, item in value.items()}
    return [_visible(item) for item in value] if isinstance(value, list) else value


def _step(report: Report) -> dict[str, Any]:
    analysis, study = report.analysis, report.study
    rows, cosines, distances = (values[:, :SHOWN_NEIGHBORS] for values in report.neighbors)
    of_rows = {**analysis.row_metrics, "agreement": study.agreement, "stability": study.stability}
    frames = {
        key: {
            "info": frame_info(projection, key, scalars=analysis.scalars, previous_step=analysis.previous_step)
            | {"only_here": study.only_here.get(key, [])},
            "components": projection.coordinates.shape[1],
            "values": _packed(projection.coordinates),
        }
        for key, projection in analysis.projections.items()
    }
    return {
        "step": report.snapshot.step,
        "frames": frames,
        "row_metrics": {name: _packed(values) for name, values in of_rows.items() if values is not None},
        "neighbors": {
            "k": rows.shape[1],
            "rows": _packed(rows, "<i4"),
            "cosines": _packed(cosines),
            "distances": None if analysis.neighbors.distance == "cosine" else _packed(distances),
        },
        "unusable": {
            reason: _packed(rows, "<i4")
            for reason, rows in rows_without_neighbors(report.snapshot.vectors, analysis.neighbors.distance).items()
        },
        "clusters": {
            "n_clusters": int(study.clusters.max(initial=-1)) + 1,
            "clusters": _packed(study.clusters, "<i4"),
        },
        "findings": [finding.to_dict() for finding in report.findings],
    }


def _packed(values: NDArray[Any], dtype: str = "<f4") -> str:
    """Encode little-endian bytes as base64, a quarter of the size of JSON."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=dtype).tobytes()).decode("ascii")


def _about(report: Report) -> dict[str, Any]:
    rows, table = report.snapshot.rows, report.table
    distance = report.analysis.neighbors.distance
    seed = report.parameters["random_state"]
    return {
        "title": table.name,
        "facts": [
            report.name,
            f"{len(rows):,} of {table.num_rows:,} rows",
            f"{table.dim:,} dimensions",
            distance,
            f"seed {seed}",
        ],
        "facts_zh": [
            report.name,
            f"{table.num_rows:,} 行中的 {len(rows):,} 行",
            f"{table.dim:,} 维",
            {"cosine": "余弦距离", "euclidean": "欧氏距离"}[distance],
            f"种子 {seed}",
        ],
        "notes": report.notes,
        "counters": report.counters,
        "scalars": report.analysis.scalars,
        "parameters": {**report.parameters, "rows": rows.how},
        "versions": report.versions,
    }


def _opening(report: Report) -> dict[str, Any]:
    shown = [view.key for view in report.views if view.spec.repeat == 0][:MOST_PANELS]
    return {
        "panels": [{"run": report.name, "table": report.table.name, "map": key} for key in shown],
        "color": _color(report),
        "pins": report.snapshot.rows.watch,
    }


def _color(report: Report) -> str:
    """Return the identifier of the coloring on the page; empty if the page has no such coloring."""
    name = report.color
    if name in report.snapshot.rows.columns:
        return name
    derived = name.removesuffix(" (computed)")
    if derived == "cluster":
        return f"cluster:{report.snapshot.step}"
    return f"metric:{derived}" if derived in OF_ROWS else ""
