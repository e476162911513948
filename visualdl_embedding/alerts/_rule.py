"""What all rules have in common: their name, their checks, and what they say of a snapshot."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal

from visualdl_embedding.alerts._history import HistoryView
from visualdl_embedding.core.suggest import nearest_labels
from visualdl_embedding.core.text import Text

__all__ = [
    "SEVERITIES",
    "Judgment",
    "Rule",
    "Severity",
    "as_text",
    "check_choice",
    "check_count",
    "check_number",
    "check_text",
    "clear_or_holds",
    "distinct",
    "matches",
    "unknown",
]

Severity = Literal["warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning")
"""The most urgent first."""


@dataclass(frozen=True)
class Judgment:
    """What a rule says of one snapshot about one thing it watches.

    Attributes
    ----------
    subject
        What is judged, the same at every snapshot: a rule may watch several words, each with episodes of its own.
    status
        ``"unknown"`` where a value is missing or no finite number.
    metric
        Scalar key, or what stands for one.
    value, threshold
        What was held against what; NaN where unknown.
    text
        The sentence.
    evidence
        Plain values by name.
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
    """Base of all rules.

    Attributes
    ----------
    for_snapshots
        Snapshots in a row, at least 1, for which the rule must hold before it fires. One where its value is unknown
        neither counts nor breaks the row.
    name
        Distinct among the rules used together; made from the other values where empty.
    severity
        ``"warning"`` or ``"critical"``.
    tables
        Pattern (``*``, ``?``, ``[…]``) of the tables that the rule is for.
    message
        The user's own words, put before what the rule found.
    """

    kind: ClassVar[str]
    """What the rule is called in TOML."""

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
        """Raise ValueError or TypeError, beginning with the key, for a value that makes no sense."""

    @abstractmethod
    def _default_name(self) -> str:
        """Name the rule after its values."""

    @abstractmethod
    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Judge the last snapshot of a view; one judgment for each thing that the rule watches."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values with the words of TOML: ``load_rules({"rule": [rule.to_dict()]})`` gives the rule again."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            "kind": self.kind,
            **{k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if v is not None},
        }


def matches(rule: Rule, table: str) -> bool:
    """Whether a rule is for a table."""
    return rule.tables == table or fnmatchcase(table, rule.tables)


def distinct(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return the rules as a tuple.

    Raises
    ------
    ValueError
        If two have one name.
    TypeError
        If something is no rule.
    """
    found = tuple(rules)
    seen = set()
    for rule in found:
        if not isinstance(rule, Rule):
            raise TypeError(f"Rules such as Above(…) are expected, not a {type(rule).__name__}.")
        if rule.name in seen:
            raise ValueError(f"Two rules are named {rule.name!r}; give one of them another name.")
        seen.add(rule.name)
    return found


def as_text(value: float) -> str:
    """Write a number with four significant digits.

    >>> as_text(0.123456), as_text(20941.0)
    ('0.1235', '20941')
    """
    return f"{value:.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def clear_or_holds(holds: bool) -> Literal["holds", "clear"]:
    """Name the status of a condition whose value is known."""
    return "holds" if holds else "clear"


def unknown(
    view: HistoryView, metric: str, threshold: float, *, subject: str = "", why: Text | None = None
) -> Judgment:
    """Judge a metric that has no finite value; `why` replaces the sentence that says so."""
    if why is None:
        near = nearest_labels(metric, view.scalars, limit=2)
        hint = f" Nearest here: {', '.join(near)}." if near and metric not in view.scalars else ""
        hint_zh = f"此处最接近的有：{'、'.join(near)}。" if hint else ""
        why = Text(
            f"{metric} has no finite value {view.at[0]}.{hint}",
            f"{view.at[1]}的 {metric} 没有有限的数值。{hint_zh}",
        )
    return Judgment(subject, "unknown", metric, math.nan, threshold, why)


def check_number(key: str, value: object, *, low: float = -math.inf, high: float = math.inf, what: str = "") -> None:
    """Refuse what is no finite number from `low` to `high`."""
    expected = what or "a finite number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{key} must be {expected}, not {value!r}.")
    # TOML's whole numbers have no end, and beyond 1e308 math.isfinite raises.
    if not -sys.float_info.max <= value <= sys.float_info.max or not low <= value <= high:
        raise ValueError(f"{key} must be {expected}, not {value!r}.")


def check_count(key: str, value: object) -> None:
    """Refuse what is no whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{key} must be a whole number from 1, not {value!r}.")
    if value < 1:
        raise ValueError(f"{key} must be a whole number from 1, not {value!r}.")


def check_text(key: str, value: object, what: str, *, empty: bool = False) -> None:
    """Refuse what is no text, and empty text unless `empty`."""
    if not isinstance(value, str):
        raise TypeError(f"{key} must be text, {what}, not {value!r}.")
    if not (empty or value.strip()):
        raise ValueError(f"{key} must be text, {what}, and is empty.")


def check_choice(key: str, value: object, known: Sequence[str]) -> None:
    """Refuse what is none of the known words."""
    if value not in known:
        raise ValueError(f"{key} must be one of {', '.join(map(repr, known))}, not {value!r}.")
