"""What a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Metric", "Scope"]

Scope = Literal["snapshot", "pair", "projection", "part", "row"]


@dataclass(frozen=True, slots=True)
class Metric:
    """The record of a metric; nothing that draws or judges a metric needs to know more.

    Attributes
    ----------
    name
        Last part of every scalar key of this metric.
    scope
        What one number belongs to: ``"snapshot"``, a ``"pair"`` of snapshots, a ``"projection"``, a ``"part"`` of the
        rows (a group or a stratum), or a ``"row"``.
    low, high
        Ends of the range; None where it is open.
    higher_is_better
        None where neither direction is good in itself.
    description, description_zh
        One line in English and in Chinese.
    reference
        Paper or page that defines it; ``""`` where the description does.
    per_row
        Whether single rows have a value, so that watched labels get one each.
    """

    name: str
    scope: Scope
    low: float | None
    high: float | None
    higher_is_better: bool | None
    description: str
    description_zh: str
    reference: str = ""
    per_row: bool = False
