"""Detectors of what training did: missing lookups, and motion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from visualdl_embedding.core.pairing import positions_of
from visualdl_embedding.core.text import Text
from visualdl_embedding.drift import rank_rows, strata_of
from visualdl_embedding.findings._advice import CLEAN, INITIALIZE, LEAVE_OUT, PRETRAINED, Advice, Cause, texts
from visualdl_embedding.findings._finding import Finding, percent, rounded
from visualdl_embedding.findings._shared import Space
from visualdl_embedding.metrics import never_trained

__all__ = ["find_moved_rows", "find_moves_towards_groups", "find_never_looked_up"]

_ENOUGH_LOOKUPS = 10
"""Lookups per watched row at which a row without lookups is not just early in training."""
_MANY = 0.1
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
"""Excess of a row's log motion over the expected maximum of n normal values, in robust deviations of its stratum."""
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
    """Find rows with a much larger motion than rows of similar frequency, and new neighbors, since the last snapshot.

    They are ordered by evidence, as in `drift`: the motion of rare rows is large at every step.
    """
    moved, kept = space.values.get("displacement"), space.values.get("neighbor_overlap")
    if moved is None or kept is None:
        return
    known = np.isfinite(moved) & np.isfinite(kept) & (moved > 0)
    if known.sum() < _MIN_MOVING:
        return
    typical, usual = float(np.median(moved[known])), float(np.median(kept[known]))
    logs = np.log(np.where(known, moved, typical) / typical)
    column = space.snapshot.rows.columns.get(space.frequency_column)
    strata = strata_of(None if column is None else [column[i] for i in space.positions], len(space))
    ranked = rank_rows(np.where(known, logs, np.nan)[None], strata, reference=known)
    excess = ranked.residuals[0] > np.sqrt(2 * np.log(known.sum())) + _BEYOND
    chosen = known & excess & (logs > np.log(_TIMES)) & (kept < usual) & space.single
    rows = ranked.order()
    rows = rows[chosen[rows]]
    if not len(rows):
        return
    names, first = space.names(rows), space.labels[rows[0]]
    most, own = moved[rows[0]], float(np.median(kept[rows]))
    yield space.finding(
        "moved_rows",
        "warning",
        Text(f"Rows with a much larger motion than the others: {len(rows):,}", f"移动远超其余的行：{len(rows):,}"),
        Text(
            f"{names.en}. Since the previous snapshot, {first} moved by {rounded(most)} radii of the space and the "
            f"median row by {rounded(typical)}, without the common rotation, shift and scale. These rows kept "
            f"{percent(own)} of their neighbors, the median row {percent(usual)}."
            + (" They are compared with rows of similar frequency, strongest evidence first." if strata.any() else ""),
            f"{names.zh}。去掉整体的旋转、平移与缩放后，自上一快照以来 {first} 移动了 {rounded(most)} 个空间半径，"
            f"中位行为 {rounded(typical)}。它们保留了 {percent(own)} 的近邻，中位行为 {percent(usual)}。"
            + ("各行与词频相近的行比较，证据最强的在前。" if strata.any() else ""),
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
