"""Groups of a picture: the color of each row, and the legend."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core import palette

__all__ = ["ALONE", "NO_GROUP", "Group", "Groups", "color_groups"]

ALONE = palette.ALONE["light"]
NO_GROUP = palette.NO_GROUP["light"]


@dataclass(frozen=True, slots=True)
class Group:
    """Entry of the legend."""

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
        Largest group first; empty without groups.
    """

    colors: NDArray[np.str_]
    legend: tuple[Group, ...]


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
        return Groups(np.full(n, ALONE), ())
    counts = Counter(group for group in groups if group)
    own = palette.group_colors(groups)
    rest = sorted((name for name in counts if name not in own), key=lambda name: (-counts[name], name))
    color = own | dict.fromkeys(rest, palette.OTHERS) | {"": NO_GROUP}
    legend = [Group(name, color[name], counts[name]) for name in own]
    if rest:
        name = rest[0] if len(rest) == 1 else f"{len(rest)} other groups"
        legend.append(Group(name, palette.OTHERS, sum(counts[name] for name in rest)))
    without = n - sum(counts.values())
    if without:
        legend.append(Group("no group", NO_GROUP, without))
    return Groups(np.array([color[group] for group in groups]), tuple(legend))
