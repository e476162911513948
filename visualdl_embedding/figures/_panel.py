"""Text around a map: title, legend, quality, parameters."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from visualdl_embedding.figures._fonts import shown_text
from visualdl_embedding.figures._groups import Group
from visualdl_embedding.figures._numbers import Scale, viridis
from visualdl_embedding.figures._plot import INK, QUIET, map_square

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Panel", "format_numbers", "format_parameters"]

LINE_INCHES = 0.27
CAPTION_COLUMNS_PER_INCH = 16.5
CAPTION_LINES = 2
_WORDS = {"explained_variance": "variance kept", "motion": "motion since last", "kl_divergence": "KL divergence"}


@dataclass(frozen=True)
class Panel:
    """Writer of the text around a map; `fonts` are font families, the first with a glyph is used."""

    figure: Figure
    fonts: list[str]

    def title(self, title: str, step: int | None) -> None:
        """Draw the title above the map, with the step at its right end."""
        width, height = self.figure.get_size_inches()
        left, bottom, side, tall = map_square(self.figure)
        y = bottom + tall + 0.22 / height
        # Without a step, the title may extend over the legend.
        room = side if step is not None else 1 - 2 * left
        words = shown_text(title, instead="map", longest=int(6.2 * room * width))
        self._text(left, y, words, size=17, color=INK, weight="bold")
        if step is not None:
            self._text(left + side, y, f"step {step:,}", size=17, color=QUIET, ha="right")

    def scale(self, scale: Scale) -> float:
        """Draw a color ramp with its name and limits; return its height in inches."""
        from matplotlib.patches import Rectangle

        width, height = self.figure.get_size_inches()
        left, bottom, side, tall = map_square(self.figure)
        start, end = left + side + 0.32 / width, 1 - 0.28 / width
        y = bottom + tall - 0.16 / height
        name = shown_text(scale.name.replace("_", " "), instead="value", longest=22)
        self._text(start, y, name, size=11, color=INK, va="center_baseline")
        if not np.isfinite(scale.low):
            return LINE_INCHES
        ramp = viridis(64)
        step = (end - start) / len(ramp)
        for i, color in enumerate(ramp):
            # Widen each step slightly to avoid gaps between steps.
            where = (start + i * step, y - 0.36 / height)
            self.figure.add_artist(Rectangle(where, 1.3 * step, 0.16 / height, color=color, linewidth=0))
        y -= 0.52 / height
        self._text(start, y, f"{scale.low:,.4g}", size=9.5, color=QUIET, va="center_baseline")
        self._text(end, y, f"{scale.high:,.4g}", size=9.5, color=QUIET, ha="right", va="center_baseline")
        return 0.95

    def legend(self, groups: tuple[Group, ...], numbers: Mapping[str, str], *, below: float = 0.0) -> None:
        """List the groups with their counts, and below them names with numbers; `below` is the offset in inches."""
        from matplotlib.lines import Line2D

        width, height = self.figure.get_size_inches()
        left, bottom, side, tall = map_square(self.figure)
        start, end = left + side + 0.32 / width, 1 - 0.28 / width
        y = bottom + tall - (0.16 + below) / height
        step = LINE_INCHES / height
        for group in groups:
            dot = Line2D([start + 0.05 / width], [y], marker="o", markersize=8, color=group.color, linestyle="none")
            self.figure.add_artist(dot)
            name = shown_text(group.name, instead="group", longest=18)
            self._text(start + 0.2 / width, y, name, size=11, color=INK, va="center_baseline")
            self._text(end, y, f"{group.count:,}", size=11, color=QUIET, ha="right", va="center_baseline")
            y -= step
        y -= 0.5 * step if groups else 0.0
        for name, value in numbers.items():
            self._text(start, y, name, size=10, color=QUIET, va="center_baseline")
            self._text(end, y, value, size=10, color=INK, ha="right", va="center_baseline")
            y -= step

    def caption(self, text: str) -> None:
        """Draw a small text below the map; long text ends in ``…``."""
        width, height = self.figure.get_size_inches()
        left, bottom, _, _ = map_square(self.figure)
        columns = int((width - 0.6) * CAPTION_COLUMNS_PER_INCH)
        lines = textwrap.wrap(text, columns, max_lines=CAPTION_LINES, placeholder=" …")
        self._text(left, bottom - 0.12 / height, "\n".join(lines), size=8.5, color=QUIET, va="top", linespacing=1.5)

    def _text(self, x: float, y: float, words: str, *, size: float, color: str, **style: Any) -> None:
        self.figure.text(x, y, words, fontsize=size, color=color, family=self.fonts, parse_math=False, **style)


def format_numbers(
    quality: Mapping[str, float], counts: Mapping[str, int], noise_floor: float | None
) -> dict[str, str]:
    """Format metrics and counts.

    >>> format_numbers({"trustworthiness": 0.91234}, {"rows": 500}, None)
    {'trustworthiness': '0.912', 'noise floor': 'not measured', 'rows': '500'}
    """
    words = {}
    for name, value in quality.items():
        shown = f"{value:.1%}" if name == "explained_variance" else f"{value:.3g}"
        words[_WORDS.get(name, name.replace("_", " "))] = shown
    words["noise floor"] = "not measured" if noise_floor is None else f"{noise_floor:.2g}"
    return words | {name: f"{count:,}" for name, count in counts.items() if count or name == "rows"}


def format_parameters(parameters: Mapping[str, Any]) -> str:
    """Format the parameters of a projection in one line.

    >>> format_parameters({"perplexity": 30.0, "random_state": 42, "init": None, "distance": "cosine"})
    'perplexity 30 · seed 42 · distance cosine'
    """
    return " · ".join(_pairs(parameters))


def _pairs(parameters: Mapping[str, Any]) -> Iterator[str]:
    for name, value in parameters.items():
        if value is None or name == "method" or not isinstance(value, (bool, int, float, str)):
            continue
        words = "seed" if name == "random_state" else name.replace("_", " ")
        if isinstance(value, bool):
            if value:
                yield words
        else:
            yield f"{words} {value:.4g}" if isinstance(value, float) else f"{words} {value}"
