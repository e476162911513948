"""Colors of groups: the same for all pictures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALONE", "NO_GROUP", "Group", "Groups", "color_groups"]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
"""Okabe and Ito's, those that read best on a light ground first; their black is kept for text."""
OTHERS = "#8A8F99"
NO_GROUP = "#C3C7CE"
USUAL = {
    "#0072B2": ("positive", "pos", "积极", "正面", "褒义"),
    "#D55E00": ("negative", "neg", "消极", "负面", "贬义"),
}
"""Names that readers expect in a certain color; a red "positive" would be misread."""
ALONE = "#0072B2"
"""Where no groups were given: there is nothing to stand out from, and gray would be dull."""


@dataclass(frozen=True, slots=True)
class Group:
    """A line of the legend."""

    name: str
    color: str
    count: int


@dataclass(frozen=True)
class Groups:
    """Groups of a picture.

    Attributes
    ----------
    colors
        ``(n,)`` strings ``"#RRGGBB"``.
    legend
        The largest group first; empty where no groups were given.
    """

    colors: NDArray[np.str_]
    legend: tuple[Group, ...]


def color_groups(groups: Sequence[str] | None, n: int) -> Groups:
    """Give the largest groups colors of their own, the others one gray, and rows without a group a lighter one.

    Parameters
    ----------
    groups
        n names, ``""`` for none; all rows count, drawn or not, so that colors stay as rows come and go.
    n
        Number of rows.
    """
    if groups is None or not any(groups):
        return Groups(np.full(n, ALONE), ())
    counts = Counter(group for group in groups if group)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    own, rest = ranked[: len(COLORS)], ranked[len(COLORS) :]
    color = _own_colors(own) | dict.fromkeys(rest, OTHERS) | {"": NO_GROUP}
    legend = [Group(name, color[name], counts[name]) for name in own]
    if rest:
        name = rest[0] if len(rest) == 1 else f"{len(rest)} other groups"
        legend.append(Group(name, OTHERS, sum(counts[name] for name in rest)))
    without = n - sum(counts.values())
    if without:
        legend.append(Group("no group", NO_GROUP, without))
    return Groups(np.array([color[group] for group in groups]), tuple(legend))


def _own_colors(names: list[str]) -> dict[str, str]:
    """By name, not by size, so that two tables with the same groups agree; but yellow is for few points."""
    color: dict[str, str] = {}
    if len(names) == len(COLORS):
        color[names[-1]] = COLORS[-1]
    rest = sorted(set(names) - set(color))
    for name in rest:
        usual = next((c for c, known in USUAL.items() if name.casefold() in known), None)
        if usual and usual not in color.values():
            color[name] = usual
    free = (c for c in COLORS if c not in color.values())
    return color | {name: next(free) for name in rest if name not in color}
