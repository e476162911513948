"""Detectors of rows with too little training, and of a crowded or separate tail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._finding import Finding, Severity
from visualdl_embedding.findings._purity import NO_CLASS, class_purity
from visualdl_embedding.findings._remedies import INITIALIZE, LEAVE_OUT, PRETRAINED, WEIGHT_NEGATIVES
from visualdl_embedding.findings._space import Space
from visualdl_embedding.findings._text import name_some, percent, rounded
from visualdl_embedding.findings._training import Cause, weigh
from visualdl_embedding.metrics.strata import STRATA, frequency_strata

__all__ = ["find_crowding", "find_never_looked_up", "find_tail"]

_CROWDED: tuple[float, float] = (0.2, 0.5)
"""Gini coefficient above chance at which crowding is a warning, and critical: uniform spaces are below 0.06, a
fifth of the rows in a twentieth of the space has about 0.2, and MovieLens with uniform negatives 0.67 in the tail."""
_APART = 0.5
"""Minimum purity above chance of a separate tail."""
_ENOUGH_LOOKUPS = 10
"""Lookups per watched row at which a row without lookups is not just early in training."""
_MANY = 0.1
_MIN_ROWS = 20

_CROWDING_CAUSES = (
    Cause(
        Text(
            "They occur too rarely: their few updates have the same direction.",
            "它们出现得太少：仅有的少量更新把它们推向同一方向。",
        ),
        ("lookups", "frequency"),
        "lower",
    ),
    Cause(
        Text(
            "They occur only as negatives, and are pushed into a region without users.",
            "它们只作为负例出现，被一起推到没有用户的区域。",
        ),
        ("lookups_per_use",),
        "higher",
    ),
    Cause(
        Text(
            "The loss is already minimal for them, and no gradient separates them.",
            "损失函数对它们已达最小，不再有梯度使它们相互区分。",
        ),
        ("gradient_mean",),
        "lower",
    ),
)
_CROWDING_REMEDIES = [WEIGHT_NEGATIVES, INITIALIZE, PRETRAINED]
_CROWDING_CHECK = Text(
    "Compare the lookups, and the mean gradient per lookup, of these rows with those of the head (row values of the "
    "snapshot), and count how many of them are in any user's top ten.",
    "将这些行每次查表的平均梯度和查表次数与头部比较（快照的逐行数值），并统计其中有多少进入任何用户的前十推荐。",
)


@dataclass(frozen=True)
class _Crowd:
    """Crowded rows: Gini coefficient (`level`), share of the space (`room`), and names."""

    space: Space
    level: float
    rows: NDArray[np.intp]
    room: float
    names: Text

    def finding(self, kind: str, title: Text, *, evidence: Text, numbers: Mapping[str, float]) -> Finding:
        causes, weighed = weigh(self.space, self.rows, _CROWDING_CAUSES)
        return Finding.of(
            kind,
            "critical" if self.level >= _CROWDED[1] else "warning",
            title,
            evidence=evidence,
            causes=causes,
            next_check=_CROWDING_CHECK,
            rows=self.space.positions[self.rows],
            labels=self.space.snapshot.labels,
            numbers={**numbers, **weighed},
            remedies=_CROWDING_REMEDIES,
        )


def _crowded(space: Space, level: float, among: NDArray[np.bool_]) -> _Crowd | None:
    """Find those of some rows that are in parts with at least twice their share, densest first."""
    fullness = space.values("crowding")
    if fullness is None or not level >= _CROWDED[0]:
        return None
    rows = np.flatnonzero(among & (fullness >= 2))
    rows = rows[np.argsort(-fullness[rows], kind="stable")]
    # A part of volume v with c of n rows has fullness c / (v n), so the sum of 1 / (n fullness) over its rows is v.
    room = float((1 / (len(fullness) * fullness[rows])).sum())
    return _Crowd(space, level, rows, room, name_some([space.labels[i] for i in rows]))


def find_crowding(space: Space) -> list[Finding]:
    """Find rows concentrated in a small part of the space."""
    found = _crowded(space, space.scalar("crowding"), np.ones(len(space), dtype=bool))
    if found is None:
        return []
    share = len(found.rows) / len(space)
    note, frequency = space.compare_frequency(found.rows)
    return [
        found.finding(
            "crowded_rows",
            Text("Many rows are concentrated in a small part of the space", "许多行集中在空间的一小部分"),
            evidence=Text(
                f"{percent(share)} of the rows are in {percent(found.room)} of the space that the rows span: "
                f"{found.names.en}. The Gini coefficient of rows over space, above chance, is {found.level:.2f} (0: "
                "uniform, 1: all in one place).",
                f"{percent(share)} 的行位于各行所占空间的 {percent(found.room)} 中：{found.names.zh}。"
                f"行在空间上的基尼系数（扣除随机部分）为 {found.level:.2f}（0 为均匀，1 为全部挤在一处）。",
            )
            + note,
            numbers={"crowding": found.level, "share": share, "space_share": found.room, **frequency},
        )
    ]


def find_tail(space: Space) -> list[Finding]:
    """Find a tail that is crowded or separate."""
    names = _strata(space)
    if names is None:
        return []
    tail, head = names == "tail", names == "head"
    if min(tail.sum(), (names != "tail").sum()) < _MIN_ROWS:
        return []
    exposure, numbers = _exposure(space)
    return [*_crowded_tail(space, tail, exposure, numbers), *_tail_apart(space, tail, head, exposure, numbers)]


def _crowded_tail(space: Space, tail: NDArray[np.bool_], exposure: Text, exposed: dict[str, float]) -> list[Finding]:
    found = _crowded(space, space.scalar(scalar_key("crowding", stratum="tail")), tail)
    if found is None:
        return []
    head = space.scalar(scalar_key("crowding", stratum="head"))
    beside = "" if np.isnan(head) else f" (head: {head:.2f})"
    beside_zh = "" if np.isnan(head) else f"（头部为 {head:.2f}）"
    return [
        found.finding(
            "tail_crowded",
            Text("The tail is crowded", "长尾过于拥挤"),
            evidence=Text(
                f"{len(found.rows):,} of {int(tail.sum()):,} tail rows are in {percent(found.room)} of the space: "
                f"{found.names.en}. The Gini coefficient of the tail above chance is {found.level:.2f}{beside}: its "
                "rows are hard to distinguish.",
                f"{int(tail.sum()):,} 个长尾行中有 {len(found.rows):,} 个位于 {percent(found.room)} 的空间中："
                f"{found.names.zh}。长尾的基尼系数（扣除随机部分）为 {found.level:.2f}{beside_zh}："
                "这些行难以彼此区分。",
            )
            + exposure,
            numbers={"crowding": found.level, "head_crowding": head, "space_share": found.room, **exposed},
        )
    ]


def _tail_apart(
    space: Space, tail: NDArray[np.bool_], head: NDArray[np.bool_], exposure: Text, exposed: dict[str, float]
) -> list[Finding]:
    if head.sum() < _MIN_ROWS or not space.neighbors.n_neighbors:
        return []
    # Use head and tail only: the torso is between them in frequency, and mostly in space.
    codes = np.where(tail, 1, np.where(head, 0, NO_CLASS)).astype(np.int32)
    purity = class_purity(space.neighbors.indices[:, :15], codes, 2, random_state=space.random_state)
    members = np.array([head.sum(), tail.sum()], dtype=np.float64)
    chance = (members - 1) / (members.sum() - 1)
    over = (purity.observed - chance) / (1 - chance)
    # Require both to be separate: a single small head in a uniform space is a group like any other.
    if not (np.isfinite(over).all() and over.min() >= _APART and purity.overall > purity.overall_shuffled.max()):
        return []
    rows = np.flatnonzero(tail)
    rows = rows[np.argsort(space.frequencies[rows], kind="stable")] if space.frequencies is not None else rows
    causes, numbers = weigh(space, rows, _CROWDING_CAUSES)
    return [
        Finding.of(
            "tail_apart",
            "warning",
            Text("The tail is separate from the head", "长尾与头部相互分离"),
            evidence=Text(
                f"Among neighbors in head or tail, {percent(float(purity.observed[1]))} of a tail row's are tail rows "
                f"(by chance {percent(float(chance[1]))}) and {percent(float(purity.observed[0]))} of a head row's are "
                f"head rows (by chance {percent(float(chance[0]))}): the space mainly reflects frequency.",
                f"在属于头部或长尾的近邻中，长尾行有 {percent(float(purity.observed[1]))} 是长尾"
                f"（随机为 {percent(float(chance[1]))}），头部行有 {percent(float(purity.observed[0]))} 是头部"
                f"（随机为 {percent(float(chance[0]))}）：空间主要反映频率。",
            )
            + exposure,
            causes=causes,
            next_check=_CROWDING_CHECK,
            rows=space.positions[rows],
            labels=space.snapshot.labels,
            numbers={
                "tail_purity": float(purity.observed[1]),
                "tail_chance": float(chance[1]),
                "head_purity": float(purity.observed[0]),
                "head_chance": float(chance[0]),
                **exposed,
                **numbers,
            },
            remedies=_CROWDING_REMEDIES,
        )
    ]


def find_never_looked_up(space: Space) -> list[Finding]:
    """Find rows without lookups in a training with enough lookups."""
    lookups = space.values("lookups")
    if lookups is None:
        return []
    known = np.isfinite(lookups)
    rows = np.flatnonzero(known & (lookups == 0) & ~space.composed)
    done = float(np.nansum(lookups))
    if not len(rows) or done < _ENOUGH_LOOKUPS * known.sum():
        return []
    share = len(rows) / int(known.sum())
    names = name_some([space.labels[i] for i in rows])
    note, numbers = space.compare_frequency(rows)
    severity: Severity = "warning" if share >= _MANY else "info"
    return [
        Finding.of(
            "never_looked_up",
            severity,
            Text(f"Rows without lookups in training: {len(rows):,}", f"训练中从未被查表的行：{len(rows):,}"),
            evidence=Text(
                f"{names.en}: {percent(share)} of the watched rows, with {done:,.0f} lookups in total. They still have "
                "their initial values, and their neighbors do not reflect training.",
                f"{names.zh}：占观察行的 {percent(share)}，而全部观察行共被查表 {done:,.0f} 次。"
                "它们仍是初始值，其近邻并不反映训练所学。",
            )
            + note,
            causes=[
                Text(
                    "They do not occur in the training data after preprocessing.",
                    "经过预处理后，它们不在训练数据中出现。",
                ),
                Text(
                    "The sampler never draws them: sampling negatives by popularity excludes items without "
                    "interactions.",
                    "采样器抽不到它们：按流行度采样负例时，没有交互的物品不会被抽到。",
                ),
            ],
            next_check=Text(
                "Count them in the training data, and check whether they are requested in serving.",
                "在训练数据中统计它们，并确认线上是否会用到它们。",
            ),
            rows=space.positions[rows],
            labels=space.snapshot.labels,
            numbers={"num_rows": len(rows), "share": share, "lookups": done, **numbers},
            remedies=[LEAVE_OUT, INITIALIZE, PRETRAINED],
        )
    ]


def _strata(space: Space) -> NDArray[np.str_] | None:
    """Stratum of each row, ``""`` for unknown frequency; None if no frequency is above 0."""
    frequency = space.frequencies
    # The strata of the analysis use the column with this name.
    if space.frequency_column != "frequency" or frequency is None or not np.nansum(frequency) > 0:
        return None
    return np.where(np.isfinite(frequency), frequency_strata(frequency), "")


def _exposure(space: Space) -> tuple[Text, dict[str, float]]:
    """Describe the share of updates of each stratum, from the analysis."""
    shares = {name: space.scalar(scalar_key("update_per_row", stratum=name)) for name in STRATA}
    numbers = {f"{name}_update_per_row": value for name, value in shares.items() if np.isfinite(value)}
    if not {"head_update_per_row", "tail_update_per_row"} <= set(numbers):
        return Text("", ""), numbers
    head, tail = rounded(shares["head"]), rounded(shares["tail"])
    return Text(
        f"A tail row receives {tail} times the updates of an average row, a head row {head} times.",
        f"一个长尾行得到的更新是平均行的 {tail} 倍，头部行为 {head} 倍。",
    ), numbers
