"""Rules about the whole space: non-finite rows, collapse, mixed groups, a crowded tail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from visualdl_embedding.alerts._history import View, finite
from visualdl_embedding.alerts._metric_key import CROWDING, GROUP_PURITY, PURITY
from visualdl_embedding.alerts._rule import (
    Judgment,
    Rule,
    Severity,
    Text,
    check_count,
    check_number,
    check_text,
    clear_or_holds,
    rounded,
    unknown,
)
from visualdl_embedding.core.names import scalar_key

__all__ = ["Collapsed", "GroupMixing", "NonFinite", "TailCrowding"]

_SHARE = "a share from 0 to 1"


@dataclass(frozen=True)
class NonFinite(Rule):
    """Watched rows hold NaN or inf.

    Attributes
    ----------
    rows
        So many, at least 1.
    """

    kind: ClassVar[str] = "non_finite"

    rows: int = 1
    severity: Severity = field(default="critical", kw_only=True)

    def _validate(self) -> None:
        check_count("rows", self.rows)

    def _default_name(self) -> str:
        return "non-finite rows"

    def judge(self, view: View) -> tuple[Judgment, ...]:
        """Judge the last snapshot of a view."""
        metric = "nonfinite_rows"
        value = view.value(metric)
        if value is None:
            return (unknown(view, metric, self.rows),)
        valid = view.value("num_rows")
        n = None if valid is None else valid + value + (view.value("zero_rows") or 0)
        total = "" if n is None else f" of {n:.0f}"
        total_zh = "" if n is None else f"（共 {n:.0f} 行）"
        text = Text(f"{value:.0f}{total} watched rows hold NaN or inf.", f"{value:.0f} 行{total_zh}含 NaN 或 inf。")
        return (Judgment("", clear_or_holds(value >= self.rows), metric, value, self.rows, text),)


@dataclass(frozen=True)
class Collapsed(Rule):
    """The space has shrunk to few directions, or to a cone.

    Attributes
    ----------
    rank_share
        0 to 1: fires where the effective rank is below this share of the run's first (or of the baseline's).
    mean_cosine
        -1 to 1: fires where the mean cosine of all pairs of rows is above it.

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

    def judge(self, view: View) -> tuple[Judgment, ...]:
        """Judge the last snapshot of a view: once, for the two are signs of one thing."""
        found = [self._cone(view), self._rank(view)]
        order = {"holds": 0, "unknown": 1, "clear": 2}
        return (min(found, key=lambda judgment: order[judgment.status]),)

    def _cone(self, view: View) -> Judgment:
        metric, limit = "mean_cosine", rounded(self.mean_cosine)
        value = view.value(metric)
        if value is None:
            return unknown(view, metric, self.mean_cosine)
        holds = value > self.mean_cosine
        text = (
            Text(
                f"Two rows have on average a cosine of {rounded(value)}, above {limit}: all point much the same way.",
                f"任意两行的平均余弦为 {rounded(value)}，高于 {limit}：所有向量方向相近。",
            )
            if holds
            else Text(
                f"Two rows have on average a cosine of {rounded(value)}, not above {limit}.",
                f"任意两行的平均余弦为 {rounded(value)}，不高于 {limit}。",
            )
        )
        return Judgment("", clear_or_holds(holds), metric, value, self.mean_cosine, text)

    def _rank(self, view: View) -> Judgment:
        metric = "effective_rank"
        value = view.value(metric)
        if value is None:
            return unknown(view, metric, self.rank_share)
        if view.baseline is None:
            # The snapshot itself at the latest, so that it is never missing here.
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
        share = rounded(100 * self.rank_share)
        text = Text(
            f"The rows use {rounded(value)} directions (effective rank), {sign} {share}% of the {rounded(before)} "
            f"{since}.",
            f"各行使用了 {rounded(value)} 个方向（有效秩），{sign_zh}{since_zh} {rounded(before)} 个的 {share}%。",
        )
        return Judgment("", clear_or_holds(holds), metric, value, threshold, text, {"before": before})


@dataclass(frozen=True)
class GroupMixing(Rule):
    """Too many neighbors of a group's rows belong to other groups.

    Attributes
    ----------
    group
        The group; None for the mean over the rows of all groups.
    over
        0 to 1: fires where the share of neighbors from other groups, 1 minus the purity, is above it. For g groups of
        one size, chance gives 1 - 1/g.
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

    def judge(self, view: View) -> tuple[Judgment, ...]:
        """Judge the last snapshot of a view."""
        metric = GROUP_PURITY if self.group is None else scalar_key(PURITY, group=self.group)
        purity = view.value(metric)
        if purity is None:
            return (unknown(view, metric, self.over),)
        mixing = 1 - purity
        holds = mixing > self.over
        sign, sign_zh = ("above", "高于") if holds else ("not above", "不高于")
        whose, whose_zh = ("a row", "各行") if self.group is None else (self.group, f"{self.group} 组各行")
        text = Text(
            f"On average {rounded(100 * mixing)}% of the neighbors of {whose} belong to another group, {sign} "
            f"{rounded(100 * self.over)}%.",
            f"{whose_zh}的近邻平均有 {rounded(100 * mixing)}% 属于其他分组，{sign_zh} {rounded(100 * self.over)}%。",
        )
        return (Judgment("", clear_or_holds(holds), metric, mixing, self.over, text, {"purity": purity}),)


@dataclass(frozen=True)
class TailCrowding(Rule):
    """The rare rows are packed into few small regions.

    Reads the crowding of the tail, and that of all rows in runs whose rows have no frequency.

    Attributes
    ----------
    over
        0 to 1: fires where the crowding is above it.
    """

    kind: ClassVar[str] = "tail_crowding"

    over: float

    def _validate(self) -> None:
        check_number("over", self.over, low=0.0, high=1.0, what=_SHARE)

    def _default_name(self) -> str:
        return "tail crowding"

    def judge(self, view: View) -> tuple[Judgment, ...]:
        """Judge the last snapshot of a view."""
        tail = f"stratum/tail/{CROWDING}"
        # Chosen by the course of the run, lest one missing value mixes two curves.
        metric = tail if view.has_had(tail) or not view.has_had(CROWDING) else CROWDING
        value = view.value(metric)
        if value is None:
            return (unknown(view, metric, self.over),)
        holds = value > self.over
        sign, sign_zh = ("above", "高于") if holds else ("not above", "不高于")
        whose, whose_zh = ("tail rows", "尾部各行") if metric == tail else ("all rows", "所有行")
        text = Text(
            f"The crowding of {whose} is {rounded(value)}, {sign} {rounded(self.over)}.",
            f"{whose_zh}的拥挤度为 {rounded(value)}，{sign_zh} {rounded(self.over)}。",
        )
        return (Judgment("", clear_or_holds(holds), metric, value, self.over, text),)
