"""Colorings of points, from columns and from results of the analysis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.columns import first_non_number, numbers
from visualdl_embedding.core.suggest import did_you_mean

__all__ = ["DERIVED", "Coloring", "choose_coloring", "column_colorings", "numeric"]

DERIVED = ("norm", "cluster", "agreement", "stability", "trustworthiness")
"""Colorings besides the columns; the last one differs by view."""
MOST_CATEGORIES = 1000
"""Maximum number of groups; a column with more distinct values is free text."""
FEW_NUMBERS = 9
"""Maximum number of distinct integers in a column that are treated as classes rather than as quantities."""


@dataclass(frozen=True)
class Coloring:
    """Values by which n rows are colored, either group names or numbers.

    Attributes
    ----------
    name
        Name of a column or of a result: ``"group"``, ``"frequency"``, ``"norm"``, ``"cluster"``, …
    groups
        n group names, ``""`` for rows without a group; None for numbers.
    values
        ``(n,)`` float64, NaN where unknown; None for group names.
    logarithmic
        Whether the color scale is logarithmic, for numbers that span orders of magnitude, such as frequencies.
    derived
        Whether the group names are generated, such as those of clusters.
    """

    name: str
    groups: tuple[str, ...] | None = None
    values: NDArray[np.float64] | None = None
    logarithmic: bool = False
    derived: bool = False


def column_colorings(columns: Mapping[str, Sequence[str]]) -> dict[str, Coloring]:
    """Return a coloring for each column of group names or numbers; other columns are skipped.

    >>> found = column_colorings({"group": ["a", "b", "a"], "frequency": ["1", "20", ""]})
    >>> found["group"].groups, found["frequency"].values.tolist()
    (('a', 'b', 'a'), [1.0, 20.0, nan])
    """
    found = {}
    for name, cells in columns.items():
        known = Counter(cell for cell in cells if cell)
        if not known:
            continue
        values = numbers(cells)
        finite = values[np.isfinite(values)]
        are_classes = name != "frequency" and len(known) <= FEW_NUMBERS and bool((finite == np.round(finite)).all())
        if first_non_number(cells) is None and len(finite) and not are_classes:
            found[name] = numeric(name, values)
        elif len(known) <= min(MOST_CATEGORIES, max(2, len(cells) // 2)):
            found[name] = Coloring(name, groups=tuple(cells))
    return found


def numeric(name: str, values: NDArray[np.floating]) -> Coloring:
    """Return a coloring by numbers, logarithmic if none is negative and the maximum exceeds 100 times the median.

    The median is that of the positive numbers. Frequencies always have a logarithmic scale.
    """
    known = values[np.isfinite(values)].astype(np.float64)
    wide = (known > 0).any() and known.min() >= 0 and known.max() > 100 * np.median(known[known > 0])
    return Coloring(name, values=values.astype(np.float64), logarithmic=bool(wide or name == "frequency"))


def choose_coloring(colorings: Mapping[str, Coloring], name: str | None) -> str:
    """Return the name of the requested coloring, or the default one if `name` is None.

    The default is the groups of the user, then clusters if they contain most rows, then numbers.

    Raises
    ------
    ValueError
        If there is no such coloring; the message lists the available ones.
    """
    if name is not None:
        if name not in colorings:
            raise ValueError(f"Points cannot be colored by {name!r}; {did_you_mean(name, colorings)}")
        return name
    columns = [key for key, coloring in colorings.items() if coloring.groups and not coloring.derived]
    clusters = next((c.groups for c in colorings.values() if c.derived and c.groups), ())
    mostly = ["cluster"] if 2 * sum(map(bool, clusters)) > len(clusters) else []
    usual = ["group", *columns, *mostly, "frequency", "cluster", "norm", *colorings]
    return next((key for key in usual if key in colorings), "")
