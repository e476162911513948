"""Labels on a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.figures._fonts import shown_text
from visualdl_embedding.figures._place import Box, place_labels
from visualdl_embedding.figures._plot import INK, map_square

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

__all__ = ["Names", "draw_labels"]


class Names:
    """Display names of rows in a picture.

    Parameters
    ----------
    labels
        n labels.
    ids
        n row ids, -1 for a composed row; positions if None.
    """

    def __init__(self, labels: Sequence[str], ids: Sequence[int] | NDArray[np.int64] | None) -> None:
        self._labels = labels
        self._ids = ids
        self.replaced: set[int] = set()
        """Rows shown by their id, because a glyph is missing."""

    def __getitem__(self, row: int) -> str:
        text = shown_text(self._labels[row], instead="")
        if text:
            return text
        self.replaced.add(row)
        number = row if self._ids is None else int(self._ids[row])
        return f"#{number}" if number >= 0 else f"#composed {row}"


def draw_labels(
    canvas: FigureCanvasAgg,
    pixels: NDArray[np.float64],
    names: Names,
    *,
    watched: Sequence[int],
    wanted: NDArray[np.intp],
    taken: Sequence[Box],
    limit: int,
    fonts: list[str],
) -> None:
    """Draw the watched labels in bold, and up to `limit` others where there is free space.

    Parameters
    ----------
    canvas
        Canvas of a figure with its points.
    pixels
        ``(n, 2)``: pixel positions; NaN for points not drawn.
    names
        Display names.
    watched, wanted
        Row numbers.
    taken
        Boxes to keep free of labels.
    limit
        Maximum number of labels from `wanted`.
    fonts
        Font families.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    figure, unit = canvas.figure, canvas.figure.dpi / 100
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    drawn = np.asarray(np.isfinite(pixels).all(axis=1))
    always = [row for row in watched if drawn[row]]
    strong = set(always)
    bold = FontProperties(family=fonts, size=12.5, weight="bold")
    plain = FontProperties(family=fonts, size=9.5)

    def measure(row: int) -> tuple[float, float]:
        font = bold if row in strong else plain
        width, height, _ = renderer.get_text_width_height_descent(names[row], font, ismath=False)
        return width + 4 * unit, height + 4 * unit

    # Labels must not cover watched points.
    points = [tuple(pixels[row]) for row in always]
    marks = [(x - 6 * unit, y - 6 * unit, x + 6 * unit, y + 6 * unit) for x, y in points]
    left, bottom, width, height = map_square(figure)
    across, up = canvas.get_width_height()
    placed = place_labels(
        pixels,
        always,
        (int(row) for row in wanted if drawn[row]),
        size=measure,
        bounds=(left * across, bottom * up, (left + width) * across, (bottom + height) * up),
        taken=[*taken, *marks],
        limit=limit,
        spacing=0.11 * width * across,
        unit=unit,
    )
    for item in placed:
        x, y = (item.box[0] + item.box[2]) / 2, (item.box[1] + item.box[3]) / 2
        point = pixels[item.row]
        if item.distance > 10 * unit:
            line = Line2D([point[0], x], [point[1], y], color=INK, linewidth=0.8, transform=None, zorder=4)
            figure.add_artist(line)
        watched_here = item.row in strong
        figure.text(
            x,
            y,
            names[item.row],
            transform=None,
            ha="center",
            va="center",
            fontproperties=bold if watched_here else plain,
            color=INK if watched_here else "#434A59",
            path_effects=[withStroke(linewidth=3.2 if watched_here else 2.4, foreground="white")],
            parse_math=False,
            zorder=6 if watched_here else 5,
        )
