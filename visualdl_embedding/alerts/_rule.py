"""Base class of rules: names, validation, and judgments."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from visualdl_embedding.alerts._history import HistoryView
from visualdl_embedding.core.severity import SEVERITIES, Severity
from visualdl_embedding.core.suggest import nearest_labels
from visualdl_embedding.core.text import Text

__all__ = [
    "Judgment",
    "Rule",
    "as_text",
    "check_choice",
    "check_count",
    "check_number",
    "check_text",
    "compare",
    "distinct",
    "matches",
    "sides",
    "unknown",
]


@dataclass(frozen=True)
class Judgment:
    """Result of a rule for one snapshot and one subject.

    Attributes
    ----------
    subject
        Subject of the rule, the same at every snapshot. A rule may have several, such as words, each with its own
        episodes.
    status
        ``"unknown"`` if a value is missing or not finite.
    metric, value, threshold, evidence
        As in `RuleResult`.
    text
        Description of the result.
    """

    subject: str
    status: Literal["holds", "clear", "unknown"]
    metric: str
    value: float
    threshold: float
    text: Text
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rule(ABC):
    """Base class of rules.

    Attributes
    ----------
    for_snapshots
        Number of consecutive snapshots, at least 1, at which the rule must hold before it fires. Snapshots with an
        unknown value neither count nor interrupt the sequence.
    name
        Name, distinct among the rules used together; by default made from the other values.
    severity
        ``"info"``, ``"warning"`` or ``"critical"``.
    tables
        Pattern (``*``, ``?``, ``[…]``) for the names of tables.
    message
        Text that is prepended to the rule's own message.
    """

    kind: ClassVar[str]
    """Kind of the rule in TOML."""

    for_snapshots: int = 1
    name: str = ""
    severity: Severity = "warning"
    tables: str = "*"
    message: str = ""

    def __post_init__(self) -> None:
        check_count("for_snapshots", self.for_snapshots)
        check_choice("severity", self.severity, SEVERITIES)
        check_text("tables", self.tables, "a pattern such as 'encoder.*'")
        for key in ("name", "message"):
            check_text(key, getattr(self, key), "a sentence", empty=True)
        self._validate()
        if not self.name.strip():
            where = "" if self.tables == "*" else f" in {self.tables}"
            object.__setattr__(self, "name", self._default_name() + where)

    @abstractmethod
    def _validate(self) -> None:
        """Raise ValueError or TypeError with a message that begins with the key, for invalid values."""

    def _default_name(self) -> str:
        """Return a name made from the kind; most rules use their values too."""
        return self.kind.replace("_", " ")

    @abstractmethod
    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view; return one judgment per subject."""

    def to_dict(self) -> dict[str, Any]:
        """Return the values as in TOML: ``load_rules({"rule": [rule.to_dict()]})`` restores the rule."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            "kind": self.kind,
            **{k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if v is not None},
        }


def matches(rule: Rule, table: str) -> bool:
    """Whether a rule applies to a table."""
    return rule.tables == table or fnmatchcase(table, rule.tables)


def distinct(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return the rules as a tuple; raise ValueError for equal names, TypeError for an item that is not a rule."""
    found = tuple(rules)
    seen = set()
    for rule in found:
        if not isinstance(rule, Rule):
            raise TypeError(f"rules must be rules such as Above(…), not {type(rule).__name__}.")
        if rule.name in seen:
            raise ValueError(f"Two rules are named {rule.name!r}; rename one of them.")
        seen.add(rule.name)
    return found


def as_text(value: float) -> str:
    """Format a value with four significant digits.

    >>> as_text(0.123456), as_text(20941.0)
    ('0.1235', '20941')
    """
    return f"{value:.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def unknown(
    view: HistoryView, metric: str, threshold: float, *, subject: str = "", why: Text | None = None
) -> Judgment:
    """Return a judgment for a metric without a finite value; `why` replaces the default text."""
    if why is None:
        near = nearest_labels(metric, view.scalars, limit=2)
        hint = f" Nearest here: {', '.join(near)}." if near and metric not in view.scalars else ""
        hint_zh = f"此处最接近的有：{'、'.join(near)}。" if hint else ""
        why = Text(
            f"{metric} has no finite value {view.at[0]}.{hint}",
            f"{view.at[1]}的 {metric} 没有有限的数值。{hint_zh}",
        )
    return Judgment(subject, "unknown", metric, math.nan, threshold, why)


def compare(
    view: HistoryView, metric: str, threshold: float, *, subject: Text, side: Literal["above", "below"] = "above"
) -> Judgment:
    """Judge whether a metric is above or below a threshold; the sentence begins with its `subject`."""
    value = view.value(metric)
    if value is None:
        return unknown(view, metric, threshold)
    holds = value > threshold if side == "above" else value < threshold
    sign, sign_zh = sides(holds, side)
    text = Text(
        f"{subject.en} is {as_text(value)}, {sign} {as_text(threshold)}.",
        f"{subject.zh}为 {as_text(value)}，{sign_zh} {as_text(threshold)}。",
    )
    return Judgment("", "holds" if holds else "clear", metric, value, threshold, text)


def sides(holds: bool, side: Literal["above", "below"] = "above") -> tuple[str, str]:
    """Return ``above`` or ``not above``, or the same with ``below``, in English and in Chinese.

    >>> sides(False)
    ('not above', '不高于')
    """
    word_zh = "高于" if side == "above" else "低于"
    return (side, word_zh) if holds else (f"not {side}", f"不{word_zh}")


def check_number(
    key: str,
    value: Any,
    *,
    low: float = -sys.float_info.max,
    high: float = sys.float_info.max,
    what: str = "a finite number",
    kind: Any = int | float,
) -> None:
    """Check for a number from `low` to `high`; integers in TOML are unbounded."""
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(f"{key} must be {what}, not {value!r}.")
    if not low <= value <= high:
        raise ValueError(f"{key} must be {what}, not {value!r}.")


def check_count(key: str, value: object) -> None:
    """Check for an integer of at least 1."""
    check_number(key, value, low=1, high=math.inf, what="an integer of at least 1", kind=int)


def check_text(key: str, value: object, what: str, *, empty: bool = False) -> None:
    """Check for text, which must not be empty unless `empty`."""
    if not isinstance(value, str):
        raise TypeError(f"{key} must be text, {what}, not {value!r}.")
    if not (empty or value.strip()):
        raise ValueError(f"{key} must be text, {what}, and is empty.")


def check_choice(key: str, value: object, known: Sequence[str]) -> None:
    """Check for one of the known words."""
    if value not in known:
        raise ValueError(f"{key} must be one of {', '.join(map(repr, known))}, not {value!r}.")
