"""Points of a map in 2-D or 3-D."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.figures._colors import NO_GROUP
from visualdl_embedding.figures._fonts import families

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["INK", "QUIET", "Box", "Points", "bin_points", "draw_noise_floor", "draw_points", "map_square"]

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels."""
INK = "#1F2430"
QUIET = "#5B6372"
PAPER = "#F5F6F8"
GRID = "#E1E4EA"
MOST_POINTS = 20_000
"""Maximum number of dots on a map; more dots cover each other at any size, so a density image replaces them."""
BINS = 360
ALONE = 3
"""Maximum number of points in a bin that are drawn as points on top of the density image."""
MOST_DRAWN = 6_000


@dataclass(frozen=True)
class Points:
    """Points to draw.

    Attributes
    ----------
    coordinates
        ``(n, 2)`` or ``(n, 3)``.
    axes
        ``(2, 2)`` or ``(3, 2)``: lower and upper limits.
    colors
        ``(n,)``.
    watched
        Rows drawn larger and on top.
    """

    coordinates: NDArray[np.float64]
    axes: NDArray[np.float32]
    colors: NDArray[np.str_]
    watched: tuple[int, ...]

    @property
    def flat(self) -> bool:
        """Whether the map is 2-D."""
        return bool(self.coordinates.shape[1] == 2)

    @cached_property
    def finite(self) -> NDArray[np.bool_]:
        """``(n,)``: rows with finite coordinates."""
        return np.asarray(np.isfinite(self.coordinates).all(axis=1))

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """``(n,)``: rows with coordinates inside the axes."""
        x = self.coordinates
        return np.asarray(((x >= self.axes[:, 0]) & (x <= self.axes[:, 1])).all(axis=1))

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Drawing order: rows without a group first, the others shuffled, so that no group covers another."""
        shown = np.flatnonzero(self.inside)
        mixed = np.random.default_rng(0).permutation(len(shown))
        return shown[np.lexsort((mixed, self.colors[shown] != NO_GROUP))]

    @property
    def crowded(self) -> bool:
        """Whether there are too many points to draw each in 2-D."""
        return self.flat and int(self.inside.sum()) > MOST_POINTS

    @property
    def deviation(self) -> float:
        """Unit of motions and noise floors: root mean square over the axes of the standard deviations."""
        known = self.coordinates[self.finite]
        return float(np.sqrt(known.var(axis=0).mean())) if len(known) else 0.0


def map_square(figure: Figure) -> tuple[float, float, float]:
    """Left, bottom and side of the map in inches; the rest of the figure is for text."""
    width, height = figure.get_size_inches()
    side = min(height - 1.35, width - 3.05)
    return 0.3, height - 0.8 - side, side


def draw_points(figure: Figure, points: Points) -> NDArray[np.float64]:
    """Draw 2-D points, or 3-D points in perspective.

    Returns
    -------
    ``(n, 2)``: pixels of the points, NaN for those not drawn.
    """
    left, bottom, side = map_square(figure)
    width, height = figure.get_size_inches()
    square = (left / width, bottom / height, side / width, side / height)
    axes: Any = (_plane if points.flat else _space)(figure, points, square)
    order, n = points.order, max(len(points.order), 1)
    # Smaller and more transparent dots for many points.
    size = float(np.clip(620 / np.sqrt(n), 1.5, 44)) * (side / 6.65) ** 2
    dots: dict[str, Any] = {
        "s": size,
        "alpha": float(np.clip(1.32 - 0.165 * np.log10(n), 0.35, 0.9)),
        "linewidths": 0.4 if n <= 3000 else 0.0,
        "edgecolors": "white",
    }
    strong = {"s": max(48.0, 2.2 * size), "edgecolors": INK, "linewidths": 1.5, "zorder": 3}
    if not points.flat:
        strong["depthshade"] = False
    if points.crowded:
        order = order[_draw_density(axes, points)]
    watched = np.array([row for row in points.watched if points.inside[row]], dtype=np.intp)
    for rows, style in ((order, dots), (watched, strong)):
        if len(rows):
            axes.scatter(*points.coordinates[rows].T, c=points.colors[rows].tolist(), **style)
    pixels = np.full((len(points.coordinates), 2), np.nan)
    places = points.coordinates[points.inside]
    if not points.flat:
        from mpl_toolkits.mplot3d import proj3d  # type: ignore[import-untyped]

        axes.apply_aspect()
        places = np.column_stack(proj3d.proj_transform(*places.T, axes.get_proj())[:2])
    pixels[points.inside] = axes.transData.transform(places)
    return pixels


def _plane(figure: Figure, points: Points, square: Box) -> Axes:
    axes = figure.add_axes(square, facecolor=PAPER, xlim=points.axes[0], ylim=points.axes[1], xticks=[], yticks=[])
    axes.spines[:].set_color(GRID)
    return axes


def _space(figure: Figure, points: Points, square: Box) -> Axes:
    from mpl_toolkits.mplot3d.axes3d import Axes3D  # type: ignore[import-untyped]

    axes = figure.add_axes(Axes3D(figure, square, computed_zorder=False))
    for name, limits in zip("xyz", points.axes, strict=True):
        axis = getattr(axes, f"{name}axis")
        getattr(axes, f"set_{name}lim3d")(*limits)
        axis.set_pane_color(PAPER)
        axis.set_ticklabels([])
        axis.line.set_color(GRID)
        axis._axinfo["grid"].update(color=GRID, linewidth=0.7)
        axis._axinfo["tick"].update(inward_factor=0.0, outward_factor=0.0)
    axes.set_box_aspect(None, zoom=1.1)  # type: ignore[call-arg]
    return axes


def _draw_density(axes: Axes, points: Points) -> NDArray[np.intp]:
    """Draw the density image of the points; return the positions of isolated points in the drawing order."""
    from matplotlib.colors import to_rgba_array

    order = points.order
    colors = to_rgba_array(points.colors[order].tolist())[:, :3].astype(np.float32)
    image, alone = bin_points(points.coordinates[order], points.axes, colors)
    (left, right), (bottom, top) = points.axes.tolist()
    ends = (left, right, bottom, top)
    axes.imshow(image, extent=ends, origin="lower", interpolation="bilinear", aspect="auto", zorder=1)
    return alone


def bin_points(
    points: NDArray[np.float64], axes: NDArray[np.float32], colors: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Count points in a grid over the axes.

    Parameters
    ----------
    points
        ``(n, 2)``, inside the axes.
    axes
        ``(2, 2)``: lower and upper limits.
    colors
        ``(n, 3)``, 0 to 1.

    Returns
    -------
    Image, ``(BINS, BINS, 4)`` float32, 0 to 1, lowest row first: the mean color of a bin's points; opacity grows with
    their number. Positions of isolated points, at most 6,000.
    """
    share = (points - axes[:, 0]) / (axes[:, 1] - axes[:, 0])
    across, up = np.clip((share * BINS).astype(np.intp), 0, BINS - 1).T
    bins = up * BINS + across
    counts = np.bincount(bins, minlength=BINS * BINS)
    sums = np.stack([np.bincount(bins, weights=channel, minlength=BINS * BINS) for channel in colors.T], axis=1)
    strength = np.log1p(counts) / np.log1p(max(counts.max(), 1))
    opacity = np.where(counts > 0, 0.12 + 0.88 * strength, 0.0)
    image = np.column_stack([sums / np.maximum(counts, 1)[:, None], opacity])
    alone = np.flatnonzero(counts[bins] <= ALONE)
    if len(alone) > MOST_DRAWN:
        alone = np.sort(np.random.default_rng(0).choice(alone, MOST_DRAWN, replace=False))
    return image.reshape(BINS, BINS, 4).astype(np.float32), alone


def draw_noise_floor(figure: Figure, points: Points, noise_floor: float) -> Box:
    """Draw a circle with the radius of the noise floor in the lower left corner; return its box.

    In 3-D only the text is drawn, because perspective has no uniform scale.
    """
    from matplotlib.patches import Circle

    unit = figure.dpi / 100
    left, bottom, side = (figure.dpi * inches for inches in map_square(figure))
    radius = 0.0
    if points.flat:
        per_unit = side / float(points.axes[0, 1] - points.axes[0, 0])
        radius = min(noise_floor * points.deviation * per_unit, side / 2)
    room = max(radius, 6 * unit)
    x, y = left + 12 * unit + room, bottom + 12 * unit + room
    start = left + 12 * unit
    if points.flat:
        style: dict[str, Any] = {"edgecolor": INK, "facecolor": "none", "linewidth": 1.2, "transform": None}
        figure.add_artist(Circle((x, y), max(radius, 1.0), **style))
        start = x + room + 7 * unit
    words: dict[str, Any] = {"fontsize": 9.5, "color": QUIET, "va": "center_baseline", "transform": None}
    figure.text(start, y, f"noise floor {noise_floor:.2g}", family=families(), **words)
    return left, bottom, start + 115 * unit, y + room + 6 * unit
