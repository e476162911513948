"""Views as Plotly figures, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.text import html_text
from visualdl_embedding.figures import color_groups, projection_name
from visualdl_embedding.page import neighbor_table
from visualdl_embedding.reports._colors import Coloring, choose_coloring

if TYPE_CHECKING:
    import plotly.graph_objects

    from visualdl_embedding.reports._report import Report
    from visualdl_embedding.reports._views import View

__all__ = ["view_figure", "view_title"]

SHOWN_NEIGHBORS = 5


def plain(text: str) -> str:
    """Escape markup for Plotly and formulas for MathJax.

    >>> plain("<b>$x$</b>")
    '&lt;b&gt;&#36;x&#36;&lt;/b&gt;'
    """
    return html_text(text).replace("$", "&#36;").replace("%", "&#37;").replace("{", "&#123;")


def view_title(view: View) -> str:
    """Return the display name of a view, such as ``"t-SNE, perplexity 30"``."""
    name = projection_name(view.spec.method, view.spec.n_components)
    words = [f"{key.replace('_', ' ')} {value:g}" for key, value in view.spec.parameters.items()]
    if view.spec.repeat:
        words.append(f"seed {view.spec.random_state}")
    return ", ".join([name, *words])


def view_figure(report: Report, view: View, *, color: str | None) -> plotly.graph_objects.Figure:
    """Draw a view; see `Report.figure`."""
    try:
        import plotly.graph_objects as go
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "Figures for notebooks need plotly, which is not installed: pip install 'visualdl-embedding[notebook]'. "
            "Report.write makes a page and pictures without it."
        ) from None

    colorings = {
        **report.colorings,
        "trustworthiness": Coloring("trustworthiness", values=view.trustworthiness.astype(np.float64)),
    }
    coloring = colorings[choose_coloring(colorings, color or report.color)]
    texts = _hover_texts(report)
    scatter = go.Scattergl if view.spec.n_components == 2 else go.Scatter3d
    size = float(np.clip(32 / len(texts) ** 0.25, 2.5, 8))
    traces = []
    for name, rows, marker in _traces(coloring, len(texts)):
        places = view.projection.coordinates[rows].astype(np.float64)
        traces.append(
            scatter(
                dict(zip("xyz", places.T, strict=False)),
                mode="markers",
                name=plain(name),
                text=texts[rows],
                hovertemplate="%{text}<extra></extra>",
                marker={"size": size if view.spec.n_components == 2 else size * 0.6, "opacity": 0.85, **marker},
                showlegend=coloring.groups is not None,
            )
        )
    hidden: dict[str, Any] = {"visible": False}
    numbers = " · ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in view.numbers.items())
    return go.Figure(
        data=traces,
        layout={
            "title": {"text": f"{plain(view_title(view))}<br><sup>{plain(numbers)}</sup>"},
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
    if coloring.groups is None:
        assert coloring.values is not None
        values = coloring.values
        if coloring.logarithmic:
            values = np.log10(np.maximum(values, 0) + 1)
        title = f"log10({coloring.name} + 1)" if coloring.logarithmic else coloring.name
        scale = {"color": values, "colorscale": "Viridis", "showscale": True, "colorbar": {"title": plain(title)}}
        return [(coloring.name, np.arange(n), scale)]
    colors = color_groups(coloring.groups, n)
    found = []
    for group in colors.legend:
        rows = np.flatnonzero(colors.colors == group.color)
        found.append((f"{group.name} ({group.count:,})", rows, {"color": group.color}))
    return found or [("rows", np.arange(n), {"color": colors.colors[0]})]


def _hover_texts(report: Report) -> NDArray[np.object_]:
    rows = report.snapshot.rows
    labels = [plain(label) for label in rows.labels]
    indices, cosines, _ = neighbor_table(report.snapshot, report.analysis)
    groups = rows.columns.get("group")
    texts = []
    for i, label in enumerate(labels):
        lines = [f"<b>{label}</b>  id {rows.ids[i]}" if rows.ids[i] >= 0 else f"<b>{label}</b>  composed"]
        if groups is not None and groups[i]:
            lines.append(f"group {plain(groups[i])}")
        near = zip(indices[i, :SHOWN_NEIGHBORS].tolist(), cosines[i].tolist(), strict=False)
        lines.extend(f"{cosine:.2f}  {labels[j]}" for j, cosine in near if j >= 0)
        texts.append("<br>".join(lines))
    return np.array(texts, dtype=object)
