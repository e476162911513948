"""Formatting of numbers and labels in findings."""

from __future__ import annotations

from collections.abc import Sequence

from visualdl_embedding.core.text import Text

__all__ = ["name_some", "percent", "rounded"]


def rounded(value: float) -> str:
    """Format with three significant digits, without an exponent for large numbers.

    >>> rounded(0.12345), rounded(20941.0), rounded(0.00001234), rounded(7.0)
    ('0.123', '20,941', '1.23e-05', '7')
    """
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(share: float) -> str:
    """Format a share as a percentage.

    >>> percent(0.5), percent(0.0123), percent(0.00004)
    ('50%', '1.2%', '<0.1%')
    """
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{100 * share:.0f}%" if share >= 0.1 or share == 0 else f"{100 * share:.1f}%"


def name_some(labels: Sequence[str], limit: int = 5) -> Text:
    """List the first few labels and count the others.

    >>> name_some(["一", "二", "三"], 2)
    Text(en='一, 二 and 1 more', zh='一、二 等 3 个')
    """
    shown = list(labels[:limit])
    if len(labels) <= limit:
        return Text(", ".join(shown), "、".join(shown))
    return Text(f"{', '.join(shown)} and {len(labels) - limit:,} more", f"{'、'.join(shown)} 等 {len(labels):,} 个")
