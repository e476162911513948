"""Points of a map in 2-D or 3-D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.figures._density import MOST_POINTS, bin_points
from visualdl_embedding.figures._groups import NO_GROUP
from visualdl_embedding.figures._place import Box

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["INK", "QUIET", "Points", "draw_noise_floor", "draw_plane", "draw_space", "map_square"]

INK = "#1F2430"
QUIET = "#5B6372"
PAPER = "#F5F6F8"
GRID = "#E1E4EA"


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
    def finite(self) -> NDArray[np.bool_]:
        """``(n,)``: rows with finite coordinates."""
        return np.asarray(np.isfinite(self.coordinates).all(axis=1))

    @property
    def inside(self) -> NDArray[np.bool_]:
        """``(n,)``: rows with coordinates inside the axes."""
        x = self.coordinates
        return np.asarray(((x >= self.axes[:, 0]) & (x <= self.axes[:, 1])).all(axis=1))

    @property
    def order(self) -> NDArray[np.intp]:
        """Drawing order: rows without a group first, the others shuffled, so that no group covers another."""
        shown = np.flatnonzero(self.inside)
        mixed = np.random.default_rng(0).permutation(len(shown))
        return shown[np.lexsort((mixed, self.colors[shown] != NO_GROUP))]

    @property
    def watched_inside(self) -> NDArray[np.intp]:
        """Watched rows that are drawn."""
        inside = self.inside
        return np.array([row for row in self.watched if inside[row]], dtype=np.intp)

    @property
    def crowded(self) -> bool:
        """Whether there are too many points to draw each in 2-D."""
        return self.coordinates.shape[1] == 2 and int(self.inside.sum()) > MOST_POINTS

    @property
    def deviation(self) -> float:
        """Unit of motions and noise floors: root mean square over the axes of the standard deviations."""
        known = self.coordinates[self.finite]
        return float(np.sqrt(known.var(axis=0).mean())) if len(known) else 0.0


def map_square(figure: Figure) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of the map as fractions of the figure; the rest is for text."""
    width, height = figure.get_size_inches()
    side = min(height - 1.35, width - 3.05)
    return 0.3 / width, (height - 0.8 - side) / height, side / width, side / height


def draw_plane(figure: Figure, points: Points) -> NDArray[np.float64]:
    """Draw 2-D points.

    Returns
    -------
    ``(n, 2)``: pixels of the points, NaN for those not drawn.
    """
    axes = figure.add_axes(map_square(figure), facecolor=PAPER)
    axes.set_xlim(*points.axes[0])
    axes.set_ylim(*points.axes[1])
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(GRID)
    order = points.order
    dots = _dots(figure, len(order))
    if points.crowded:
        density = bin_points(points.coordinates[order], points.axes, to_rgb(points.colors[order]))
        (left, right), (bottom, top) = points.axes.tolist()
        ends = (left, right, bottom, top)
        axes.imshow(density.image, extent=ends, origin="lower", interpolation="bilinear", aspect="auto", zorder=1)
        order = order[density.sparse]
    for rows, style in ((order, dots), (points.watched_inside, _strong(dots))):
        x, y = points.coordinates[rows].T
        axes.scatter(x, y, c=points.colors[rows].tolist(), **style)
    pixels = np.full((len(points.coordinates), 2), np.nan)
    inside = points.inside
    pixels[inside] = axes.transData.transform(points.coordinates[inside])
    return pixels


def to_rgb(colors: NDArray[np.str_]) -> NDArray[np.float32]:
    """Convert n strings ``"#RRGGBB"`` to ``(n, 3)`` float32, 0 to 1."""
    names, inverse = np.unique(colors, return_inverse=True)
    values = np.array([[int(name[i : i + 2], 16) / 255 for i in (1, 3, 5)] for name in names], dtype=np.float32)
    return values.reshape(-1, 3)[inverse]


def draw_space(figure: Figure, points: Points) -> NDArray[np.float64]:
    """Draw 3-D points in perspective. Return the same as `draw_plane`."""
    from mpl_toolkits.mplot3d import proj3d  # type: ignore[import-untyped]
    from mpl_toolkits.mplot3d.axes3d import Axes3D  # type: ignore[import-untyped]

    axes = figure.add_axes(Axes3D(figure, map_square(figure), computed_zorder=False))
    assert isinstance(axes, Axes3D)
    axes.set_xlim3d(*points.axes[0])
    axes.set_ylim3d(*points.axes[1])
    axes.set_zlim3d(*points.axes[2])
    axes.set_box_aspect(None, zoom=1.1)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color(PAPER)
        axis.set_ticklabels([])
        axis.line.set_color(GRID)
        axis._axinfo["grid"].update(color=GRID, linewidth=0.7)
        axis._axinfo["tick"].update(inward_factor=0.0, outward_factor=0.0)
    dots = _dots(figure, len(points.order))
    for rows, style in ((points.order, dots), (points.watched_inside, _strong(dots) | {"depthshade": False})):
        if len(rows):
            axes.scatter(*points.coordinates[rows].T, c=points.colors[rows].tolist(), **style)
    axes.apply_aspect()
    pixels = np.full((len(points.coordinates), 2), np.nan)
    inside = points.inside
    across, up, _ = proj3d.proj_transform(*points.coordinates[inside].T, axes.get_proj())
    pixels[inside] = axes.transData.transform(np.column_stack([across, up]))
    return pixels


def draw_noise_floor(figure: Figure, points: Points, noise_floor: float, *, fonts: list[str]) -> Box:
    """Draw a circle with the radius of the noise floor in the lower left corner; return its box.

    In 3-D only the text is drawn, because perspective has no uniform scale.
    """
    from matplotlib.patches import Circle

    unit = figure.dpi / 100
    width, height = figure.canvas.get_width_height()
    left, bottom, share, _ = map_square(figure)
    left, bottom, side = left * width, bottom * height, share * width
    plane = points.coordinates.shape[1] == 2
    radius = 0.0
    if plane:
        per_unit = side / float(points.axes[0, 1] - points.axes[0, 0])
        radius = min(noise_floor * points.deviation * per_unit, side / 2)
    room = max(radius, 6 * unit)
    x, y = left + 12 * unit + room, bottom + 12 * unit + room
    if plane:
        style: dict[str, Any] = {"edgecolor": INK, "facecolor": "white", "linewidth": 1.2, "transform": None}
        figure.add_artist(Circle((x, y), max(radius, 1.0), **style))
    words: dict[str, Any] = {
        "fontsize": 9.5,
        "color": QUIET,
        "family": fonts,
        "va": "center_baseline",
        "transform": None,
    }
    start = x + room + 7 * unit if plane else left + 12 * unit
    figure.text(start, y, f"noise floor {noise_floor:.2g}", **words)
    return left, bottom, start + 115 * unit, y + room + 6 * unit


def _dots(figure: Figure, n: int) -> dict[str, Any]:
    """Size and opacity for n points: smaller and more transparent for many."""
    scale = (map_square(figure)[2] * figure.get_size_inches()[0] / 6.65) ** 2
    return {
        "s": float(np.clip(620 / np.sqrt(max(n, 1)), 1.5, 44)) * scale,
        "alpha": float(np.clip(1.32 - 0.165 * np.log10(max(n, 1)), 0.35, 0.9)),
        "linewidths": 0.4 if n <= 3000 else 0.0,
        "edgecolors": "white",
    }


def _strong(dots: dict[str, Any]) -> dict[str, Any]:
    return {"s": max(48.0, 2.2 * dots["s"]), "edgecolors": INK, "linewidths": 1.5, "zorder": 3}
