"""Alert of a rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from visualdl_embedding.alerts._result import RuleResult
from visualdl_embedding.alerts._rule import SEVERITIES
from visualdl_embedding.core.jsonable import plain

__all__ = ["Alert"]


@dataclass(frozen=True)
class Alert(RuleResult):
    """Event of a rule whose condition begins to hold.

    Attributes
    ----------
    trained_step
        Step of the training when the alert fires; None without a training.
    """

    step: int
    trained_step: int | None = None

    @property
    def computed_step(self) -> int:
        """Step of the analyzed snapshot."""
        return self.step

    @property
    def lag(self) -> str:
        """Sentence about the age of the snapshot; ``""`` without a training."""
        if self.trained_step is None:
            return ""
        ahead = self.trained_step - self.step
        if ahead <= 0:
            return f"Computed on step {self.step}, the current step of the training."
        return f"Computed on step {self.step}; training is now at step {self.trained_step}, {ahead} steps later."

    @property
    def lag_zh(self) -> str:
        """`lag` in Chinese."""
        if self.trained_step is None:
            return ""
        ahead = self.trained_step - self.step
        if ahead <= 0:
            return f"基于第 {self.step} 步（当前训练步）计算。"
        return f"基于第 {self.step} 步计算；训练已进行到第 {self.trained_step} 步，滞后 {ahead} 步。"

    def with_trained_step(self, step: int | None) -> Alert:
        """Return a copy with the current step of the training."""
        return replace(self, trained_step=step)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for strict JSON; NaN and the infinities become None."""
        return {
            "table": self.table,
            "step": int(self.step),
            "rule": self.rule,
            "severity": self.severity,
            "metric": self.metric,
            "value": plain(self.value),
            "threshold": plain(self.threshold),
            "message": self.message,
            "message_zh": self.message_zh,
            "evidence": plain(self.evidence),
            "computed_step": int(self.computed_step),
            "trained_step": plain(self.trained_step),
            "lag": self.lag,
            "lag_zh": self.lag_zh,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Alert:
        """Create an alert from `to_dict`; values that were not finite become NaN.

        Raises
        ------
        ValueError
            If a value is missing or has a wrong type. Unknown keys are ignored.
        """
        trained_step = values.get("trained_step")
        for key, good in (
            *((key, isinstance(values.get(key), str)) for key in ("table", "rule", "metric", "message")),
            *((key, values.get(key) is None or _is_number(values[key])) for key in ("value", "threshold")),
            ("severity", values.get("severity") in SEVERITIES),
            ("step", _is_count(values.get("step"))),
            ("trained_step", trained_step is None or _is_count(trained_step)),
            ("evidence", isinstance(values.get("evidence", {}), Mapping)),
        ):
            if not good:
                raise ValueError(f"These values are not an alert: {key!r} is {values.get(key)!r}.")
        return cls(
            table=values["table"],
            step=values["step"],
            rule=values["rule"],
            severity=values["severity"],
            metric=values["metric"],
            value=_number(values.get("value")),
            threshold=_number(values.get("threshold")),
            message=values["message"],
            message_zh=str(values.get("message_zh", "")),
            evidence=dict(values.get("evidence", {})),
            trained_step=trained_step,
        )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
