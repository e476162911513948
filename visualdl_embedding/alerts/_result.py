"""Common part of alerts and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from visualdl_embedding.alerts._rule import Judgment, Rule, Severity
from visualdl_embedding.core.text import Text

__all__ = ["RuleResult"]

Result = TypeVar("Result", bound="RuleResult")


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
        return cls(
            table=table,
            step=step,
            rule=rule.name,
            severity=rule.severity,
            metric=judgment.metric,
            value=judgment.value,
            threshold=judgment.threshold,
            message=text.en,
            message_zh=text.zh,
            evidence=judgment.evidence,
            **more,
        )
