"""Detectors of a crowded or separate tail, and of rows concentrated in a small part of the space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._advice import INITIALIZE, PRETRAINED, Advice, Cause
from visualdl_embedding.findings._finding import EMPTY, Finding, Severity, percent, rounded
from visualdl_embedding.findings._gaussian import beside_gaussian
from visualdl_embedding.findings._shared import NO_CLASS, Space, class_purity
from visualdl_embedding.metrics import Crowding, crowding
from visualdl_embedding.metrics.strata import STRATA, frequency_strata

__all__ = ["find_crowding"]

_CROWDED = (0.2, 0.5)
"""Gini coefficient above chance at which crowding is a warning, and critical: uniform spaces are below 0.06, a
fifth of the rows in a twentieth of the space has about 0.2, and MovieLens with uniform negatives 0.67 in the tail."""
_APART = 0.5
"""Minimum purity above chance of a separate tail."""
_ALPHA = 0.01
"""Significance level of the crowding of a tail among random subsets of its size."""
_NEAR = 5
_UNEVEN = 1.8
"""Minimum unevenness of distances relative to Gaussian tables: topics of equal density reach 1.2, classes of a trained
classifier 1.6, a spot with half of the rows at a third of their distances 2.0 or more."""
_MIN_ROWS = 20
_CROWDING = Advice(
    check="Compare the lookups, and the mean gradient per lookup, of these rows with those of the head (row values of "
    "the snapshot), and count how many of them are in any user's top ten.",
    check_zh="将这些行每次查表的平均梯度和查表次数与头部比较（快照的逐行数值），并统计其中有多少进入任何用户的前十推荐。",
    causes=(
        Cause(
            "They occur too rarely: their few updates have the same direction.",
            "它们出现得太少：仅有的少量更新把它们推向同一方向。",
            lower=("lookups", "frequency"),
        ),
        Cause(
            "They occur only as negatives, and are pushed into a region without users.",
            "它们只作为负例出现，被一起推到没有用户的区域。",
            higher=("lookups_per_use",),
        ),
        Cause(
            "The loss is already minimal for them, and no gradient separates them.",
            "损失函数对它们已达最小，不再有梯度使它们相互区分。",
            lower=("gradient_mean",),
        ),
    ),
    remedies=(
        Text(
            "Sample negatives by popularity^0.75 instead of uniformly. This spreads the tail, but lowers recall of "
            "popular items: measure both coverage and recall. Items without interactions are then never trained.",
            "按流行度的 0.75 次方采样负例，而不是均匀采样。这会使长尾散开，但会降低热门物品的召回：覆盖率与召回率都要"
            "评估。此时没有交互的物品将得不到训练。",
        ),
        INITIALIZE,
        PRETRAINED,
    ),
)


def find_crowding(space: Space) -> Iterator[Finding]:
    """Find a tail that is crowded or separate, or else rows concentrated in a small part of the space.

    Rows that coincide count once, because `find_duplicates` reports them.
    """
    yield from [*_find_tail(space)] or _find_crowded_rows(space)


@dataclass(frozen=True)
class _Places:
    """Crowding of the distinct rows of a space, and their positions in it."""

    rows: NDArray[np.intp]
    crowding: Crowding

    @classmethod
    def of(cls, space: Space, key: str) -> _Places | None:
        """Return None if the analysis has not measured the crowding `key`, or has found little among distinct rows."""
        if not space.scalar(key) >= (_CROWDED[0] if space.single.all() else 0):
            return None
        rows, graph = space.distinct
        return cls(rows, crowding(space.vectors[rows], graph, random_state=space.random_state))

    def crowded(self, level: float, among: NDArray[np.bool_]) -> tuple[NDArray[np.intp], float, Severity] | None:
        """Rows in parts with at least twice their share, densest first, the share of these parts, and the severity.

        None if the Gini coefficient `level` is low or unknown.
        """
        if not level >= _CROWDED[0]:
            return None
        fullness = self.crowding.fullness().astype(np.float64)
        rows = np.flatnonzero(among[self.rows] & (fullness >= 2))
        rows = rows[np.argsort(-fullness[rows], kind="stable")]
        # A part of volume v with c of n rows has fullness c / (v n), so the sum of 1 / (n fullness) over its rows is v.
        room = float((1 / (len(fullness) * fullness[rows])).sum())
        return self.rows[rows], room, "critical" if level >= _CROWDED[1] else "warning"


def _density(space: Space, rows: NDArray[np.intp]) -> tuple[float, float]:
    """Ratio of the 90th to the 10th percentile of the distances to the fifth neighbor, and that of Gaussian tables."""
    distance = space.neighbors.distance

    def unevenness(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        far = nearest_neighbors(vectors, _NEAR, distance=distance).distances[:, -1].astype(np.float64)
        low, high = np.quantile(np.sqrt(np.maximum(far, 0)) if distance == "cosine" else far, (0.1, 0.9))
        return np.array([high / low if 1000 * low > high else 1000.0])

    own, usual = beside_gaussian(space.vectors[rows], unevenness, random_state=space.random_state)
    return float(own[0]), usual


def _find_crowded_rows(space: Space) -> Iterator[Finding]:
    if not (places := _Places.of(space, "crowding")):
        return
    level = places.crowding.excess
    if not (found := places.crowded(level, np.ones(len(space), dtype=bool))):
        return
    # Unequal axes raise the coefficient, and so do clusters of equal density, such as topics: neither is crowding.
    uneven, control = _density(space, places.rows)
    if uneven < _UNEVEN * control:
        return
    rows, room, severity = found
    share, names = len(rows) / len(places.rows), space.names(rows)
    yield space.finding(
        "crowded_rows",
        severity,
        Text("Many rows are concentrated in a small part of the space", "许多行集中在空间的一小部分"),
        Text(
            f"{percent(share)} of the rows are in {percent(room)} of the space that the rows span: {names.en}. The "
            f"Gini coefficient of rows over space, above chance, is {level:.2f} (0: uniform, 1: all in one place). The "
            f"distances to near rows differ by a factor of {rounded(uneven)} (90th to 10th percentile), in Gaussian "
            f"tables with the same covariance by at most {rounded(control)}.",
            f"{percent(share)} 的行位于各行所占空间的 {percent(room)} 中：{names.zh}。"
            f"行在空间上的基尼系数（扣除随机部分）为 {level:.2f}（0 为均匀，1 为全部挤在一处）。"
            f"各行到近邻的距离相差 {rounded(uneven)} 倍（第 90 与第 10 百分位之比），"
            f"协方差相同的高斯分布中至多 {rounded(control)} 倍。",
        ),
        _CROWDING,
        rows=rows,
        numbers={
            "crowding": level,
            "share": share,
            "space_share": room,
            "unevenness": uneven,
            "gaussian_unevenness": control,
        },
        by_frequency=True,
    )


def _find_tail(space: Space) -> Iterator[Finding]:
    """Find a tail that is crowded or separate from the head."""
    frequency = space.values.get("frequency")
    # The strata of the analysis use the column with this name.
    if space.frequency_column != "frequency" or frequency is None or not np.nansum(frequency) > 0:
        return
    strata = np.where(np.isfinite(frequency), frequency_strata(frequency), "")
    n_tail = int((strata == "tail").sum())
    if min(n_tail, len(space) - n_tail) < _MIN_ROWS:
        return
    updates = {name: space.scalar(scalar_key("update_per_row", stratum=name)) for name in STRATA}
    exposed = {f"{name}_update_per_row": value for name, value in updates.items()}
    exposure = EMPTY
    if np.isfinite(updates["head"]) and np.isfinite(updates["tail"]):
        exposure = Text(
            f"A tail row receives {rounded(updates['tail'])} times the updates of an average row, a head row "
            f"{rounded(updates['head'])} times.",
            f"一个长尾行得到的更新是平均行的 {rounded(updates['tail'])} 倍，头部行为 {rounded(updates['head'])} 倍。",
        )
    yield from _find_tail_crowded(space, strata, exposure, exposed)
    yield from _find_tail_apart(space, strata, exposure, exposed)


def _find_tail_crowded(
    space: Space, strata: NDArray[np.str_], exposure: Text, exposed: Mapping[str, float]
) -> Iterator[Finding]:
    if not (places := _Places.of(space, scalar_key("crowding", stratum="tail"))):
        return
    here = strata[places.rows]
    tail, head = (places.crowding.among(here == name) for name in ("tail", "head"))
    level, beside = tail.excess, head.excess
    if not (found := places.crowded(level, strata == "tail")):
        return
    n_tail = int((here == "tail").sum())
    random = places.crowding.among(here != "").random_subsets(n_tail, random_state=space.random_state)
    usual = replace(tail, gini=float(np.median(random))).excess
    p_value = float((1 + (random >= tail.gini).sum()) / (1 + len(random)))
    if p_value > _ALPHA:
        return
    rows, room, severity = found
    names = space.names(rows)
    of, of_zh = ("", "") if np.isnan(beside) else (f" (head: {beside:.2f})", f"（头部为 {beside:.2f}）")
    yield space.finding(
        "tail_crowded",
        severity,
        Text("The tail is crowded", "长尾过于拥挤"),
        Text(
            f"{len(rows):,} of {n_tail:,} tail rows are in {percent(room)} of the space: {names.en}. The Gini "
            f"coefficient of the tail above chance is {level:.2f}{of}, that of as many random rows {usual:.2f} "
            f"(p = {p_value:.2g}).",
            f"{n_tail:,} 个长尾行中有 {len(rows):,} 个位于 {percent(room)} 的空间中：{names.zh}。"
            f"长尾的基尼系数（扣除随机部分）为 {level:.2f}{of_zh}，随机抽取同样多的行则为 {usual:.2f}"
            f"（p = {p_value:.2g}）。",
        )
        + exposure,
        _CROWDING,
        rows=rows,
        numbers={
            "crowding": level,
            "head_crowding": beside,
            "random_crowding": usual,
            "p_value": p_value,
            "space_share": room,
            **exposed,
        },
    )


def _find_tail_apart(
    space: Space, strata: NDArray[np.str_], exposure: Text, exposed: Mapping[str, float]
) -> Iterator[Finding]:
    distinct, graph = space.distinct
    tail, head = strata[distinct] == "tail", strata[distinct] == "head"
    if min(tail.sum(), head.sum()) < _MIN_ROWS or not graph.n_neighbors:
        return
    # Use head and tail only: the torso is between them in frequency, and mostly in space.
    codes = np.where(tail, 1, np.where(head, 0, NO_CLASS)).astype(np.int32)
    purity = class_purity(graph.indices[:, :15], codes, 2, random_state=space.random_state)
    members = np.array([head.sum(), tail.sum()])
    chance = (members - 1) / (members.sum() - 1)
    over = (purity.observed - chance) / (1 - chance)
    # Require both to be separate: a single small head in a uniform space is a group like any other.
    if not (np.isfinite(over).all() and over.min() >= _APART and purity.overall > purity.overall_shuffled.max()):
        return
    rows = distinct[tail]
    in_head, in_tail = (percent(share) for share in purity.observed)
    usual_head, usual = (percent(share) for share in chance)
    yield space.finding(
        "tail_apart",
        "warning",
        Text("The tail is separate from the head", "长尾与头部相互分离"),
        Text(
            f"Among neighbors in head or tail, {in_tail} of a tail row's are tail rows (by chance {usual}) and "
            f"{in_head} of a head row's are head rows (by chance {usual_head}): the space mainly reflects frequency.",
            f"在属于头部或长尾的近邻中，长尾行有 {in_tail} 是长尾（随机为 {usual}），头部行有 {in_head} 是头部"
            f"（随机为 {usual_head}）：空间主要反映频率。",
        )
        + exposure,
        _CROWDING,
        rows=rows[np.argsort(space.values["frequency"][rows], kind="stable")],
        numbers={
            "tail_purity": purity.observed[1],
            "tail_chance": chance[1],
            "head_purity": purity.observed[0],
            "head_chance": chance[0],
            **exposed,
        },
    )
