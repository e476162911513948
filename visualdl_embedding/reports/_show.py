"""Views of a report as pictures, as Plotly figures and as the output of a notebook cell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.text import html_text
from visualdl_embedding.figures import color_groups, render_map
from visualdl_embedding.projection import draw_axes
from visualdl_embedding.reports._colors import Coloring, choose_coloring

if TYPE_CHECKING:
    import plotly.graph_objects

    from visualdl_embedding.reports._report import Report, View

__all__ = ["picture", "summary_html", "view_figure"]

DOTS_PER_INCH = 220
LABELS = 28
MARGIN = 0.06
"""Margin around the points, as a fraction of their extent."""
SHOWN_NEIGHBORS = 5


def _coloring(report: Report, view: View, name: str) -> Coloring:
    own = Coloring("trustworthiness", values=view.trustworthiness.astype(np.float64))
    colorings = report.colorings | {own.name: own}
    return colorings[choose_coloring(colorings, name)]


def picture(report: Report, view: View) -> bytes:
    """Draw a view with the coloring of the report as a PNG of 2200 by 1760 pixels."""
    rows = report.snapshot.rows
    coloring = _coloring(report, view, report.color)
    # The axes of a run have a margin for later frames, but a report has one frame.
    axes, _ = draw_axes(view.projection.coordinates, margin=MARGIN)
    shown = ("trustworthiness", "continuity", "explained_variance")
    return render_map(
        replace(view.projection, axes=axes),
        rows.labels,
        groups=coloring.groups,
        values=coloring.values,
        values_name=report.color,
        logarithmic=coloring.logarithmic,
        watch=rows.watch,
        ids=rows.ids,
        quality={name: view.numbers[name] for name in shown if name in view.numbers},
        representative=report.representative,
        title=f"{view.title} · {report.table.name}",
        annotate=LABELS,
        dpi=DOTS_PER_INCH,
    )


def summary_html(report: Report) -> str:
    """Return a summary of views and findings as HTML without scripts, with all data escaped."""
    rows, table = report.snapshot.rows, report.table
    views = "".join(
        f"<tr><td>{html_text(view.key)}</td><td style='text-align:left'>{html_text(view.title)}</td>"
        f"<td>{view.numbers.get('trustworthiness', np.nan):.3f}</td>"
        f"<td>{view.numbers.get('continuity', np.nan):.3f}</td></tr>"
        for view in report.views
    )
    findings = "".join(
        f"<li><b>{html_text(finding.title)}</b> {html_text(finding.evidence)}</li>" for finding in report.findings
    )
    notes = "".join(f"<li>{html_text(note)}</li>" for note in report.notes)
    return (
        f"<p><b>{html_text(table.name)}</b> of {html_text(report.name)}: {len(rows):,} of {table.num_rows:,} rows "
        f"({html_text(rows.how)}), {table.dim} dimensions</p>"
        "<table><thead><tr><th>view</th><th></th><th>trustworthiness</th><th>continuity</th></tr></thead>"
        f"<tbody>{views}</tbody></table>"
        + (f"<p>Findings</p><ul>{findings}</ul>" if findings else "<p>No findings.</p>")
        + (f"<p>Notes</p><ul>{notes}</ul>" if notes else "")
    )


def plain(text: str) -> str:
    """Escape markup for Plotly and formulas for MathJax.

    >>> plain("<b>$x$</b>")
    '&lt;b&gt;&#36;x&#36;&lt;/b&gt;'
    """
    return html_text(text).replace("$", "&#36;").replace("%", "&#37;").replace("{", "&#123;")


def view_figure(report: Report, view: View, *, color: str | None) -> plotly.graph_objects.Figure:
    """Draw a view; see `Report.figure`."""
    try:
        import plotly.graph_objects as go
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "Figures for notebooks need plotly, which is not installed: pip install 'visualdl-embedding[notebook]'. "
            "Report.write makes a page and pictures without it."
        ) from None

    coloring = _coloring(report, view, color or report.color)
    texts = _hover_texts(report)
    scatter = go.Scattergl if view.spec.n_components == 2 else go.Scatter3d
    size = float(np.clip(32 / len(texts) ** 0.25, 2.5, 8)) * (1.0 if view.spec.n_components == 2 else 0.6)
    traces = [
        scatter(
            dict(zip("xyz", view.projection.coordinates[rows].astype(np.float64).T, strict=False)),
            mode="markers",
            name=plain(name),
            text=texts[rows],
            hovertemplate="%{text}<extra></extra>",
            marker={"size": size, "opacity": 0.85, **marker},
            showlegend=coloring.groups is not None,
        )
        for name, rows, marker in _traces(coloring, len(texts))
    ]
    hidden: dict[str, Any] = {"visible": False}
    numbers = " · ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in view.numbers.items())
    return go.Figure(
        data=traces,
        layout={
            "title": {"text": f"{plain(view.title)}<br><sup>{plain(numbers)}</sup>"},
            "template": "plotly_white",
            "margin": {"l": 10, "r": 10, "t": 60, "b": 10},
            "xaxis": hidden,
            "yaxis": hidden | {"scaleanchor": "x"},
            "scene": {f"{axis}axis": hidden for axis in "xyz"},
            "legend": {"title": {"text": plain(coloring.name)}, "itemsizing": "constant"},
            "hoverlabel": {"align": "left"},
        },
    )


def _traces(coloring: Coloring, n: int) -> list[tuple[str, NDArray[np.intp], dict[str, Any]]]:
    """Return names, rows and marker colors: one trace per legend entry, or one trace for numbers."""
    if coloring.values is not None:
        values, title = coloring.values, coloring.name
        if coloring.logarithmic:
            values, title = np.log10(np.maximum(values, 0) + 1), f"log10({title} + 1)"
        scale = {"color": values, "colorscale": "Viridis", "showscale": True, "colorbar": {"title": plain(title)}}
        return [(coloring.name, np.arange(n), scale)]
    colors, legend = color_groups(coloring.groups, n)
    return [
        (f"{group.name} ({group.count:,})", np.flatnonzero(colors == group.color), {"color": group.color})
        for group in legend
    ]


def _hover_texts(report: Report) -> NDArray[np.object_]:
    rows = report.snapshot.rows
    labels = [plain(label) for label in rows.labels]
    indices, cosines, _ = report.neighbors
    groups = rows.columns.get("group", [""] * len(labels))
    texts = []
    for i, label in enumerate(labels):
        lines = [f"<b>{label}</b>  id {rows.ids[i]}" if rows.ids[i] >= 0 else f"<b>{label}</b>  composed"]
        lines += [f"group {plain(groups[i])}"] if groups[i] else []
        near = zip(indices[i, :SHOWN_NEIGHBORS].tolist(), cosines[i].tolist(), strict=False)
        lines += [f"{cosine:.2f}  {labels[j]}" for j, cosine in near if j >= 0]
        texts.append("<br>".join(lines))
    return np.array(texts, dtype=object)
