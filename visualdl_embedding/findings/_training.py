"""Detectors of what training did: missing lookups, crowding and a separate tail, and motion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import Distance, unit_scale
from visualdl_embedding.core.names import scalar_key
from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.core.pairing import positions_of
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._advice import CLEAN, INITIALIZE, LEAVE_OUT, PRETRAINED, Advice, Cause, texts
from visualdl_embedding.findings._finding import EMPTY, Finding, Severity, percent, rounded
from visualdl_embedding.findings._gaussian import Gaussian
from visualdl_embedding.findings._shared import NO_CLASS, Space, class_purity
from visualdl_embedding.metrics import crowding, never_trained
from visualdl_embedding.metrics.strata import STRATA, frequency_strata

__all__ = ["find_crowding", "find_moved_rows", "find_moves_towards_groups", "find_never_looked_up"]

_CROWDED = (0.2, 0.5)
"""Gini coefficient above chance at which crowding is a warning, and critical: uniform spaces are below 0.06, a
fifth of the rows in a twentieth of the space has about 0.2, and MovieLens with uniform negatives 0.67 in the tail."""
_APART = 0.5
"""Minimum purity above chance of a separate tail."""
_ENOUGH_LOOKUPS = 10
"""Lookups per watched row at which a row without lookups is not just early in training."""
_ALPHA = 0.01
"""Significance level of the crowding of a tail among random subsets of its size."""
_NEAR = 5
_UNEVEN = 1.8
"""Minimum unevenness of distances relative to Gaussian tables: topics of equal density reach 1.2, classes of a trained
classifier 1.6, a spot with half of the rows at a third of their distances 2.0 or more."""
_SAMPLE = 2000
_CONTROLS = 3
_MANY = 0.1
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
_NEVER_LOOKED_UP = Advice(
    check="Count them in the training data, and check whether they are requested in serving.",
    check_zh="在训练数据中统计它们，并确认线上是否会用到它们。",
    causes=texts(
        "They do not occur in the training data after preprocessing.",
        "经过预处理后，它们不在训练数据中出现。",
        "The sampler never draws them: sampling negatives by popularity excludes items without interactions.",
        "采样器抽不到它们：按流行度采样负例时，没有交互的物品不会被抽到。",
    ),
    remedies=(LEAVE_OUT, INITIALIZE, PRETRAINED),
)
_MIN_MOVING = 50
_BEYOND = 2.0
"""Excess of a row's log motion over the expected maximum of n normal values, in robust standard deviations."""
_TIMES = 2.0
"""Minimum motion relative to the median row; a space with similar motions everywhere has no movers."""
_MOVED = Advice(
    check="Compare the two snapshots with a null pair (two trainings on the same data), and read recent samples of the "
    "first words.",
    check_zh="以空对照（同一数据的两次训练）比较这两个快照，并阅读前几个词的新样本。",
    causes=(
        Cause(
            "Their use has changed: newer data contain them in other contexts.",
            "它们的用法变了：新数据中它们出现在别的上下文里。",
            higher=("gradient_mean",),
        ),
        Cause(
            "They are rare, and few samples had a large effect.",
            "它们出现得少，少量样本就造成较大位移。",
            lower=("lookups", "frequency"),
        ),
        Cause(
            "They are trained more than the others: early in training, frequent words move first.",
            "它们比其余行训练得更多：训练早期高频词先移动。",
            higher=("lookups", "frequency"),
        ),
    ),
    remedies=(
        CLEAN,
        Text(
            "If the change is real, inform downstream users of the old meaning, and add an alert rule for these words.",
            "若变化属实，通知依赖旧含义的下游，并为这些词设置告警规则。",
        ),
        PRETRAINED,
    ),
)
_MOVED_TOWARDS = replace(
    _MOVED,
    check="Read samples of these words from before and after, and check whether the motion continues at the next "
    "snapshot.",
    check_zh="对照阅读这些词在前后两个时期的样本，并检查下一个快照中移动是否继续。",
)


def find_crowding(space: Space) -> Iterator[Finding]:
    """Find a tail that is crowded or separate, or else rows concentrated in a small part of the space."""
    yield from [*_find_tail(space)] or _find_crowded_rows(space)


def _unevenness(vectors: NDArray[np.float32], distance: Distance) -> float:
    """Ratio of the 90th to the 10th percentile of the Euclidean distances to the fifth neighbor, at most 1,000."""
    far = nearest_neighbors(vectors, _NEAR, distance=distance).distances[:, -1].astype(np.float64)
    low, high = np.quantile(np.sqrt(np.maximum(far, 0)) if distance == "cosine" else far, (0.1, 0.9))
    return float(high / low) if 1000 * low > high else 1000.0


def _density(space: Space) -> tuple[float, float]:
    """Unevenness of the distances to near rows, and the largest of Gaussian tables with the same covariance."""
    rng, distance = np.random.default_rng(space.random_state), space.neighbors.distance
    sample = space.vectors
    if len(sample) > _SAMPLE:
        sample = sample[np.sort(rng.choice(len(sample), _SAMPLE, replace=False))]
    like = Gaussian.like(sample)
    controls = [_unevenness(like.rows(len(sample), rng), distance) for _ in range(_CONTROLS)]
    return _unevenness(sample / np.float32(unit_scale(sample)), distance), max(controls)


def _crowded(space: Space, level: float, among: NDArray[np.bool_]) -> tuple[NDArray[np.intp], float, Severity] | None:
    """Rows in parts with at least twice their share, densest first, the share of these parts, and the severity.

    None if the Gini coefficient `level` is low or unknown.
    """
    fullness = space.values.get("crowding")
    if fullness is None or not level >= _CROWDED[0]:
        return None
    rows = np.flatnonzero(among & (fullness >= 2))
    rows = rows[np.argsort(-fullness[rows], kind="stable")]
    # A part of volume v with c of n rows has fullness c / (v n), so the sum of 1 / (n fullness) over its rows is v.
    room = float((1 / (len(fullness) * fullness[rows])).sum())
    return rows, room, "critical" if level >= _CROWDED[1] else "warning"


def _find_crowded_rows(space: Space) -> Iterator[Finding]:
    level = space.scalar("crowding")
    if not (found := _crowded(space, level, np.ones(len(space), dtype=bool))):
        return
    # Unequal axes raise the coefficient, and so do clusters of equal density, such as topics: neither is crowding.
    uneven, control = _density(space)
    if uneven < _UNEVEN * control:
        return
    rows, room, severity = found
    share, names = len(rows) / len(space), space.names(rows)
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
    tail, head = strata == "tail", strata == "head"
    if min(tail.sum(), (~tail).sum()) < _MIN_ROWS:
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
    level, beside = (space.scalar(scalar_key("crowding", stratum=name)) for name in ("tail", "head"))
    found = _crowded(space, level, tail)
    usual, p_value = _tail_chance(space, tail, strata != "") if found else (np.nan, 1.0)
    if found and p_value <= _ALPHA:
        rows, room, severity = found
        names = space.names(rows)
        of, of_zh = ("", "") if np.isnan(beside) else (f" (head: {beside:.2f})", f"（头部为 {beside:.2f}）")
        yield space.finding(
            "tail_crowded",
            severity,
            Text("The tail is crowded", "长尾过于拥挤"),
            Text(
                f"{len(rows):,} of {tail.sum():,} tail rows are in {percent(room)} of the space: {names.en}. The Gini "
                f"coefficient of the tail above chance is {level:.2f}{of}, that of as many random rows {usual:.2f} "
                f"(p = {p_value:.2g}).",
                f"{tail.sum():,} 个长尾行中有 {len(rows):,} 个位于 {percent(room)} 的空间中：{names.zh}。"
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
    yield from _find_tail_apart(space, tail, head, exposure, exposed)


def _tail_chance(space: Space, tail: NDArray[np.bool_], known: NDArray[np.bool_]) -> tuple[float, float]:
    """Median crowding of random subsets of the `known` rows of the size of the tail, and the p-value of the tail's."""
    space_of_rows = crowding(space.vectors, space.neighbors, random_state=space.random_state)
    found = space_of_rows.among(tail)
    ginis = space_of_rows.among(known).random_subsets(int(tail.sum()), random_state=space.random_state)
    usual = replace(found, gini=float(np.median(ginis))).excess
    return usual, float((1 + (ginis >= found.gini).sum()) / (1 + len(ginis)))


def _find_tail_apart(
    space: Space, tail: NDArray[np.bool_], head: NDArray[np.bool_], exposure: Text, exposed: Mapping[str, float]
) -> Iterator[Finding]:
    if head.sum() < _MIN_ROWS or not space.neighbors.n_neighbors:
        return
    # Use head and tail only: the torso is between them in frequency, and mostly in space.
    codes = np.where(tail, 1, np.where(head, 0, NO_CLASS)).astype(np.int32)
    purity = class_purity(space.neighbors.indices[:, :15], codes, 2, random_state=space.random_state)
    members = np.array([head.sum(), tail.sum()])
    chance = (members - 1) / (members.sum() - 1)
    over = (purity.observed - chance) / (1 - chance)
    # Require both to be separate: a single small head in a uniform space is a group like any other.
    if not (np.isfinite(over).all() and over.min() >= _APART and purity.overall > purity.overall_shuffled.max()):
        return
    rows = np.flatnonzero(tail)
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


def find_never_looked_up(space: Space) -> Iterator[Finding]:
    """Find rows that a training with enough lookups has neither looked up nor changed."""
    lookups, same = space.values.get("lookups"), space.values.get("unchanged")
    if lookups is None or same is None:
        return
    n_known, done = int(np.isfinite(lookups).sum()), float(np.nansum(lookups))
    untrained = never_trained(lookups, same, forwards=space.snapshot.counters.get("forwards"))
    rows = np.flatnonzero((untrained == 1) & ~space.composed)
    if not len(rows) or done < _ENOUGH_LOOKUPS * n_known:
        return
    share, names, first = len(rows) / n_known, space.names(rows), space.analysis.first_step
    yield space.finding(
        "never_looked_up",
        "warning" if share >= _MANY else "info",
        Text(f"Rows without lookups in training: {len(rows):,}", f"训练中从未被查表的行：{len(rows):,}"),
        Text(
            f"{names.en}: {percent(share)} of the watched rows, with {done:,.0f} lookups in total. They are bitwise "
            f"equal to the snapshot of step {first:,}, the first of the run, and their neighbors do not reflect "
            "training.",
            f"{names.zh}：占观察行的 {percent(share)}，而全部观察行共被查表 {done:,.0f} 次。"
            f"它们与该次运行的第一个快照（第 {first:,} 步）逐位相同，其近邻并不反映训练所学。",
        ),
        _NEVER_LOOKED_UP,
        rows=rows,
        numbers={"num_rows": len(rows), "share": share, "lookups": done},
        by_frequency=True,
    )


def find_moved_rows(space: Space) -> Iterator[Finding]:
    """Find rows with a much larger motion than the others, and with new neighbors, since the previous snapshot."""
    moved, kept = space.values.get("displacement"), space.values.get("neighbor_overlap")
    if moved is None or kept is None:
        return
    known = np.isfinite(moved) & np.isfinite(kept) & (moved > 0)
    if known.sum() < _MIN_MOVING:
        return
    typical, usual = float(np.median(moved[known])), float(np.median(kept[known]))
    logs = np.log(moved[known] / typical)
    spread = 1.4826 * float(np.median(np.abs(logs)))
    limit = max(spread * (np.sqrt(2 * np.log(len(logs))) + _BEYOND), np.log(_TIMES))
    rows = np.flatnonzero(known)[(logs > limit) & (kept[known] < usual) & space.single[known]]
    if not len(rows):
        return
    rows = rows[np.argsort(-moved[rows], kind="stable")]
    names, first = space.names(rows), space.labels[rows[0]]
    most, own = moved[rows[0]], float(np.median(kept[rows]))
    yield space.finding(
        "moved_rows",
        "warning",
        Text(f"Rows with a much larger motion than the others: {len(rows):,}", f"移动远超其余的行：{len(rows):,}"),
        Text(
            f"{names.en}. Since the previous snapshot, {first} moved by {rounded(most)} radii of the space and the "
            f"median row by {rounded(typical)}, without the common rotation, shift and scale. These rows kept "
            f"{percent(own)} of their neighbors, the median row {percent(usual)}.",
            f"{names.zh}。去掉整体的旋转、平移与缩放后，自上一快照以来 {first} 移动了 {rounded(most)} 个空间半径，"
            f"中位行为 {rounded(typical)}。它们保留了 {percent(own)} 的近邻，中位行为 {percent(usual)}。",
        ),
        _MOVED,
        rows=rows,
        numbers={
            "num_rows": len(rows),
            "displacement": most,
            "median_displacement": typical,
            "neighbor_overlap": own,
            "usual_neighbor_overlap": usual,
        },
        details=[
            f"{space.labels[i]}: {rounded(moved[i])} ({rounded(moved[i] / typical)} ×), {percent(kept[i])}"
            for i in rows
        ],
    )


def find_moves_towards_groups(space: Space) -> Iterator[Finding]:
    """Find watched words that moved towards a group, by the tests of the analysis."""
    position = positions_of(space.labels)
    found = [d for d in space.analysis.directions if d.significant and d.label in position]
    if not found:
        return
    found.sort(key=lambda direction: direction.p_corrected)
    first, more = found[0], len(found) - 1
    yield space.finding(
        "moved_towards_group",
        "warning",
        Text(
            f"{first.label} moved towards {first.group}" + (f", and {more:,} more such moves" if more else ""),
            f"{first.label} 移向了 {first.group}" + (f"，另有 {more:,} 处" if more else ""),
        ),
        Text(
            f"Since the previous snapshot: {first.sentence()} (corrected for all watched words and groups).",
            f"自上一快照以来：{first.sentence_zh()}（已按所有观察词与分组校正）。",
        ),
        _MOVED_TOWARDS,
        rows=np.array(list(dict.fromkeys(position[direction.label] for direction in found))),
        numbers={
            "num_moves": len(found),
            "share_before": first.share_before,
            "share_after": first.share_after,
            "p_value": first.p_corrected,
        },
        details=[
            f"{d.label} → {d.group}: {d.share_before:.2f} → {d.share_after:.2f} (p = {d.p_corrected:.2g})"
            for d in found
        ],
    )
