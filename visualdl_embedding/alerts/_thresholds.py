"""Rules for one metric: above, below, changing."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

from visualdl_embedding.alerts._history import HistoryView, finite
from visualdl_embedding.alerts._metric_key import check_metric
from visualdl_embedding.alerts._rule import (
    Judgment,
    Rule,
    as_text,
    check_choice,
    check_count,
    check_number,
    clear_or_holds,
    unknown,
)
from visualdl_embedding.core.text import Text

__all__ = ["Above", "Below", "Changes"]

_DIRECTIONS = ("any", "up", "down")


@dataclass(frozen=True)
class _Limit(Rule):
    """A metric on the wrong side of a value."""

    words: ClassVar[tuple[str, str]]
    is_beyond: ClassVar[Callable[[float, float], bool]]

    metric: str
    value: float

    def _validate(self) -> None:
        check_metric("metric", self.metric)
        check_number("value", self.value)

    def _default_name(self) -> str:
        return f"{self.metric} {self.words[0]} {as_text(self.value)}"

    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view."""
        value = view.value(self.metric)
        if value is None:
            return (unknown(view, self.metric, self.value),)
        holds = type(self).is_beyond(value, self.value)
        (word, word_zh), (no, no_zh) = self.words, ("", "") if holds else ("not ", "不")
        now, limit = as_text(value), as_text(self.value)
        text = Text(
            f"{self.metric} is {now}, {no}{word} {limit}.", f"{self.metric} 为 {now}，{no_zh}{word_zh} {limit}。"
        )
        return (Judgment("", clear_or_holds(holds), self.metric, value, self.value, text),)


@dataclass(frozen=True)
class Above(_Limit):
    """Fires if a metric is above a value.

    Attributes
    ----------
    metric
        Scalar key: ``"mean_cosine"``, ``"tsne/trustworthiness"``, ``"watch/加息/displacement"``, …
    value
        Upper limit of the metric.

    Examples
    --------
    >>> Above("mean_cosine", 0.8, for_snapshots=3).name
    'mean_cosine above 0.8'
    """

    kind: ClassVar[str] = "above"
    words: ClassVar[tuple[str, str]] = ("above", "高于")
    is_beyond: ClassVar[Callable[[float, float], bool]] = operator.gt


@dataclass(frozen=True)
class Below(_Limit):
    """Fires if a metric is below a value.

    Attributes
    ----------
    metric
        Scalar key: ``"effective_rank"``, ``"tsne/trustworthiness"``, ``"watch/加息/neighbor_overlap"``, …
    value
        Lower limit of the metric.
    """

    kind: ClassVar[str] = "below"
    words: ClassVar[tuple[str, str]] = ("below", "低于")
    is_beyond: ClassVar[Callable[[float, float], bool]] = operator.lt


@dataclass(frozen=True)
class Changes(Rule):
    """Fires if a metric changes by at least a given amount, against any of the previous snapshots or a baseline.

    Attributes
    ----------
    metric
        Scalar key.
    by
        Positive: in units of the metric, or as a share of the earlier value if `relative`.
    relative
        Measure the change as a share of the earlier value; 0.2 is a fifth. Unknown if the earlier value is 0.
    within
        Number of earlier snapshots to compare with, at least 1. Ignored with a baseline.
    direction
        ``"up"``, ``"down"`` or ``"any"``.
    """

    kind: ClassVar[str] = "changes"

    metric: str
    by: float
    relative: bool = False
    within: int = 1
    direction: Literal["any", "up", "down"] = "any"

    def _validate(self) -> None:
        check_metric("metric", self.metric)
        check_number("by", self.by, low=math.ulp(0.0), what="a positive number")
        if not isinstance(self.relative, bool):
            raise TypeError(f"relative must be true or false, not {self.relative!r}.")
        check_count("within", self.within)
        check_choice("direction", self.direction, _DIRECTIONS)

    def _default_name(self) -> str:
        way = {"any": "changes", "up": "rises", "down": "falls"}[self.direction]
        amount = f"{as_text(100 * self.by)}%" if self.relative else as_text(self.by)
        return f"{self.metric} {way} by {amount}"

    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view."""
        value = view.value(self.metric)
        if value is None:
            return (unknown(view, self.metric, self.by),)
        references = self._references(view)
        if not references:
            return (unknown(view, self.metric, self.by, why=self._why_unknown(view)),)
        # Of several references, use the largest change in the rule's direction; for "any" the largest absolute change.
        sign = {"any": 0, "up": 1, "down": -1}[self.direction]
        changes = [(self._change(before, value), step, before) for step, before in references]
        change, step, before = max(changes, key=lambda found: sign * found[0] if sign else abs(found[0]))
        size = sign * change if sign else abs(change)
        # Use isclose: 0.3 - 0.1 is less than 0.2 by one bit.
        holds = size >= self.by or math.isclose(size, self.by, rel_tol=1e-9)
        evidence = {"before": before, "now": value, "before_step": step, "relative": self.relative}
        text = self._sentence(before, value, change=change, step=step)
        return (Judgment("", clear_or_holds(holds), self.metric, change, self.by, text, evidence),)

    def _references(self, view: HistoryView) -> list[tuple[int | None, float]]:
        if view.baseline is None:
            found: list[tuple[int | None, float]] = list(view.earlier(self.metric, self.within))
        else:
            before = finite(view.baseline, self.metric)
            found = [] if before is None else [(None, before)]
        return [(step, before) for step, before in found if before or not self.relative]

    def _change(self, before: float, now: float) -> float:
        return (now - before) / abs(before) if self.relative else now - before

    def _why_unknown(self, view: HistoryView) -> Text:
        share = " other than 0, as a relative change requires" if self.relative else ""
        share_zh = "（相对变化还要求其不为 0）" if self.relative else ""
        if view.baseline is not None:
            return Text(
                f"The baseline has no finite {self.metric}{share}; a change needs a reference.",
                f"基线没有有限的 {self.metric}{share_zh}，无法比较。",
            )
        if view.timeless:
            return Text(
                f"{self.metric} is known for one snapshot only, and there is no baseline to compare with.",
                f"只有一个快照的 {self.metric}，也没有基线，无法比较。",
            )
        return Text(
            f"{self.metric} has no finite value{share} in the {self.within} snapshot(s) before step {view.step}, and "
            "there is no baseline to compare with.",
            f"{self.metric} 在第 {view.step} 步之前的 {self.within} 个快照中没有有限的数值{share_zh}，"
            f"也没有基线，无法比较。",
        )

    def _sentence(self, before: float, now: float, *, change: float, step: int | None) -> Text:
        amount = f"{as_text(100 * abs(change))}%" if self.relative else as_text(abs(change))
        limit = f"{as_text(100 * self.by)}%" if self.relative else as_text(self.by)
        word, word_zh = ("rose", "升至") if change > 0 else ("fell", "降至") if change < 0 else ("stayed", "保持为")
        since, since_zh = ("the baseline", "基线") if step is None else (f"step {step}", f"第 {step} 步")
        wanted = {"any": "a change", "up": "a rise", "down": "a fall"}[self.direction]
        wanted_zh = {"any": "变化", "up": "上升", "down": "下降"}[self.direction]
        return Text(
            f"{self.metric} {word} from {as_text(before)} ({since}) to {as_text(now)}, by {amount}; "
            f"the rule watches for {wanted} of {limit}.",
            f"{self.metric} 自{since_zh}的 {as_text(before)} {word_zh} {as_text(now)}，变化 {amount}；"
            f"规则阈值为{wanted_zh} {limit}。",
        )
