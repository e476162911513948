"""Detectors of words that left their neighborhood, and of watched words that moved towards a group."""

from __future__ import annotations

import numpy as np

from visualdl_embedding.core.pairing import positions_of
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._finding import Finding
from visualdl_embedding.findings._remedies import CLEAN, PRETRAINED
from visualdl_embedding.findings._space import Space
from visualdl_embedding.findings._text import name_some, percent, rounded
from visualdl_embedding.findings._training import Cause, weigh

__all__ = ["find_moved_rows", "find_moves_towards_groups"]

_MIN_ROWS = 50
_BEYOND = 2.0
"""Excess of a row's log motion over the expected maximum of n normal values, in robust standard deviations."""
_TIMES = 2.0
"""Minimum motion relative to the median row; a space with similar motions everywhere has no movers."""

_CAUSES = (
    Cause(
        Text(
            "Their use has changed: newer data contain them in other contexts.",
            "它们的用法变了：新数据中它们出现在别的上下文里。",
        ),
        ("gradient_mean",),
        "higher",
    ),
    Cause(
        Text(
            "They are rare, and few samples had a large effect.",
            "它们出现得少，少量样本就造成较大位移。",
        ),
        ("lookups", "frequency"),
        "lower",
    ),
    Cause(
        Text(
            "They are trained more than the others: early in training, frequent words move first.",
            "它们比其余行训练得更多：训练早期高频词先移动。",
        ),
        ("lookups", "frequency"),
        "higher",
    ),
)
_REMEDIES = (
    CLEAN,
    Text(
        "If the change is real, inform downstream users of the old meaning, and add an alert rule for these words.",
        "若变化属实，通知依赖旧含义的下游，并为这些词设置告警规则。",
    ),
    PRETRAINED,
)


def find_moved_rows(space: Space) -> list[Finding]:
    """Find rows with a much larger motion than the others, and with new neighbors, since the previous snapshot."""
    moved, kept = space.values("displacement"), space.values("neighbor_overlap")
    if moved is None or kept is None:
        return []
    known = np.isfinite(moved) & np.isfinite(kept) & (moved > 0)
    if known.sum() < _MIN_ROWS:
        return []
    typical = float(np.median(moved[known]))
    logs = np.log(moved[known] / typical)
    spread = 1.4826 * float(np.median(np.abs(logs)))
    limit = spread * (np.sqrt(2 * np.log(len(logs))) + _BEYOND)
    usual = float(np.median(kept[known]))
    rows = np.flatnonzero(known)[(logs > max(limit, np.log(_TIMES))) & (kept[known] < usual)]
    if not len(rows):
        return []
    rows = rows[np.argsort(-moved[rows], kind="stable")]
    names = name_some([space.labels[i] for i in rows])
    causes, numbers = weigh(space, rows, _CAUSES)
    first, own = rows[0], float(np.median(kept[rows]))
    return [
        Finding.of(
            "moved_rows",
            "warning",
            Text(f"Rows with a much larger motion than the others: {len(rows):,}", f"移动远超其余的行：{len(rows):,}"),
            evidence=Text(
                f"{names.en}. Since the previous snapshot, {space.labels[first]} moved by {rounded(moved[first])} "
                f"radii of the space and the median row by {rounded(typical)}, without the common rotation, shift and "
                f"scale. These rows kept {percent(own)} of their neighbors, the median row {percent(usual)}.",
                f"{names.zh}。去掉整体的旋转、平移与缩放后，自上一快照以来 {space.labels[first]} 移动了 "
                f"{rounded(moved[first])} 个空间半径，中位行为 {rounded(typical)}。"
                f"它们保留了 {percent(own)} 的近邻，中位行为 {percent(usual)}。",
            ),
            causes=causes,
            next_check=Text(
                "Compare the two snapshots with a null pair (two trainings on the same data), and read recent samples "
                "of the first words.",
                "以空对照（同一数据的两次训练）比较这两个快照，并阅读前几个词的新样本。",
            ),
            rows=space.positions[rows],
            labels=space.snapshot.labels,
            numbers={
                "num_rows": len(rows),
                "displacement": float(moved[first]),
                "median_displacement": typical,
                "neighbor_overlap": own,
                "usual_neighbor_overlap": usual,
                **numbers,
            },
            details=[
                f"{space.labels[i]}: {rounded(float(moved[i]))} ({rounded(float(moved[i]) / typical)} ×), "
                f"{percent(float(kept[i]))}"
                for i in rows[:20]
            ],
            remedies=_REMEDIES,
        )
    ]


def find_moves_towards_groups(space: Space) -> list[Finding]:
    """Find watched words that moved towards a group, by the tests of the analysis."""
    found = sorted((d for d in space.directions if d.significant), key=lambda direction: direction.p_corrected)
    position = positions_of(space.labels)
    found = [direction for direction in found if direction.label in position]
    if not found:
        return []
    rows = np.array(list(dict.fromkeys(position[direction.label] for direction in found)), dtype=np.intp)
    causes, numbers = weigh(space, rows, _CAUSES)
    first = found[0]
    return [
        Finding.of(
            "moved_towards_group",
            "warning",
            Text(
                f"{first.label} moved towards {first.group}"
                + (f", and {len(found) - 1:,} more such moves" if len(found) > 1 else ""),
                f"{first.label} 移向了 {first.group}" + (f"，另有 {len(found) - 1:,} 处" if len(found) > 1 else ""),
            ),
            evidence=Text(
                f"Since the previous snapshot: {first.sentence()} (corrected for all watched words and groups).",
                f"自上一快照以来：{first.sentence_zh()}（已按所有观察词与分组校正）。",
            ),
            causes=causes,
            next_check=Text(
                "Read samples of these words from before and after, and check whether the motion continues at the next "
                "snapshot.",
                "对照阅读这些词在前后两个时期的样本，并检查下一个快照中移动是否继续。",
            ),
            rows=space.positions[rows],
            labels=space.snapshot.labels,
            numbers={
                "num_moves": len(found),
                "share_before": first.share_before,
                "share_after": first.share_after,
                "p_value": first.p_corrected,
                **numbers,
            },
            details=[
                f"{d.label} → {d.group}: {d.share_before:.2f} → {d.share_after:.2f} (p = {d.p_corrected:.2g})"
                for d in found
            ],
            remedies=_REMEDIES,
        )
    ]
