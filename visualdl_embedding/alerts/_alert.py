"""Results of rules: alerts of a training, verdicts of a check."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeVar

from visualdl_embedding.alerts._rule import Judgment, Rule
from visualdl_embedding.core.jsonable import known_fields, plain
from visualdl_embedding.core.severity import SEVERITIES, Severity
from visualdl_embedding.core.text import Text

__all__ = ["STATUSES", "Alert", "RuleResult", "Status", "Verdict"]

Result = TypeVar("Result", bound="RuleResult")
Status = Literal["passed", "failed", "unknown"]
STATUSES: tuple[Status, ...] = ("failed", "unknown", "passed")
"""Order of display."""


@dataclass(frozen=True)
class RuleResult:
    """Result of a rule for a snapshot.

    Texts are in English and, with the suffix ``_zh``, in Chinese. They contain labels without escaping; escape them for
    display.

    Attributes
    ----------
    table, step
        Evaluated snapshot; the step is None for a single snapshot without a step.
    rule, severity
        Name of the rule; ``"info"``, ``"warning"`` or ``"critical"``.
    metric
        Scalar key, or a key for another value (such as the p-value of a drift).
    value, threshold
        Value of the metric, and the threshold it is compared with; NaN if unknown.
    message, message_zh
        One or two sentences.
    evidence
        Plain values by name.
    """

    table: str
    step: int | None
    rule: str
    severity: Severity
    metric: str
    value: float
    threshold: float
    message: str
    message_zh: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls: type[Result], rule: Rule, judgment: Judgment, text: Text, *, table: str, step: int | None, **more: Any
    ) -> Result:
        """Create the result from the judgment of a rule."""
        found = {name: getattr(judgment, name) for name in ("metric", "value", "threshold", "evidence")}
        found |= {"rule": rule.name, "severity": rule.severity, "message": text.en, "message_zh": text.zh}
        return cls(table=table, step=step, **found, **more)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for strict JSON; NaN and infinite values become None."""
        return {name: plain(getattr(self, name)) for name in self.__dataclass_fields__}


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
    def lag(self) -> str:
        """Sentence about the age of the snapshot; ``""`` without a training."""
        return self._lag.en

    @property
    def lag_zh(self) -> str:
        """`lag` in Chinese."""
        return self._lag.zh

    @property
    def _lag(self) -> Text:
        if self.trained_step is None:
            return Text("", "")
        ahead = self.trained_step - self.step
        if ahead <= 0:
            return Text(
                f"Computed from the snapshot of step {self.step}, the current step of the training.",
                f"基于第 {self.step} 步（当前训练步）计算。",
            )
        return Text(
            f"Computed from the snapshot of step {self.step}; training is now at step {self.trained_step}, {ahead} "
            "steps later.",
            f"基于第 {self.step} 步计算；训练已进行到第 {self.trained_step} 步，滞后 {ahead} 步。",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for strict JSON, including ``lag``; NaN and infinite values become None.

        ``computed_step`` equals ``step``; readers of the JSON may use either.
        """
        values = super().to_dict()
        trained_step = values.pop("trained_step")
        more = {"computed_step": values["step"], "trained_step": trained_step, "lag": self.lag, "lag_zh": self.lag_zh}
        return {**values, **more}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Alert:
        """Create an alert from `to_dict`; values that were not finite become NaN.

        ``value``, ``threshold``, ``trained_step``, ``message_zh`` and ``evidence`` may be missing. Unknown keys are
        ignored.

        Raises
        ------
        ValueError
            If another value is missing, or a value has a wrong type.
        """
        known: dict[str, Any] = {"message_zh": "", "evidence": {}}
        known |= known_fields(cls, values)
        for key, good in (
            *((key, isinstance(known.get(key), str)) for key in ("table", "rule", "metric", "message")),
            *((key, _is_none_or_number(known.get(key), int | float)) for key in ("value", "threshold")),
            ("severity", known.get("severity") in SEVERITIES),
            ("step", known.get("step") is not None and _is_none_or_number(known["step"], int)),
            ("trained_step", _is_none_or_number(known.get("trained_step"), int)),
            ("evidence", isinstance(known["evidence"], Mapping)),
        ):
            if not good:
                raise ValueError(f"These values are not an alert: {key!r} is {values.get(key)!r}.")
        for key in ("value", "threshold"):
            known[key] = math.nan if known.get(key) is None else float(known[key])
        return cls(**known | {"message_zh": str(known["message_zh"]), "evidence": dict(known["evidence"])})


@dataclass(frozen=True)
class Verdict(RuleResult):
    """Result of a rule for a run or a model.

    Attributes
    ----------
    status
        ``"passed"``, ``"failed"``, or ``"unknown"`` if a value is missing or not finite.
    """

    status: Status = field(kw_only=True)

    def to_alert(self) -> Alert:
        """Return an alert with the same content, as `run_hook` takes it; a missing step becomes 0."""
        values = {f.name: getattr(self, f.name) for f in fields(RuleResult)}
        return Alert(**values | {"step": self.step or 0})


def _is_none_or_number(value: object, kind: Any) -> bool:
    """Whether a value is None or a number of a type."""
    return value is None or (isinstance(value, kind) and not isinstance(value, bool))
