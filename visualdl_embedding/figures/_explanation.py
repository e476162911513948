"""Picture of a recommendation: its cosine with each item of the history, among all items."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.figures._fonts import families, shown_text, without_findfont_lines
from visualdl_embedding.figures._plot import INK, QUIET

__all__ = ["render_relations"]

HIGHLIGHT = "#2932E1"
FILL = "#C9CDD6"
ROW_INCHES = 0.62


@without_findfont_lines()
def render_relations(
    item: str,
    names: Sequence[str],
    *,
    cosines: Sequence[float],
    histograms: Sequence[NDArray[np.int64]],
    notes: Sequence[str],
    title: str,
    dpi: int = 160,
) -> bytes:
    """Draw the distribution of all items' cosines with each item of the history, and mark the recommended item.

    Parameters
    ----------
    item
        Name of the recommended item.
    names
        Names of the m items of the history.
    cosines
        m cosines of the item with each of them.
    histograms
        m arrays of counts over equal bins from -1 to 1.
    notes
        m short texts at the right edge.
    title
        Title of the picture.
    dpi
        Dots per inch.

    Returns
    -------
    A PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.1 + ROW_INCHES * len(names)), dpi=dpi, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    words: dict[str, Any] = {"family": families(), "color": INK, "parse_math": False}
    filled = np.flatnonzero(np.sum(histograms, axis=0))
    width = 2 / len(histograms[0])
    low = min(float(filled[0]) * width - 1, *cosines) - 0.03
    high = max(float(filled[-1] + 1) * width - 1, *cosines) + 0.03
    edge = high + 0.18 * (high - low)
    for i, (name, cosine, histogram) in enumerate(zip(names, cosines, histograms, strict=True)):
        # Use wider bins for drawing than for the statistics.
        coarse = histogram.reshape(-1, 20).sum(axis=1)
        middle = (np.arange(len(coarse)) + 0.5) * (2 / len(coarse)) - 1
        base = len(names) - 1 - i
        axes.fill_between(middle, base, base + 0.75 * coarse / max(1, int(coarse.max())), color=FILL, linewidth=0)
        axes.plot([cosine, cosine], [base, base + 0.8], color=HIGHLIGHT, linewidth=2)
        shown = shown_text(name, instead=f"#{i + 1}", longest=36)
        axes.text(low, base + 0.78, shown, fontsize=9, va="top", **words)
        axes.text(edge, base + 0.78, notes[i], fontsize=8, color=QUIET, va="top", ha="right")
    axes.set(xlim=(low, edge), ylim=(-0.05, len(names)), yticks=[])
    axes.set_xlabel("cosine", fontsize=9, color=QUIET)
    axes.tick_params(colors=QUIET, labelsize=8)
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(FILL)
    axes.set_title(f"{shown_text(item, instead='item', longest=48)}\n{title}", fontsize=10, loc="left", **words)
    png = io.BytesIO()
    canvas.print_png(png)  # type: ignore[no-untyped-call]
    return png.getvalue()
