"""Rules for the whole space: non-finite rows, collapse, mixed groups, crowded tail."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

from visualdl_embedding.alerts._history import HistoryView, finite
from visualdl_embedding.alerts._rule import (
    Judgment,
    Rule,
    as_text,
    check_count,
    check_number,
    check_text,
    compare,
    sides,
    unknown,
)
from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.severity import Severity
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
        return (Judgment("", "holds" if value >= self.rows else "clear", metric, value, self.rows, text),)


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
        if view.value("norm_mean") is not None and view.value("effective_rank") is None:
            # Analyses with usable rows have an effective rank, except those of a single column.
            text = Text(
                "The table has one column, so its rows have no directions that could collapse.",
                "表只有一列，各行没有方向，因此不会出现方向坍缩。",
            )
            return (Judgment("", "clear", "effective_rank", math.nan, self.rank_share, text),)
        subject = Text("The mean cosine of two rows", "任意两行的平均余弦")
        cone = compare(view, "mean_cosine", self.mean_cosine, subject=subject)
        if cone.status == "holds":
            en, zh = cone.text.en[:-1], cone.text.zh[:-1]
            return (replace(cone, text=Text(f"{en}: all rows have similar directions.", f"{zh}：所有向量方向相近。")),)
        return (min(cone, self._rank(view), key=lambda found: ("holds", "unknown", "clear").index(found.status)),)

    def _rank(self, view: HistoryView) -> Judgment:
        metric = "effective_rank"
        value = view.value(metric)
        if value is None:
            return unknown(view, metric, self.rank_share)
        if view.baseline is None:
            step, before = next(view.known(metric, 0, view.index + 1))
            since, since_zh = f"at step {step}", f"第 {step} 步"
        else:
            known = finite(view.baseline, metric)
            if known is None:
                why = Text(f"The baseline has no finite {metric}.", f"基线没有有限的 {metric}。")
                return unknown(view, metric, self.rank_share, why=why)
            before, since, since_zh = known, "in the baseline", "基线中"
        threshold = self.rank_share * before
        holds = value < threshold
        sign, sign_zh = sides(holds, "below")
        share = as_text(100 * self.rank_share)
        text = Text(
            f"The rows use {as_text(value)} directions (effective rank), {sign} {share}% of the {as_text(before)} "
            f"{since}.",
            f"各行使用了 {as_text(value)} 个方向（有效秩），{sign_zh}{since_zh} {as_text(before)} 个的 {share}%。",
        )
        return Judgment("", "holds" if holds else "clear", metric, value, threshold, text, {"before": before})


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
        metric = "group_purity" if self.group is None else scalar_key("purity", group=self.group)
        purity = view.value(metric)
        if purity is None:
            return (unknown(view, metric, self.over),)
        mixing = 1 - purity
        holds = mixing > self.over
        sign, sign_zh = sides(holds)
        whose, whose_zh = ("a row", "各行") if self.group is None else (self.group, f"{self.group} 组各行")
        text = Text(
            f"On average {as_text(100 * mixing)}% of the neighbors of {whose} belong to another group, {sign} "
            f"{as_text(100 * self.over)}%.",
            f"{whose_zh}的近邻平均有 {as_text(100 * mixing)}% 属于其他分组，{sign_zh} {as_text(100 * self.over)}%。",
        )
        return (Judgment("", "holds" if holds else "clear", metric, mixing, self.over, text, {"purity": purity}),)


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

    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view."""
        # Choose by the whole run, so that a missing value does not mix two curves.
        metric, subject = "crowding", Text("The crowding of all rows", "所有行的拥挤度")
        if view.first("stratum/tail/crowding") is not None or view.first("crowding") is None:
            metric, subject = "stratum/tail/crowding", Text("The crowding of tail rows", "长尾各行的拥挤度")
        return (compare(view, metric, self.over, subject=subject),)
