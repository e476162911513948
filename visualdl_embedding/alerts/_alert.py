"""What an alert is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from visualdl_embedding.alerts._rule import SEVERITIES, Severity
from visualdl_embedding.core.jsonable import plain

__all__ = ["Alert"]


@dataclass(frozen=True)
class Alert:
    """A rule that began to hold.

    Sentences come in English and, under the same name with ``_zh``, in Chinese. They hold labels as they are: whoever
    shows them escapes them.

    Attributes
    ----------
    table, step
        The snapshot that it was computed on.
    rule, severity
        Name of the rule; ``"warning"`` or ``"critical"``.
    metric
        Scalar key, or what stands for one (a drift's p-value).
    value, threshold
        What was held against what.
    message, message_zh
        A sentence or two.
    evidence
        Plain values by name.
    trained_step
        How far training had gone when it was raised; None where nothing was training.
    """

    table: str
    step: int
    rule: str
    severity: Severity
    metric: str
    value: float
    threshold: float
    message: str
    message_zh: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    trained_step: int | None = None

    @property
    def computed_step(self) -> int:
        """The frame that it was computed on."""
        return self.step

    @property
    def lag(self) -> str:
        """A sentence on how old the frame was; ``""`` where nothing was training."""
        if self.trained_step is None:
            return ""
        ahead = self.trained_step - self.step
        if ahead <= 0:
            return f"Computed on step {self.step}, the last one trained."
        return f"Computed on step {self.step}; training has gone on to step {self.trained_step}, {ahead} further."

    @property
    def lag_zh(self) -> str:
        """`lag` in Chinese."""
        if self.trained_step is None:
            return ""
        ahead = self.trained_step - self.step
        if ahead <= 0:
            return f"基于第 {self.step} 步计算，即最新训练到的一步。"
        return f"基于第 {self.step} 步计算；训练已进行到第 {self.trained_step} 步，晚了 {ahead} 步。"

    def with_trained_step(self, step: int | None) -> Alert:
        """Copy it with how far training has gone."""
        return replace(self, trained_step=step)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON; NaN and the infinities become None."""
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
        """Undo `to_dict`; a value or threshold that was not finite comes back as NaN.

        Raises
        ------
        ValueError
            If something is missing or of a wrong kind; keys that are not known are passed over.
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
                raise ValueError(f"This is no alert: its {key!r} is {values.get(key)!r}.")
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
