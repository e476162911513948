"""Detectors of groups that are not visible in the space, and of words among another group."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._finding import Finding
from visualdl_embedding.findings._purity import NO_CLASS, SHUFFLES, ClassPurity, class_purity, same_class_share
from visualdl_embedding.findings._remedies import CLEAN, CONTRAST, PRETRAINED
from visualdl_embedding.findings._space import Space
from visualdl_embedding.findings._text import name_some, percent
from visualdl_embedding.findings._training import Cause, weigh

__all__ = ["find_mixed_groups"]

_MIN_CLASS = 5
_MIN_ROWS = 20
_N_NEIGHBORS = 15
_ENOUGH = 8
"""Minimum mean number of grouped neighbors per row; below it, neighbors are computed among grouped rows only."""
_BY_CHANCE = 0.05
"""Binomial significance level for neighbors in another group, given that group's size."""
_TOLD_APART = 0.75
"""Area under the ROC curve above which a linear probe distinguishes groups."""
_MISPLACED = (
    Cause(
        Text(
            "They are used in the contexts of the other group: irony, negation, or a sense that the group column "
            "ignores.",
            "它们被用在另一分组的上下文中：反讽、否定，或分组列未考虑的词义。",
        ),
    ),
    Cause(
        Text(
            "Label noise: contradictory samples, whose gradients remain high; or a wrong entry in the group column.",
            "标签噪声：相互矛盾的样本使梯度居高不下；或分组列中的条目有误。",
        ),
        ("gradient_mean",),
        "higher",
        matched=True,
    ),
    Cause(
        Text(
            "Too few samples to move them to their place.",
            "样本太少，尚未移动到应在的位置。",
        ),
        ("lookups", "frequency"),
        "lower",
    ),
    Cause(
        Text(
            "Domain shift: newer data use them differently, and they are still moving.",
            "领域漂移：新数据以不同方式使用它们，它们正在移动途中。",
        ),
        ("neighbor_overlap",),
        "lower",
    ),
)


@dataclass(frozen=True)
class _Grouped:
    """Rows with a group.

    Attributes
    ----------
    rows
        ``(m,)`` positions in the space.
    codes
        ``(m,)`` int32 group of each row.
    names
        Group names.
    indices
        ``(m, k)`` int32: nearest of them, as positions in `rows`.
    theirs
        ``(m, k)`` int32 group of each neighbor; -1 for none.
    """

    rows: NDArray[np.intp]
    codes: NDArray[np.int32]
    names: tuple[str, ...]
    neighbors: NDArray[np.intp]
    theirs: NDArray[np.int32]
    purity: ClassPurity
    share_same: NDArray[np.float64]


def _grouped(space: Space, column: str) -> _Grouped | None:
    """Return the rows of groups of at least five, or None if there are fewer than two such groups."""
    cells = space.snapshot.rows.columns.get(column)
    if cells is None or not space.neighbors.n_neighbors:
        return None
    values = [cells[position].strip() for position in space.positions]
    counts = Counter(value for value in values if value)
    names = tuple(name for name, count in counts.most_common() if count >= _MIN_CLASS)
    if len(names) < 2 or sum(counts[name] for name in names) < _MIN_ROWS:
        return None
    code_of = {name: code for code, name in enumerate(names)}
    all_codes = np.array([code_of.get(value, NO_CLASS) for value in values], dtype=np.int32)
    rows = np.flatnonzero(all_codes != NO_CLASS)
    graph = space.neighbors.indices[:, :_N_NEIGHBORS]
    if (all_codes[graph[rows]] != NO_CLASS).sum(axis=1).mean() < _ENOUGH:
        found = nearest_neighbors(
            space.vectors[rows],
            min(_N_NEIGHBORS, len(rows) - 1),
            distance=space.neighbors.distance,
            random_state=space.random_state,
        )
        codes, indices = all_codes[rows], found.indices
        neighbors = rows[indices]
        purity = class_purity(indices, codes, len(names), random_state=space.random_state)
        share_same = same_class_share(indices, codes)
    else:
        neighbors = graph[rows].astype(np.intp)
        purity = class_purity(graph, all_codes, len(names), random_state=space.random_state)
        share_same = same_class_share(graph, all_codes)[rows]
    return _Grouped(rows, all_codes[rows], names, neighbors, all_codes[neighbors], purity, share_same)


def find_mixed_groups(space: Space, column: str) -> list[Finding]:
    """Find groups whose rows have no more neighbors of their own group than by chance, and rows among another group."""
    grouped = _grouped(space, column)
    if grouped is None:
        return []
    return [*_mixed_groups(space, grouped, column), *_misplaced(space, grouped, column)]


def _mixed_groups(space: Space, grouped: _Grouped, column: str) -> list[Finding]:
    purity, names = grouped.purity, grouped.names
    limits = np.quantile(purity.shuffled, 0.95, axis=0)
    mixed = [code for code in range(len(names)) if purity.observed[code] <= limits[code]]
    if not mixed:
        return []
    counts = np.bincount(grouped.codes, minlength=len(names))
    chance = (counts - 1) / (len(grouped.rows) - 1)
    concerned = np.flatnonzero(np.isin(grouped.codes, mixed))
    concerned = concerned[np.argsort(grouped.share_same[concerned], kind="stable")]
    listed = name_some([names[code] for code in mixed])
    # The probe of the analysis uses the column with this name.
    auc = space.scalar("probe_auc") if column == "group" else np.nan
    worst = min(mixed, key=lambda code: float(purity.observed[code] - chance[code]))
    observed, usual, limit = (percent(float(v[worst])) for v in (purity.observed, chance, limits))
    return [
        Finding.of(
            "mixed_groups",
            "warning",
            Text(f"Groups not visible in the space: {listed.en}", f"空间中不可见的分组：{listed.zh}"),
            evidence=Text(
                f"By column {column!r}, the rows of {len(mixed):,} of {len(names):,} groups have no more neighbors in "
                f"their own group than shuffled groups have. For {names[worst]} the share is {observed}; chance gives "
                f"{usual} and 95% of {SHUFFLES} shuffles are below {limit}.",
                f"按列 {column!r}，{len(names):,} 个分组中有 {len(mixed):,} 个，"
                f"其成员的同组近邻并不比随机打乱的分组更多。"
                f"{names[worst]} 为 {observed}，随机期望为 {usual}，{SHUFFLES} 次打乱中有 95% 不超过 {limit}。",
            )
            + _probe(auc),
            causes=[
                Text(
                    "The training does not require the difference: the loss does not involve these groups, or this "
                    "layer leaves it to later layers.",
                    "训练不需要这种区别：损失函数从未涉及这些分组，或该层把区分留给了后面的层。",
                ),
                Text(
                    "Antonyms occur in the same contexts (高兴 and 悲伤), and the model only sees contexts.",
                    "反义词出现在相同的上下文中（如“高兴”和“悲伤”），而模型只看到上下文。",
                ),
                Text(
                    "Label noise: the training samples mix these groups too.",
                    "标签噪声：训练样本本身就混淆了这些分组。",
                ),
                Text(
                    "Domain shift: the groups apply to other data than the training data of the table.",
                    "领域漂移：这些分组适用的数据与该表的训练数据不同。",
                ),
                Text("Groups that are too small, or a wrong column.", "分组太小，或该列本身有误。"),
            ],
            next_check=Text(
                "Read samples of the words with the fewest neighbors in their own group, and check whether the linear "
                "probe (probe_auc) or the purity of the groups increases during training.",
                "阅读同组近邻最少的那些词的样本，并检查线性探针（probe_auc）或分组纯度是否随训练增大。",
            ),
            rows=space.positions[grouped.rows[concerned]],
            labels=space.snapshot.labels,
            numbers={
                "num_mixed": len(mixed),
                "num_groups": len(names),
                "purity": float(purity.observed[worst]),
                "chance": float(chance[worst]),
                "shuffled_95": float(limits[worst]),
                "overall_purity": purity.overall,
                "probe_auc": auc,
            },
            details=[
                f"{names[code]}: {percent(float(purity.observed[code]))} (≤ {percent(float(limits[code]))}, n = "
                f"{counts[code]:,})"
                for code in mixed
            ],
            remedies=[CONTRAST, CLEAN, PRETRAINED],
        )
    ]


def _probe(auc: float) -> Text:
    """Describe the result of the linear probe: groups may differ in ways that neighbors do not show."""
    if np.isnan(auc):
        return Text("", "")
    if auc >= _TOLD_APART:
        return Text(
            f"A linear probe distinguishes the groups (AUC {auc:.2f}): the difference exists, but is small compared "
            "with others.",
            f"线性探针能够区分各分组（AUC {auc:.2f}）：差异存在，但被其他因素掩盖。",
        )
    return Text(
        f"A linear probe does not distinguish the groups well either (AUC {auc:.2f}, chance 0.5).",
        f"线性探针同样难以区分各分组（AUC {auc:.2f}，随机为 0.5）。",
    )


def _misplaced(space: Space, grouped: _Grouped, column: str) -> list[Finding]:
    """Find rows with most of their neighbors in one other group, in a space where groups are visible."""
    from scipy.stats import binom

    if not grouped.purity.overall > grouped.purity.overall_shuffled.max():
        return []
    n_groups, m = len(grouped.names), len(grouped.rows)
    known = (grouped.theirs != NO_CLASS).sum(axis=1)
    votes = np.stack([(grouped.theirs == code).sum(axis=1) for code in range(n_groups)], axis=1)
    votes[np.arange(m), grouped.codes] = 0
    other = votes.argmax(axis=1)
    top = votes[np.arange(m), other]
    size = np.bincount(grouped.codes, minlength=n_groups) / m
    by_chance = binom.sf(top - 1, known, size[other])
    out = np.flatnonzero((known >= 5) & (top > known / 2) & (by_chance <= _BY_CHANCE))
    if not len(out):
        return []
    share = top[out] / known[out]
    out = out[np.lexsort((by_chance[out], -share))]
    rows = grouped.rows[out]
    labels = space.labels
    details = []
    for i in out[:20]:
        foreign = [labels[j] for j in grouped.neighbors[i][grouped.theirs[i] == other[i]]]
        details.append(
            f"{labels[grouped.rows[i]]} ({grouped.names[grouped.codes[i]]}) → {grouped.names[other[i]]} "
            f"{top[i]}/{known[i]}: {', '.join(foreign[:6])}"
        )
    first = out[0]
    word, own, foreign_group = labels[rows[0]], grouped.names[grouped.codes[first]], grouped.names[other[first]]
    near = name_some([labels[j] for j in grouped.neighbors[first][grouped.theirs[first] == other[first]][:5]])
    pairs = Counter((grouped.names[grouped.codes[i]], grouped.names[other[i]]) for i in out)
    (most_own, most_other), most = pairs.most_common(1)[0]
    note, frequency = space.compare_frequency(rows)
    causes, numbers = weigh(space, rows, _MISPLACED)
    return [
        Finding.of(
            "misplaced_rows",
            "warning",
            Text(f"Rows among another group: {len(out):,}", f"落在别的分组之中的行：{len(out):,}"),
            evidence=Text(
                f"By column {column!r}: {word} ({own}) has {top[first]} of {known[first]} nearest neighbors with a "
                f"group in {foreign_group}: {near.en}. Of {m:,} rows, {len(out):,} have most of their neighbors in "
                f"another group; {most:,} of them are {most_own} among {most_other}. Overall the groups are visible: "
                f"{percent(grouped.purity.overall)} of neighbors are in the same group, after shuffling "
                f"{percent(float(grouped.purity.overall_shuffled.mean()))}.",
                f"按列 {column!r}：{word}（{own}）的 {known[first]} 个有分组的最近邻中，{top[first]} 个属于 "
                f"{foreign_group}：{near.zh}。{m:,} 行中有 {len(out):,} 行的近邻多数属于另一个分组，其中 {most:,} 行是 "
                f"{most_own} 落在 {most_other} 之中。总体上分组是可见的：{percent(grouped.purity.overall)} 的近邻同组，"
                f"随机打乱时为 {percent(float(grouped.purity.overall_shuffled.mean()))}。",
            )
            + note,
            causes=causes,
            next_check=Text(
                "Read ten training samples of the first words, and check whether their neighbors change over the last "
                "snapshots.",
                "阅读前几个词的十条训练样本，并查看它们的近邻在最近几个快照中是否变化。",
            ),
            rows=space.positions[rows],
            labels=space.snapshot.labels,
            numbers={
                "num_rows": len(out),
                "share": len(out) / m,
                "overall_purity": grouped.purity.overall,
                "shuffled_purity": float(grouped.purity.overall_shuffled.mean()),
                **frequency,
                **numbers,
            },
            details=details,
            remedies=[CLEAN, CONTRAST, PRETRAINED],
        )
    ]
