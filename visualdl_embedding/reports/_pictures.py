"""PNG pictures of views in print resolution."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from visualdl_embedding.figures import render_map
from visualdl_embedding.projection import draw_axes
from visualdl_embedding.reports._figures import view_title

if TYPE_CHECKING:
    from visualdl_embedding.reports._report import Report
    from visualdl_embedding.reports._views import View

__all__ = ["picture"]

DOTS_PER_INCH = 220
LABELS = 28
MARGIN = 0.06
"""Margin around the points, as a fraction of their extent."""


def picture(report: Report, view: View) -> bytes:
    """Draw a view with the coloring of the report as a PNG of 2200 by 1760 pixels."""
    rows = report.snapshot.rows
    name = report.color
    coloring = report.colorings.get(name)
    values = coloring.values if coloring else None
    if name == "trustworthiness":
        values = view.trustworthiness.astype(np.float64)
    # The axes of a run have a margin for later frames, but a report has one frame.
    axes, _ = draw_axes(view.projection.coordinates, margin=MARGIN)
    return render_map(
        replace(view.projection, axes=axes),
        rows.labels,
        groups=coloring.groups if coloring else None,
        values=values,
        values_name=name,
        logarithmic=bool(coloring and coloring.logarithmic),
        watch=rows.watch,
        ids=rows.ids,
        quality={
            key: view.numbers[key]
            for key in ("trustworthiness", "continuity", "explained_variance")
            if key in view.numbers
        },
        representative=report.representative,
        title=f"{view_title(view)} · {report.table.name}",
        annotate=LABELS,
        dpi=DOTS_PER_INCH,
    )
