"""Page of a report, with the report as a run of one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from visualdl_embedding.page import Moment, html_file, inline_run, inlined

if TYPE_CHECKING:
    from visualdl_embedding.reports._report import Report

__all__ = ["page", "page_data"]

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
    """Return the data of the page."""
    study = report.study
    only_here: dict[str, list[Any]] = {}
    for doubt in study.doubtful:
        only_here.setdefault(doubt.view, []).append(doubt.rows)
    of_rows = {"agreement": study.agreement, "stability": study.stability}
    moment = Moment(
        report.snapshot,
        report.analysis,
        findings=[finding.to_dict() for finding in report.findings],
        clusters=study.clusters,
        row_metrics={name: values for name, values in of_rows.items() if values is not None},
        only_here=only_here,
    )
    run = inline_run(
        report.name,
        report.table,
        [moment],
        representative=np.argsort(-report.representative, kind="stable"),
    )
    return inlined([run], about=_about(report), opening=_opening(report))


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
        "notes": list(report.notes),
        "counters": dict(report.counters),
        "scalars": dict(report.analysis.scalars),
        "parameters": {**report.parameters, "rows": rows.how},
        "versions": dict(report.versions),
    }


def _opening(report: Report) -> dict[str, Any]:
    shown = [view.key for view in report.views if view.spec.repeat == 0][:MOST_PANELS]
    return {
        "panels": [{"run": report.name, "table": report.table.name, "map": key} for key in shown],
        "color": _color(report),
        "pins": list(report.snapshot.rows.watch),
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
