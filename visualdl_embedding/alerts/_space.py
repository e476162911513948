"""Rules for the whole space: non-finite rows, collapse, mixed groups, crowded tail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from visualdl_embedding.alerts._history import HistoryView, finite
from visualdl_embedding.alerts._metric_key import CROWDING, GROUP_PURITY, PURITY
from visualdl_embedding.alerts._rule import (
    Judgment,
    Rule,
    Severity,
    as_text,
    check_count,
    check_number,
    check_text,
    clear_or_holds,
    unknown,
)
from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.text import Text

__all__ = ["Collapsed", "GroupMixing", "NonFinite", "TailCrowding"]

_SHARE = "a share from 0 to 1"


@dataclass(frozen=True)
class NonFinite(Rule):
    """Fires if watched rows contain NaN or inf.

    Attributes
    ----------
    rows
        Minimum number of rows, at least 1.
    """

    kind: ClassVar[str] = "non_finite"

    rows: int = 1
    severity: Severity = field(default="critical", kw_only=True)

    def _validate(self) -> None:
        check_count("rows", self.rows)

    def _default_name(self) -> str:
        return "non-finite rows"

    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view."""
        metric = "nonfinite_rows"
        value = view.value(metric)
        if value is None:
            return (unknown(view, metric, self.rows),)
        valid = view.value("num_rows")
        n = None if valid is None else valid + value + (view.value("zero_rows") or 0)
        total = "" if n is None else f" of {n:.0f}"
        total_zh = "" if n is None else f"（共 {n:.0f} 行）"
        text = Text(f"{value:.0f}{total} watched rows contain NaN or inf.", f"{value:.0f} 行{total_zh}含 NaN 或 inf。")
        return (Judgment("", clear_or_holds(value >= self.rows), metric, value, self.rows, text),)


@dataclass(frozen=True)
class Collapsed(Rule):
    """Fires if the space shrinks to few directions or to a narrow cone.

    Attributes
    ----------
    rank_share
        0 to 1: fires if the effective rank is below this share of the run's first (or of the baseline's).
    mean_cosine
        -1 to 1: fires if the mean cosine of all pairs of rows is above it.

    References
    ----------
    Roy and Vetterli 2007, "The effective rank"; Ethayarajh 2019, "How contextual are contextualized word
    representations?"
    """

    kind: ClassVar[str] = "collapsed"

    rank_share: float = 0.1
    mean_cosine: float = 0.9
    severity: Severity = field(default="critical", kw_only=True)

    def _validate(self) -> None:
        check_number("rank_share", self.rank_share, low=0.0, high=1.0, what=_SHARE)
        check_number("mean_cosine", self.mean_cosine, low=-1.0, high=1.0, what="a cosine from -1 to 1")

    def _default_name(self) -> str:
        return "collapsed space"

    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view, with one judgment for both signs."""
        found = [self._cone(view), self._rank(view)]
        order = {"holds": 0, "unknown": 1, "clear": 2}
        return (min(found, key=lambda judgment: order[judgment.status]),)

    def _cone(self, view: HistoryView) -> Judgment:
        metric, limit = "mean_cosine", as_text(self.mean_cosine)
        value = view.value(metric)
        if value is None:
            return unknown(view, metric, self.mean_cosine)
        holds = value > self.mean_cosine
        text = (
            Text(
                f"The mean cosine of two rows is {as_text(value)}, above {limit}: all rows have similar directions.",
                f"任意两行的平均余弦为 {as_text(value)}，高于 {limit}：所有向量方向相近。",
            )
            if holds
            else Text(
                f"The mean cosine of two rows is {as_text(value)}, not above {limit}.",
                f"任意两行的平均余弦为 {as_text(value)}，不高于 {limit}。",
            )
        )
        return Judgment("", clear_or_holds(holds), metric, value, self.mean_cosine, text)

    def _rank(self, view: HistoryView) -> Judgment:
        metric = "effective_rank"
        value = view.value(metric)
        if value is None:
            return unknown(view, metric, self.rank_share)
        if view.baseline is None:
            # Fall back to the evaluated snapshot, so that there is always a reference.
            step, before = view.first(metric) or (view.step, value)
            since, since_zh = f"at step {step}", f"第 {step} 步"
        else:
            known = finite(view.baseline, metric)
            if known is None:
                why = Text(f"The baseline has no finite {metric}.", f"基线没有有限的 {metric}。")
                return unknown(view, metric, self.rank_share, why=why)
            before, since, since_zh = known, "in the baseline", "基线中"
        threshold = self.rank_share * before
        holds = value < threshold
        sign, sign_zh = ("below", "低于") if holds else ("not below", "不低于")
        share = as_text(100 * self.rank_share)
        text = Text(
            f"The rows use {as_text(value)} directions (effective rank), {sign} {share}% of the {as_text(before)} "
            f"{since}.",
            f"各行使用了 {as_text(value)} 个方向（有效秩），{sign_zh}{since_zh} {as_text(before)} 个的 {share}%。",
        )
        return Judgment("", clear_or_holds(holds), metric, value, threshold, text, {"before": before})


@dataclass(frozen=True)
class GroupMixing(Rule):
    """Fires if too many neighbors of a group's rows belong to other groups.

    Attributes
    ----------
    group
        Name of the group; None for the mean over the rows of all groups.
    over
        0 to 1: fires if the share of neighbors from other groups (1 minus the purity) is above it. For g groups of
        equal size, the expected value by chance is 1 - 1/g.
    """

    kind: ClassVar[str] = "group_mixing"

    group: str | None = None
    over: float = 0.4

    def _validate(self) -> None:
        if self.group is not None:
            check_text("group", self.group, "the name of a group")
        check_number("over", self.over, low=0.0, high=1.0, what=_SHARE)

    def _default_name(self) -> str:
        return "group mixing" if self.group is None else f"group mixing of {self.group}"

    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view."""
        metric = GROUP_PURITY if self.group is None else scalar_key(PURITY, group=self.group)
        purity = view.value(metric)
        if purity is None:
            return (unknown(view, metric, self.over),)
        mixing = 1 - purity
        holds = mixing > self.over
        sign, sign_zh = ("above", "高于") if holds else ("not above", "不高于")
        whose, whose_zh = ("a row", "各行") if self.group is None else (self.group, f"{self.group} 组各行")
        text = Text(
            f"On average {as_text(100 * mixing)}% of the neighbors of {whose} belong to another group, {sign} "
            f"{as_text(100 * self.over)}%.",
            f"{whose_zh}的近邻平均有 {as_text(100 * mixing)}% 属于其他分组，{sign_zh} {as_text(100 * self.over)}%。",
        )
        return (Judgment("", clear_or_holds(holds), metric, mixing, self.over, text, {"purity": purity}),)


@dataclass(frozen=True)
class TailCrowding(Rule):
    """Fires if the rare rows are concentrated in few small regions.

    Uses the crowding of the tail, or that of all rows in runs without frequencies.

    Attributes
    ----------
    over
        0 to 1: fires if the crowding is above it.
    """

    kind: ClassVar[str] = "tail_crowding"

    over: float

    def _validate(self) -> None:
        check_number("over", self.over, low=0.0, high=1.0, what=_SHARE)

    def _default_name(self) -> str:
        return "tail crowding"

    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view."""
        tail = f"stratum/tail/{CROWDING}"
        # Choose by the whole run, so that a missing value does not mix two curves.
        metric = tail if view.has_had(tail) or not view.has_had(CROWDING) else CROWDING
        value = view.value(metric)
        if value is None:
            return (unknown(view, metric, self.over),)
        holds = value > self.over
        sign, sign_zh = ("above", "高于") if holds else ("not above", "不高于")
        whose, whose_zh = ("tail rows", "长尾各行") if metric == tail else ("all rows", "所有行")
        text = Text(
            f"The crowding of {whose} is {as_text(value)}, {sign} {as_text(self.over)}.",
            f"{whose_zh}的拥挤度为 {as_text(value)}，{sign_zh} {as_text(self.over)}。",
        )
        return (Judgment("", clear_or_holds(holds), metric, value, self.over, text),)
