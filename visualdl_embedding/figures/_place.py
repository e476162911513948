"""Placement of labels on a map without overlaps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Placed", "place_labels"]

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels."""
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_NEAR = (6.0,)
_FAR = (8.0, 18.0, 32.0, 56.0)


@dataclass(frozen=True, slots=True)
class Placed:
    """Label with its position.

    Attributes
    ----------
    row
        Row of the label.
    box
        Box of the text.
    distance
        Distance from its point in pixels; distant labels need a line.
    """

    row: int
    box: Box
    distance: float


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
    tries: int = 300,
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
    tries
        Maximum number of rows of `wanted` to try; limits the time at 100,000 rows.
    unit
        Pixels per hundredth of an inch.
    """
    drawn = points[np.isfinite(points).all(axis=1)]
    boxes = list(taken)
    placed: list[Placed] = []
    for row in always:
        best = _best(points[row], size(row), drawn, boxes, bounds, distances=[unit * d for d in _FAR])
        boxes.append(best.box)
        placed.append(Placed(row, best.box, best.distance))
    labeled = [points[item.row] for item in placed]
    done = {item.row for item in placed}
    left = limit
    for _, row in zip(range(tries), (r for r in wanted if r not in done), strict=False):
        if left == 0:
            break
        point = points[row]
        if any(np.hypot(*(point - other)) < spacing for other in labeled):
            continue
        best = _best(point, size(row), drawn, boxes, bounds, distances=[unit * d for d in _NEAR])
        if best.overlap > 0:
            continue
        boxes.append(best.box)
        labeled.append(point)
        placed.append(Placed(row, best.box, best.distance))
        left -= 1
    return placed


@dataclass(frozen=True, slots=True)
class _Candidate:
    overlap: float
    cost: float
    box: Box
    distance: float


def _best(
    point: NDArray[np.float64],
    size: tuple[float, float],
    drawn: NDArray[np.float64],
    boxes: list[Box],
    bounds: Box,
    *,
    distances: list[float],
) -> _Candidate:
    width, height = size
    reach = max(distances) + max(width, height)
    near = drawn[(np.abs(drawn - point) <= reach).all(axis=1)]
    candidates = []
    for distance in distances:
        for dx, dy in _DIRECTIONS:
            # A diagonal step of the same length would be farther away than a straight one.
            step = distance * (0.75 if dx and dy else 1.0)
            left = point[0] + dx * step - (width, width / 2, 0.0)[dx + 1]
            bottom = point[1] + dy * step - (height, height / 2, 0.0)[dy + 1]
            box = _inside((left, bottom, left + width, bottom + height), bounds)
            moved = abs(box[0] - left) + abs(box[1] - bottom)
            overlap = sum(_overlap(box, other) for other in boxes)
            covered = np.count_nonzero(
                (near[:, 0] > box[0]) & (near[:, 0] < box[2]) & (near[:, 1] > box[1]) & (near[:, 1] < box[3])
            )
            candidates.append(_Candidate(overlap, covered + 0.15 * distance + moved, box, distance))
        if min(c.overlap for c in candidates) == 0:
            break
    return min(candidates, key=lambda c: (c.overlap, c.cost))


def _inside(box: Box, bounds: Box) -> Box:
    left = min(max(box[0], bounds[0]), bounds[2] - (box[2] - box[0]))
    bottom = min(max(box[1], bounds[1]), bounds[3] - (box[3] - box[1]))
    return left, bottom, left + box[2] - box[0], bottom + box[3] - box[1]


def _overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0
