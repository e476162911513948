"""Small histories, alerts and verdicts for the tests of alerts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from visualdl_embedding.alerts import Alert, History, Verdict
from visualdl_embedding.drift import Direction


def curve(key: str, values: Sequence[float | None], *, table: str = "word") -> History:
    """One scalar at steps 0, 100, …; None where it is missing."""
    return History.of(table, {100 * i: {} if v is None else {key: v} for i, v in enumerate(values)})


def up_to(history: History, n: int) -> History:
    return History(history.table, history.steps[:n], history.scalars[:n], history.evidence)


def make_alert(**changes: Any) -> Alert:
    values: dict[str, Any] = {
        "table": "encoder.word",
        "step": 300,
        "rule": "mean_cosine above 0.8",
        "severity": "warning",
        "metric": "mean_cosine",
        "value": 0.9,
        "threshold": 0.8,
        "message": "mean_cosine is 0.9, above 0.8.",
        "message_zh": "mean_cosine 为 0.9，高于 0.8。",
        "evidence": {"before": 0.5},
    }
    return Alert(**{**values, **changes})


def make_verdict(**changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "table": "encoder.word",
        "step": 300,
        "rule": "mean_cosine above 0.8",
        "severity": "warning",
        "status": "failed",
        "metric": "mean_cosine",
        "value": 0.9,
        "threshold": 0.8,
        "message": "mean_cosine is 0.9, above 0.8.",
        "message_zh": "mean_cosine 为 0.9，高于 0.8。",
    }
    return Verdict(**{**values, **changes})


def moved(
    label: str,
    p_value: float,
    *,
    group: str = "negative",
    share: tuple[float, float] = (0.1, 0.6),
    lean: tuple[float, float] = (math.nan, math.nan),
    smallest_p: float | None = None,
) -> Direction:
    return Direction(label, group, *share, *lean, p_value, p_value, False, smallest_p)
