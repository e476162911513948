"""Text around a map: title, legend, quality, parameters."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from visualdl_embedding.figures._colors import Group, Scale, viridis
from visualdl_embedding.figures._fonts import families, shown_text
from visualdl_embedding.figures._plot import INK, QUIET, map_square

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Panel", "format_numbers", "format_parameters"]

LINE_INCHES = 0.27
CAPTION_COLUMNS_PER_INCH = 16.5
CAPTION_LINES = 2
_WORDS = {"explained_variance": "variance kept", "motion": "motion since last", "kl_divergence": "KL divergence"}


class Panel:
    """Writer of the text around a map. Positions are in inches; the legend is written from the top down."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._width = figure.get_size_inches()[0]
        self._left, self._bottom, self._side = map_square(figure)
        self._start, self._end = self._left + self._side + 0.32, self._width - 0.28
        self._y = self._bottom + self._side - 0.16

    def title(self, title: str, step: int | None) -> None:
        """Draw the title above the map, with the step at its right end."""
        y = self._bottom + self._side + 0.22
        # Without a step, the title may extend over the legend.
        room = self._side if step is not None else self._width - 2 * self._left
        self._text(self._left, y, shown_text(title, instead="map", longest=int(6.2 * room)), size=17, weight="bold")
        if step is not None:
            self._text(self._left + self._side, y, f"step {step:,}", size=17, color=QUIET, ha="right")

    def scale(self, scale: Scale) -> None:
        """Draw a color ramp with its name and limits."""
        from matplotlib.patches import Rectangle

        name = shown_text(scale.name.replace("_", " "), instead="value", longest=22)
        self._text(self._start, self._y, name, size=11, va="center_baseline")
        if not np.isfinite(scale.low):
            self._y -= LINE_INCHES
            return
        ramp = viridis(64)
        step = (self._end - self._start) / len(ramp)
        for i, color in enumerate(ramp):
            # Widen each step slightly to avoid gaps between steps.
            where = (self._start + i * step, self._y - 0.36)
            style: dict[str, Any] = {"color": color, "linewidth": 0, "transform": self._figure.dpi_scale_trans}
            self._figure.add_artist(Rectangle(where, 1.3 * step, 0.16, **style))
        self._y -= 0.52
        self._line(f"{scale.low:,.4g}", f"{scale.high:,.4g}", size=9.5, colors=(QUIET, QUIET))
        self._y -= 0.43 - LINE_INCHES

    def legend(self, groups: tuple[Group, ...]) -> None:
        """List the groups with their counts."""
        from matplotlib.lines import Line2D

        for group in groups:
            style: dict[str, Any] = {
                "color": group.color,
                "linestyle": "none",
                "transform": self._figure.dpi_scale_trans,
            }
            self._figure.add_artist(Line2D([self._start + 0.05], [self._y], marker="o", markersize=8, **style))
            name = shown_text(group.name, instead="group", longest=18)
            self._line(name, f"{group.count:,}", size=11, colors=(INK, QUIET), indent=0.2)
        self._y -= 0.5 * LINE_INCHES if groups else 0.0

    def numbers(self, numbers: Mapping[str, str]) -> None:
        """List names with numbers."""
        for name, value in numbers.items():
            self._line(name, value, size=10, colors=(QUIET, INK))

    def caption(self, text: str) -> None:
        """Draw a small text below the map; long text ends in ``…``."""
        columns = int((self._width - 0.6) * CAPTION_COLUMNS_PER_INCH)
        lines = textwrap.wrap(text, columns, max_lines=CAPTION_LINES, placeholder=" …")
        style: dict[str, Any] = {"size": 8.5, "color": QUIET, "va": "top", "linespacing": 1.5}
        self._text(self._left, self._bottom - 0.12, "\n".join(lines), **style)

    def _line(self, name: str, value: str, *, size: float, colors: tuple[str, str], indent: float = 0.0) -> None:
        self._text(self._start + indent, self._y, name, size=size, color=colors[0], va="center_baseline")
        self._text(self._end, self._y, value, size=size, color=colors[1], va="center_baseline", ha="right")
        self._y -= LINE_INCHES

    def _text(self, x: float, y: float, words: str, **style: Any) -> None:
        usual: dict[str, Any] = {"color": INK, "family": families(), "transform": self._figure.dpi_scale_trans}
        self._figure.text(x, y, words, parse_math=False, **usual | style)


def format_numbers(
    quality: Mapping[str, float], counts: Mapping[str, int], noise_floor: float | None, *, redrawn: bool = False
) -> dict[str, str]:
    """Format metrics and counts.

    >>> format_numbers({"trustworthiness": 0.91234}, {"rows": 500}, None)
    {'trustworthiness': '0.912', 'noise floor': 'not measured', 'rows': '500'}
    """
    words = {}
    for name, value in quality.items():
        if name == "redrawn" or (name == "motion" and redrawn):  # Shown instead of the noise floor.
            continue
        shown = f"{value:.1%}" if name == "explained_variance" else f"{value:.3g}"
        words[_WORDS.get(name, name.replace("_", " "))] = shown
    words["noise floor"] = ("redrawn" if redrawn else "not measured") if noise_floor is None else f"{noise_floor:.2g}"
    return words | {name: f"{count:,}" for name, count in counts.items() if count or name == "rows"}


def format_parameters(parameters: Mapping[str, Any]) -> str:
    """Format the parameters of a projection in one line.

    >>> format_parameters({"perplexity": 30.0, "random_state": 42, "warm": True, "init": None, "distance": "cosine"})
    'perplexity 30 · seed 42 · warm · distance cosine'
    """
    words = []
    for name, value in parameters.items():
        if name == "method" or value is False or not isinstance(value, (int, float, str)):
            continue
        number = "" if value is True else f" {value:.4g}" if isinstance(value, float) else f" {value}"
        words.append(("seed" if name == "random_state" else name.replace("_", " ")) + number)
    return " · ".join(words)
