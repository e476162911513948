"""Colors of the points of a picture: by group with a legend, or by number with a scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core import palette

__all__ = ["ALONE", "NO_GROUP", "Group", "Groups", "Scale", "color_groups", "color_numbers", "viridis"]

ALONE = palette.ALONE["light"]
NO_GROUP = palette.NO_GROUP["light"]


@dataclass(frozen=True, slots=True)
class Group:
    """Entry of the legend."""

    name: str
    color: str
    count: int


class Groups(NamedTuple):
    """``(n,)`` colors ``"#RRGGBB"``, and the legend: largest group first, empty without groups."""

    colors: NDArray[np.str_]
    legend: tuple[Group, ...] = ()


class Scale(NamedTuple):
    """``(n,)`` colors ``"#RRGGBB"`` of numbers, gray for values that are not finite.

    `low` and `high` are the values at the two ends: the 1st and the 99th percentile, so that outliers do not compress
    the scale.
    """

    colors: NDArray[np.str_]
    name: str
    low: float = np.nan
    high: float = np.nan


def color_groups(groups: Sequence[str] | None, n: int) -> Groups:
    """Assign distinct colors to the largest groups, gray to the others, and light gray to rows without a group.

    Parameters
    ----------
    groups
        n names, ``""`` for none. Rows that are not drawn count too, so that colors do not depend on them.
    n
        Number of rows.
    """
    if groups is None or not any(groups):
        return Groups(np.full(n, ALONE))
    counts = Counter(group for group in groups if group)
    color = palette.group_colors(groups)
    legend = [Group(name, color[name], counts[name]) for name in color]
    if rest := counts.keys() - color.keys():
        name = next(iter(rest)) if len(rest) == 1 else f"{len(rest)} other groups"
        legend.append(Group(name, palette.OTHERS, sum(counts[name] for name in rest)))
    if without := n - counts.total():
        legend.append(Group("no group", NO_GROUP, without))
    return Groups(
        np.array([color.get(group, palette.OTHERS) if group else NO_GROUP for group in groups]), tuple(legend)
    )


@cache
def viridis(steps: int = 256) -> tuple[str, ...]:
    """Return matplotlib's viridis from dark to bright: perceptually uniform, also with color blindness."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return tuple(map(to_hex, colormaps["viridis"](np.linspace(0, 1, steps))))


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
        return Scale(np.full(len(values), NO_GROUP), name)
    low, high = (float(end) for end in np.percentile(values[known], [1, 99]))
    place = np.log1p if logarithmic else np.asarray
    span = place(high) - place(low)
    filled = np.clip(np.where(known, values, low), low, high)
    share = (place(filled) - place(low)) / span if span > 0 else np.full(len(values), 0.5)
    ramp = np.array(viridis())
    colors = np.where(known, ramp[np.round(share * (len(ramp) - 1)).astype(np.intp)], NO_GROUP)
    return Scale(colors, name, low, high)
