"""Labels on a map, placed without overlaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.figures._fonts import families, shown_text
from visualdl_embedding.figures._plot import INK, Box, map_square

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

__all__ = ["Names", "Placed", "draw_labels", "place_labels"]

_DIRECTIONS = np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)])
# A diagonal step of the same length would be farther away than a straight one.
_STEPS = _DIRECTIONS * np.where(_DIRECTIONS.all(axis=1, keepdims=True), 0.75, 1.0)
_NEAR = (6.0,)
_FAR = (8.0, 18.0, 32.0, 56.0)
MOST_TRIES = 300
"""Maximum number of rows to try to label; limits the time at 100,000 rows."""


class Names:
    """Display names of rows in a picture.

    Parameters
    ----------
    labels
        n labels.
    ids
        n row ids, -1 for a composed row; positions if None.
    counts
        Number of rows at the place of each row, ``(n,)``; more than one is added to the name.
    """

    def __init__(
        self, labels: Sequence[str], ids: Sequence[int] | NDArray[np.int64] | None, counts: NDArray[np.intp]
    ) -> None:
        self._labels = labels
        self._counts = counts
        self._ids = range(len(labels)) if ids is None else ids
        self.replaced: set[int] = set()
        """Rows shown by their id, because a glyph is missing."""

    def __getitem__(self, row: int) -> str:
        return self._name(row) + (f" ×{count:,}" if (count := int(self._counts[row])) > 1 else "")

    def _name(self, row: int) -> str:
        if text := shown_text(self._labels[row], instead=""):
            return text
        self.replaced.add(row)
        number = int(self._ids[row])
        return f"#{number}" if number >= 0 else f"#composed {row}"


class Placed(NamedTuple):
    """Label of a row with the box of its text.

    `overlap` is the area that it shares with other boxes, and `distance` that from its point, in pixels; distant labels
    need a line.
    """

    row: int
    box: Box
    overlap: float
    distance: float


def draw_labels(
    canvas: FigureCanvasAgg,
    pixels: NDArray[np.float64],
    names: Names,
    *,
    watched: Iterable[int],
    wanted: NDArray[np.intp],
    taken: Sequence[Box],
    limit: int,
) -> None:
    """Draw the watched labels in bold, and up to `limit` others where there is free space.

    Rows are at ``(n, 2)`` `pixels`, NaN if not drawn; `taken` are boxes to keep free of labels.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    figure, unit = canvas.figure, canvas.figure.dpi / 100
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    drawn = np.asarray(np.isfinite(pixels).all(axis=1))
    always = [row for row in watched if drawn[row]]
    fonts = {
        True: FontProperties(family=families(), size=12.5, weight="bold"),
        False: FontProperties(family=families(), size=9.5),
    }

    def measure(row: int) -> tuple[float, float]:
        width, height, _ = renderer.get_text_width_height_descent(names[row], fonts[row in always], ismath=False)
        return width + 4 * unit, height + 4 * unit

    # Labels must not cover watched points.
    marks = [(x - 6 * unit, y - 6 * unit, x + 6 * unit, y + 6 * unit) for x, y in pixels[always]]
    left, bottom, side = (figure.dpi * inches for inches in map_square(figure))
    placed = place_labels(
        pixels,
        always,
        (int(row) for row in wanted if drawn[row]),
        size=measure,
        bounds=(left, bottom, left + side, bottom + side),
        taken=[*taken, *marks],
        limit=limit,
        spacing=0.11 * side,
        unit=unit,
    )
    for row, box, _, distance in placed:
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        if distance > 10 * unit:
            ends = zip(pixels[row], (x, y), strict=True)
            figure.add_artist(Line2D(*ends, color=INK, linewidth=0.8, transform=None, zorder=4))
        strong = row in always
        figure.text(
            x,
            y,
            names[row],
            transform=None,
            ha="center",
            va="center",
            fontproperties=fonts[strong],
            color=INK if strong else "#434A59",
            path_effects=[withStroke(linewidth=3.2 if strong else 2.4, foreground="white")],
            parse_math=False,
            zorder=6 if strong else 5,
        )


def place_labels(
    points: NDArray[np.float64],
    always: Iterable[int],
    wanted: Iterable[int],
    *,
    size: Callable[[int], tuple[float, float]],
    bounds: Box,
    taken: Iterable[Box] = (),
    limit: int = 12,
    spacing: float = 80.0,
    unit: float = 1.0,
) -> list[Placed]:
    """Place labels one by one, each where it covers the fewest points.

    Parameters
    ----------
    points
        ``(n, 2)``: pixels of all points; NaN for points not drawn.
    always
        Rows that are always labeled; these overlap as little as possible.
    wanted
        Additional rows, most wanted first; at most `limit` of them are placed.
    size
        Width and height of a row's text in pixels.
    bounds
        Box that contains all labels.
    taken
        Boxes to keep free of labels.
    limit
        Maximum number of labels from `wanted`.
    spacing
        Minimum distance in pixels between labeled points of `wanted`, to spread labels over the map.
    unit
        Pixels per hundredth of an inch.
    """
    drawn = points[np.isfinite(points).all(axis=1)]
    boxes = list(taken)
    placed: list[Placed] = []

    def best(row: int, distances: Sequence[float]) -> Placed:
        found = _candidates(points[row], size(row), drawn, boxes, bounds, [unit * distance for distance in distances])
        overlap, _, box, distance = min(found, key=lambda candidate: candidate[:2])
        return Placed(row, box, overlap, distance)

    def add(label: Placed) -> None:
        boxes.append(label.box)
        placed.append(label)

    for row in always:
        add(best(row, _FAR))
    most = len(placed) + limit
    done = {label.row for label in placed}
    for row in islice((row for row in wanted if row not in done), MOST_TRIES):
        if len(placed) >= most:
            break
        if all(np.hypot(*(points[row] - points[label.row])) >= spacing for label in placed):
            label = best(row, _NEAR)
            if label.overlap <= 0:
                add(label)
    return placed


def _candidates(
    point: NDArray[np.float64],
    size: tuple[float, float],
    drawn: NDArray[np.float64],
    boxes: list[Box],
    bounds: Box,
    distances: list[float],
) -> list[tuple[float, float, Box, float]]:
    """List overlaps, costs, boxes and distances of a label, up to the first distance without an overlap."""
    reach = max(distances) + max(size)
    near = drawn[(np.abs(drawn - point) <= reach).all(axis=1)]
    others = np.array(boxes).reshape(-1, 4)
    found: list[tuple[float, float, Box, float]] = []
    for distance in distances:
        wished = point + distance * _STEPS + (_DIRECTIONS - 1) / 2 * np.array(size)
        low = np.clip(wished, bounds[:2], np.subtract(bounds[2:], size))
        high = low + np.array(size)
        shared = np.minimum(high[:, None], others[:, 2:]) - np.maximum(low[:, None], others[:, :2])
        overlap = shared.clip(min=0).prod(axis=2).sum(axis=1)
        covered = ((near > low[:, None]) & (near < high[:, None])).all(axis=2).sum(axis=1)
        cost = covered + 0.15 * distance + np.abs(low - wished).sum(axis=1)
        sides = map(tuple, np.hstack([low, high]).tolist())
        found.extend(zip(overlap.tolist(), cost.tolist(), sides, [distance] * len(low), strict=True))
        if not overlap.all():
            break
    return found
