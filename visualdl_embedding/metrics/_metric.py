"""Record of a metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Metric", "Scope"]

Scope = Literal["snapshot", "pair", "projection", "part", "row"]


@dataclass(frozen=True, slots=True)
class Metric:
    """Record of a metric, sufficient for display and evaluation.

    Attributes
    ----------
    name
        Last part of the metric's scalar keys.
    scope
        Subject of a value: ``"snapshot"``, a ``"pair"`` of snapshots, a ``"projection"``, a ``"part"`` of the rows (a
        group or a stratum), or a ``"row"``.
    low, high
        Limits of the range; None for an open end.
    higher_is_better
        None if neither direction is better.
    description, description_zh
        One line in English and in Chinese.
    reference
        Paper or page with the definition; ``""`` if the description is sufficient.
    per_row
        Whether single rows have values, which are recorded for watched labels.
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
