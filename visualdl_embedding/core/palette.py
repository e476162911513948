"""Colors of groups, shared by the page, the pictures and the reports."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Any

__all__ = ["ALONE", "GROUPS", "NO_GROUP", "OTHERS", "group_colors", "page_palette"]

GREEN, VERMILLION, GRAY = "#009E73", "#D55E00", "#7F8791"
GROUPS = (
    "#0072B2", "#E69F00", GREEN, "#CC79A7", "#56B4E9", VERMILLION, "#B8A800",
    "#7F5BBF", "#8C564B", "#3C9D9B", "#A3485B", "#6E8B3D",
)  # fmt: skip
"""Colors of Okabe and Ito first, with a yellow dark enough for a white background; black is reserved for text."""
OKABE_ITO = 7
EXPECTED = {
    GREEN: ("positive", "pos", "积极", "正面", "正向", "褒义", "好评"),
    VERMILLION: ("negative", "neg", "消极", "负面", "负向", "贬义", "差评"),
    GRAY: ("neutral", "neu", "中性", "中立", "中评"),
}
"""Conventional colors of sentiment groups; a red "positive" is easily misread."""
OTHERS = "#A89F91"
"""Shared color of the groups beyond the largest ``len(GROUPS)``."""
NO_GROUP = {"light": "#C3C7CE", "dark": "#55585F"}
"""Color of rows without a group, for light and dark backgrounds."""
ALONE = {"light": "#0072B2", "dark": "#56B4E9"}
"""Color of all rows of a table without groups, for light and dark backgrounds."""


def group_colors(values: Iterable[str]) -> dict[str, str]:
    """Assign distinct colors to the largest groups; `values` are the groups of the rows, ``""`` for none.

    Colors depend on the names, so two tables with the same few groups have the same colors.

    Returns
    -------
    Colors ``"#RRGGBB"`` by group, largest first; at most ``len(GROUPS)``. Other groups share `OTHERS`.

    References
    ----------
    Okabe and Ito 2008, "Color universal design": colors for color-blind readers.

    Examples
    --------
    >>> group_colors(["negative", "negative", "积极", "", "other"])
    {'negative': '#D55E00', 'other': '#0072B2', '积极': '#009E73'}
    """
    counts = Counter(value for value in values if value)
    names = sorted(counts, key=lambda name: (-counts[name], name))[: len(GROUPS)]
    color: dict[str, str] = {}
    for name in sorted(names):
        expected = _expected(name)
        if expected and expected not in color.values():
            color[name] = expected
    free = [hue for hue in GROUPS if hue not in color.values()]
    rest = [name for name in names if name not in color]
    # The largest groups get the colors of Okabe and Ito, which are easiest to distinguish.
    clearest = len(set(free) & set(GROUPS[:OKABE_ITO]))
    ordered = sorted(rest[:clearest]) + sorted(rest[clearest:])
    color.update(zip(ordered, free, strict=False))
    return {name: color[name] for name in names}


def page_palette() -> dict[str, Any]:
    """Return the default colors as plain values for the page."""
    return {"groups": list(GROUPS), "others": OTHERS, "no_group": NO_GROUP, "alone": ALONE}


def _expected(name: str) -> str | None:
    plain = unicodedata.normalize("NFKC", name).strip().casefold()
    return next((color for color, names in EXPECTED.items() if plain in names), None)
