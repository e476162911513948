"""What points can be colored by."""

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
"""What rows can be colored by besides their columns; the last one is of each view."""
MOST_CATEGORIES = 1000
"""A column with more values is a text of its own for nearly every row, not a grouping."""
FEW_NUMBERS = 9
"""A column of so few different whole numbers holds classes, not quantities."""


@dataclass(frozen=True)
class Coloring:
    """Values of the n rows, either names or numbers.

    Attributes
    ----------
    name
        ``"group"``, ``"frequency"``, ``"norm"``, ``"cluster"``, a column's name, …
    groups
        n names, ``""`` for none; None for numbers.
    values
        ``(n,)`` float64, NaN where unknown; None for names.
    logarithmic
        Whether the numbers span orders of magnitude, as frequencies do.
    derived
        Whether the names are made up here, as those of clusters are.
    """

    name: str
    groups: tuple[str, ...] | None = None
    values: NDArray[np.float64] | None = None
    logarithmic: bool = False
    derived: bool = False


def column_colorings(columns: Mapping[str, Sequence[str]]) -> dict[str, Coloring]:
    """Find out which columns hold names of groups and which hold numbers; others color nothing.

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
        is_numeric = first_non_number(cells) is None and np.isfinite(values).any()
        if is_numeric and (name == "frequency" or not _are_classes(values, known)):
            found[name] = numeric(name, values)
        elif len(known) <= min(MOST_CATEGORIES, max(2, len(cells) // 2)):
            found[name] = Coloring(name, groups=tuple(cells))
    return found


def numeric(name: str, values: NDArray[np.floating]) -> Coloring:
    """Color by numbers; positive ones over more than two orders of magnitude by their logarithm."""
    numbers: NDArray[np.float64] = values.astype(np.float64)
    known = numbers[np.isfinite(numbers)]
    positive = known[known > 0]
    wide = len(positive) > 0 and len(known) > 0 and known.min() >= 0 and known.max() > 100 * np.median(positive)
    return Coloring(name, values=numbers, logarithmic=bool(wide or name == "frequency"))


def choose_coloring(colorings: Mapping[str, Coloring], name: str | None) -> str:
    """Name the coloring that was asked for; without a wish, what tells most.

    That is the user's groups, failing that clusters if most rows lie in one, failing that numbers.

    Raises
    ------
    ValueError
        There is no such coloring; the message names those that there are.
    """
    if name is None:
        groupings = [key for key, coloring in colorings.items() if coloring.groups and not coloring.derived]
        cluster = next((c for c in colorings.values() if c.derived and c.groups), None)
        clustered = cluster is not None and 2 * sum(map(bool, cluster.groups or ())) > len(cluster.groups or ())
        usual = ["group", *groupings, *(["cluster"] if clustered else []), "frequency", "cluster", "norm", *colorings]
        return next((key for key in usual if key in colorings), "")
    if name not in colorings:
        raise ValueError(f"Points cannot be colored by {name!r}; {did_you_mean(name, colorings)}")
    return name


def _are_classes(values: NDArray[np.float64], known: Mapping[str, int]) -> bool:
    finite = values[np.isfinite(values)]
    return len(known) <= FEW_NUMBERS and bool((finite == np.round(finite)).all())
