"""Color scale for numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.figures._groups import NO_GROUP

__all__ = ["Scale", "color_numbers", "viridis"]


@dataclass(frozen=True)
class Scale:
    """Numbers as colors.

    Attributes
    ----------
    colors
        ``(n,)`` strings ``"#RRGGBB"``; gray for values that are not finite.
    name
        Name of the values.
    low, high
        Values at the two ends: the 1st and the 99th percentile, so that outliers do not compress the scale.
    """

    colors: NDArray[np.str_]
    name: str
    low: float
    high: float


@cache
def viridis(steps: int = 256) -> tuple[str, ...]:
    """Return matplotlib's viridis from dark to bright: perceptually uniform, also with color blindness."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return tuple(to_hex(color) for color in colormaps["viridis"](np.linspace(0, 1, steps)))


def color_numbers(values: NDArray[np.floating], name: str, *, logarithmic: bool = False) -> Scale:
    """Map numbers to colors.

    Parameters
    ----------
    values
        ``(n,)``, NaN for unknown.
    name
        Name of the values.
    logarithmic
        Whether to use a logarithmic scale; values must then be at least 0.
    """
    known = np.isfinite(values)
    if not known.any():
        return Scale(np.full(len(values), NO_GROUP), name, np.nan, np.nan)
    low, high = (float(end) for end in np.percentile(values[known], [1, 99]))
    place = np.log1p if logarithmic else np.asarray
    span = place(high) - place(low)
    filled = np.clip(np.where(known, values, low), low, high)
    share = (place(filled) - place(low)) / span if span > 0 else np.full(len(values), 0.5)
    ramp = np.array(viridis())
    colors = np.where(known, ramp[np.round(share * (len(ramp) - 1)).astype(np.intp)], NO_GROUP)
    return Scale(colors, name, low, high)
