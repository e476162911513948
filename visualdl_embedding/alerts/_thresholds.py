"""Rules for one metric: above, below, changing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

from visualdl_embedding.alerts._history import HistoryView, finite
from visualdl_embedding.alerts._rule import (
    Judgment,
    Rule,
    as_text,
    check_choice,
    check_count,
    check_number,
    check_text,
    compare,
    unknown,
)
from visualdl_embedding.core.names import escape
from visualdl_embedding.core.suggest import did_you_mean, nearest_labels
from visualdl_embedding.core.text import Text
from visualdl_embedding.metrics import METRICS, get_metric
from visualdl_embedding.projection import METHODS

__all__ = ["Above", "Below", "Changes"]

_DIRECTIONS = {
    "any": ("changes", "a change", "变化"),
    "up": ("rises", "a rise", "上升"),
    "down": ("falls", "a fall", "下降"),
}
_LEVELS = ("watch", "group", "stratum")
_PROJECTION = re.compile(rf"(?:{'|'.join(METHODS)})(?:_[\w.+-]+)?")
_SCOPES = {
    "projection": "a projection: write 'pca/{0}', 'tsne/{0}' or 'umap/{0}'",
    "part": "a group or stratum: write 'group/NAME/{0}' or 'stratum/NAME/{0}'",
    "row": "single rows: write 'watch/LABEL/{0}' with a watched label",
}


@dataclass(frozen=True)
class _Limit(Rule):
    """A metric on the wrong side of a value."""

    side: ClassVar[Literal["above", "below"]]

    metric: str
    value: float

    def _validate(self) -> None:
        object.__setattr__(self, "metric", check_metric(self.metric))
        check_number("value", self.value)

    def _default_name(self) -> str:
        return f"{self.metric} {self.side} {as_text(self.value)}"

    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view."""
        return (compare(view, self.metric, self.value, subject=Text(self.metric, f"{self.metric} "), side=self.side),)


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
    side = "above"


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
    side = "below"


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
        object.__setattr__(self, "metric", check_metric(self.metric))
        check_number("by", self.by, low=math.ulp(0.0), what="a positive number")
        if not isinstance(self.relative, bool):
            raise TypeError(f"relative must be true or false, not {self.relative!r}.")
        check_count("within", self.within)
        check_choice("direction", self.direction, tuple(_DIRECTIONS))

    def _default_name(self) -> str:
        return f"{self.metric} {_DIRECTIONS[self.direction][0]} by {self._amount(self.by)}"

    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view."""
        value = view.value(self.metric)
        if value is None:
            return (unknown(view, self.metric, self.by),)
        known: Iterable[tuple[int | None, float]] = view.known(self.metric, view.index - self.within, view.index)
        if view.baseline is not None:
            before = finite(view.baseline, self.metric)
            known = [] if before is None else [(None, before)]
        # Of several references, use the largest change in the rule's direction; for "any" the largest absolute change.
        sign = {"any": 0, "up": 1, "down": -1}[self.direction]
        changes = [
            ((value - before) / (abs(before) if self.relative else 1), step, before)
            for step, before in known
            if before or not self.relative
        ]
        if not changes:
            return (unknown(view, self.metric, self.by, why=self._why_unknown(view)),)
        change, step, before = max(changes, key=lambda found: sign * found[0] if sign else abs(found[0]))
        size = sign * change if sign else abs(change)
        # Use isclose: 0.3 - 0.1 is less than 0.2 by one bit.
        holds = size >= self.by or math.isclose(size, self.by, rel_tol=1e-9)
        evidence = {"before": before, "now": value, "before_step": step, "relative": self.relative}
        text = self._sentence(before, value, change=change, step=step)
        return (Judgment("", "holds" if holds else "clear", self.metric, change, self.by, text, evidence),)

    def _amount(self, value: float) -> str:
        return f"{as_text(100 * value)}%" if self.relative else as_text(value)

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
        word, word_zh = ("rose", "升至") if change > 0 else ("fell", "降至") if change < 0 else ("stayed", "保持为")
        since, since_zh = ("the baseline", "基线") if step is None else (f"step {step}", f"第 {step} 步")
        _, wanted, wanted_zh = _DIRECTIONS[self.direction]
        amount, limit, then, value = self._amount(abs(change)), self._amount(self.by), as_text(before), as_text(now)
        return Text(
            f"{self.metric} {word} from {then} ({since}) to {value}, by {amount}; the rule watches for {wanted} of "
            f"{limit}.",
            f"{self.metric} 自{since_zh}的 {then} {word_zh} {value}，变化 {amount}；规则阈值为{wanted_zh} {limit}。",
        )


def check_metric(metric: object) -> str:
    """Return a scalar key that an analysis writes, with names as in keys; the message of an error suggests the nearest.

    >>> check_metric("watch/5%/norm")
    'watch/5％/norm'
    """
    check_text("metric", metric, "a scalar key such as 'tsne/trustworthiness'")
    assert isinstance(metric, str)
    *levels, name = metric.split("/")
    inside = bool(levels) and levels[0] in _LEVELS
    if inside:
        if len(levels) < 2 or not levels[1]:
            raise ValueError(f"metric {metric!r} lacks a name: write '{levels[0]}/NAME/METRIC'.")
        metric = "/".join([levels[0], escape(levels[1]), *levels[2:], name])
        levels = levels[2:]
    if len(levels) > 1 or (levels and not _PROJECTION.fullmatch(levels[0])):
        known = [*METHODS, *(f"{method}_3d" for method in METHODS), *_LEVELS]
        begin = "/".join(levels) if levels[0] in known else levels[0]
        raise ValueError(f"metric {metric!r} begins with {begin!r}, which is unknown; {did_you_mean(begin, known)}")
    try:
        found = get_metric(name)
    except ValueError as error:
        near = nearest_labels(name, METRICS, limit=1)
        hint = f"did you mean {'/'.join([*metric.split('/')[:-1], near[0]])!r}?" if near else str(error)
        raise ValueError(f"metric {metric!r} ends in an unknown metric; {hint}") from None
    scope = found.scope
    if found.origin != "analysis":
        raise ValueError(
            f"metric {metric!r} is not part of an analysis, only of a {found.origin}; rules cannot use it."
        )
    if inside or (scope == "projection" and levels):
        return metric
    if levels:
        raise ValueError(f"metric {metric!r} belongs to the space, not to a projection: write {name!r}.")
    if scope in _SCOPES:
        raise ValueError(f"metric {metric!r} belongs to {_SCOPES[scope].format(name)}.")
    return metric
