"""Detectors of groups that are not visible, of words among another group, and of scripts that are separate."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import metrics
from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.core.text import Text
from visualdl_embedding.drift import correct
from visualdl_embedding.findings._advice import CLEAN, PRETRAINED, Advice, Cause, texts
from visualdl_embedding.findings._finding import EMPTY, Finding, name_some, percent
from visualdl_embedding.findings._shared import NO_CLASS, SHUFFLES, ClassPurity, Space, class_purity

__all__ = ["Script", "find_mixed_groups", "find_scripts", "script_of"]

_MIN_CLASS = 5
_MIN_ROWS = 20
_N_NEIGHBORS = 15
_ENOUGH = 8
"""Minimum mean number of grouped neighbors per row; below it, neighbors are computed among grouped rows only."""
_BY_CHANCE = 0.05
"""Binomial significance level for neighbors in another group, given that group's size …"""
_FALSE = 0.05
"""… and false discovery rate over all rows, given that group's share among the neighbors of their own group."""
_TOLD_APART = 0.75
"""Area under the ROC curve above which a linear probe distinguishes groups."""
_CONTRAST = Text(
    "Add a contrastive loss with a small weight that attracts words of one group and separates groups, with a lexicon "
    "as weak supervision.",
    "加入对比损失：以词典为弱监督，增加一个小权重的辅助损失，拉近同组的词、拉开不同组。",
)
_MIXED = Advice(
    check="Read samples of the words with the fewest neighbors in their own group, and check whether the linear probe "
    "(probe_auc) or the purity of the groups increases during training.",
    check_zh="阅读同组近邻最少的那些词的样本，并检查线性探针（probe_auc）或分组纯度是否随训练增大。",
    causes=texts(
        "The training does not require the difference: the loss does not involve these groups, or this layer leaves it "
        "to later layers.",
        "训练不需要这种区别：损失函数从未涉及这些分组，或该层把区分留给了后面的层。",
        "Antonyms occur in the same contexts (高兴 and 悲伤), and the model only sees contexts.",
        "反义词出现在相同的上下文中（如“高兴”和“悲伤”），而模型只看到上下文。",
        "Label noise: the training samples mix these groups too.",
        "标签噪声：训练样本本身就混淆了这些分组。",
        "Domain shift: the groups apply to other data than the training data of the table.",
        "领域漂移：这些分组适用的数据与该表的训练数据不同。",
        "Groups that are too small, or a wrong column.",
        "分组太小，或该列本身有误。",
    ),
    remedies=(_CONTRAST, CLEAN, PRETRAINED),
)
_MISPLACED = Advice(
    check="Read ten training samples of the first words, and check whether their neighbors change over the last "
    "snapshots.",
    check_zh="阅读前几个词的十条训练样本，并查看它们的近邻在最近几个快照中是否变化。",
    causes=(
        Text(
            "They are used in the contexts of the other group: irony, negation, or a sense that the group column "
            "ignores.",
            "它们被用在另一分组的上下文中：反讽、否定，或分组列未考虑的词义。",
        ),
        Cause(
            "Label noise: contradictory samples, whose gradients remain high; or a wrong entry in the group column.",
            "标签噪声：相互矛盾的样本使梯度居高不下；或分组列中的条目有误。",
            higher=("gradient_mean",),
            matched=True,
        ),
        Cause(
            "Too few samples to move them to their place.",
            "样本太少，尚未移动到应在的位置。",
            lower=("lookups", "frequency"),
        ),
        Cause(
            "Domain shift: newer data use them differently, and they are still moving.",
            "领域漂移：新数据以不同方式使用它们，它们正在移动途中。",
            lower=("neighbor_overlap",),
        ),
    ),
    remedies=(CLEAN, _CONTRAST, PRETRAINED),
)
Script = Literal["digits", "latin", "han", "kana", "hangul", "punctuation", "other", "mixed"]
SCRIPTS: dict[Script, Text] = {
    "digits": Text("Digits", "数字"),
    "latin": Text("Latin letters", "拉丁字母"),
    "han": Text("Chinese characters", "汉字"),
    "kana": Text("Kana", "假名"),
    "hangul": Text("Hangul", "谚文"),
    "punctuation": Text("Punctuation and symbols", "标点和符号"),
    "other": Text("Other scripts", "其他文字"),
    "mixed": Text("Labels of several scripts", "混合文字的标签"),
}
"""Names of the classes of labels."""
_MARKS = re.compile(r"^(?:##|▁|Ġ)|@@$| \(-?\d+\)$")
"""Marks that tokenizers and this library add to a word."""
_BEGINNINGS: dict[Script, tuple[str, ...]] = {
    "latin": ("LATIN ", "FULLWIDTH LATIN "),
    "han": ("CJK ", "IDEOGRAPHIC "),
    "kana": ("HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA"),
    "hangul": ("HANGUL ", "HALFWIDTH HANGUL"),
}
"""Beginnings of the Unicode names of characters."""
_MIN_CLASS = 5
_MIN_ROWS = 20
_KAPPA = 0.3
"""Minimum purity, as a share of the way from chance to perfect separation."""
_STRONG = 0.6
_SCRIPT_CORNER = Advice(
    check="Color the map by script; then check whether these labels are near related words (a number near its unit, a "
    "brand near its products). If the task does not use them, they are harmless.",
    check_zh="按文字类别给图着色，检查这些标签是否靠近相关的词（数字靠近单位，品牌靠近产品）。若任务用不到它们，则可以忽略。",
    causes=texts(
        "They occur in the same contexts, independent of their meaning, as expected for numbers and punctuation.",
        "它们总是出现在同类上下文中，与含义无关：数字和标点往往如此。",
        "Word pieces from tokenization: they receive gradients of many words and the meaning of none.",
        "分词切出的碎片：得到许多词的梯度，却没有任何一个词的含义。",
        "They are rare in the training data, or removed by normalization, and remain close to their initial values.",
        "它们在训练数据中很少，或被规范化去掉，因此停留在初始位置附近。",
    ),
)


@dataclass(frozen=True)
class _Grouped:
    """The m rows with a group, their ``(m, k)`` neighbors (both as positions in the space), and the groups of both."""

    rows: NDArray[np.intp]
    codes: NDArray[np.int32]
    names: tuple[str, ...]
    neighbors: NDArray[np.intp]
    theirs: NDArray[np.int32]
    purity: ClassPurity


def _grouped(space: Space) -> _Grouped | None:
    """Return the rows of groups of at least five, or None if there are fewer than two such groups."""
    cells = space.snapshot.rows.columns.get(space.group_column)
    if cells is None or not space.neighbors.n_neighbors:
        return None
    values = [cells[position].strip() for position in space.positions]
    counts = Counter(filter(None, values))
    names = tuple(name for name, count in counts.most_common() if count >= _MIN_CLASS)
    if len(names) < 2 or sum(counts[name] for name in names) < _MIN_ROWS:
        return None
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.array([code_of.get(value, NO_CLASS) for value in values], dtype=np.int32)
    rows = np.flatnonzero(codes != NO_CLASS)
    among, graph = np.arange(len(space)), space.neighbors.indices[:, :_N_NEIGHBORS]
    if (codes[graph[rows]] != NO_CLASS).sum(axis=1).mean() < _ENOUGH:
        k, state = min(_N_NEIGHBORS, len(rows) - 1), space.random_state
        distance = space.neighbors.distance
        among, graph = rows, nearest_neighbors(space.vectors[rows], k, distance=distance, random_state=state).indices
    purity = class_purity(graph, codes[among], len(names), random_state=space.random_state)
    grouped = np.isin(among, rows)
    neighbors, purity = among[graph[grouped]], replace(purity, rows=purity.rows[grouped])
    return _Grouped(rows, codes[rows], names, neighbors, codes[neighbors], purity)


def find_mixed_groups(space: Space) -> Iterator[Finding]:
    """Find groups whose rows have no more neighbors of their own group than by chance, and rows among another group."""
    grouped = _grouped(space)
    if grouped is not None:
        yield from _find_mixed(space, grouped)
        # Where groups are not visible, a row among another group is not misplaced.
        if grouped.purity.overall > grouped.purity.overall_shuffled.max():
            yield from _find_misplaced(space, grouped)


def _find_mixed(space: Space, grouped: _Grouped) -> Iterator[Finding]:
    purity, names, column = grouped.purity, grouped.names, space.group_column
    limits = np.quantile(purity.shuffled, 0.95, axis=0)
    mixed = [code for code in range(len(names)) if purity.observed[code] <= limits[code]]
    if not mixed:
        return
    counts = np.bincount(grouped.codes, minlength=len(names))
    chance = (counts - 1) / (len(grouped.rows) - 1)
    concerned = np.flatnonzero(np.isin(grouped.codes, mixed))
    concerned = concerned[np.argsort(purity.rows[concerned], kind="stable")]
    listed = name_some([names[code] for code in mixed])
    worst = min(mixed, key=lambda code: float(purity.observed[code] - chance[code]))
    observed, usual, limit = (percent(v[worst]) for v in (purity.observed, chance, limits))
    # The probe of the analysis uses the column with this name. Groups may differ in ways that neighbors do not show.
    auc = space.scalar("probe_auc") if column == "group" else np.nan
    probe = EMPTY
    if auc >= _TOLD_APART:
        probe = Text(
            f"A linear probe distinguishes the groups (AUC {auc:.2f}): the difference exists, but is small compared "
            "with others.",
            f"线性探针能够区分各分组（AUC {auc:.2f}）：差异存在，但被其他因素掩盖。",
        )
    elif not np.isnan(auc):
        probe = Text(
            f"A linear probe does not distinguish the groups well either (AUC {auc:.2f}, chance 0.5).",
            f"线性探针同样难以区分各分组（AUC {auc:.2f}，随机为 0.5）。",
        )
    yield space.finding(
        "mixed_groups",
        "warning",
        Text(f"Groups not visible in the space: {listed.en}", f"空间中不可见的分组：{listed.zh}"),
        Text(
            f"By column {column!r}, the rows of {len(mixed):,} of {len(names):,} groups have no more neighbors in "
            f"their own group than shuffled groups have. For {names[worst]} the share is {observed}; chance gives "
            f"{usual} and 95% of {SHUFFLES} shuffles are below {limit}.",
            f"按列 {column!r}，{len(names):,} 个分组中有 {len(mixed):,} 个，其成员的同组近邻并不比随机打乱的分组更多。"
            f"{names[worst]} 为 {observed}，随机期望为 {usual}，{SHUFFLES} 次打乱中有 95% 不超过 {limit}。",
        )
        + probe,
        _MIXED,
        rows=grouped.rows[concerned],
        numbers={
            "num_mixed": len(mixed),
            "num_groups": len(names),
            "purity": purity.observed[worst],
            "chance": chance[worst],
            "shuffled_95": limits[worst],
            "overall_purity": purity.overall,
            "probe_auc": auc,
        },
        details=[
            f"{names[c]}: {percent(purity.observed[c])} (≤ {percent(limits[c])}, n = {counts[c]:,})" for c in mixed
        ],
    )


def _find_misplaced(space: Space, grouped: _Grouped) -> Iterator[Finding]:
    """Find rows with most of their neighbors in one other group, at a controlled false discovery rate."""
    from scipy.stats import binom

    names, labels, m = grouped.names, space.labels, len(grouped.rows)
    known = (grouped.theirs != NO_CLASS).sum(axis=1)
    votes = np.stack([(grouped.theirs == code).sum(axis=1) for code in range(len(names))], axis=1)
    by_group = np.stack([votes[grouped.codes == code].sum(axis=0) for code in range(len(names))])
    usual = by_group / np.maximum(by_group.sum(axis=1, keepdims=True), 1)
    votes[np.arange(m), grouped.codes] = 0
    other, top = votes.argmax(axis=1), votes.max(axis=1)
    size = np.bincount(grouped.codes, minlength=len(names)) / m
    by_chance = binom.sf(top - 1, known, size[other])
    # Among the neighbors of a group that overlaps another one, the other's share exceeds its size.
    unusual = np.minimum((len(names) - 1) * binom.sf(top - 1, known, usual[grouped.codes, other]), 1.0)
    found = correct(np.where(known >= 5, unusual, np.nan), "fdr") <= _FALSE
    out = np.flatnonzero(found & (top > known / 2) & (by_chance <= _BY_CHANCE))
    if not len(out):
        return
    out = out[np.lexsort((by_chance[out], -top[out] / known[out]))]

    def foreign(i: int) -> list[str]:
        return [labels[j] for j in grouped.neighbors[i][grouped.theirs[i] == other[i]]]

    pairs = [(names[grouped.codes[i]], names[other[i]]) for i in out]
    (own, among), first = pairs[0], out[0]
    word, near = labels[grouped.rows[first]], name_some(foreign(first)[:5])
    (most_own, most_among), most = Counter(pairs).most_common(1)[0]
    visible, shuffled = grouped.purity.overall, float(grouped.purity.overall_shuffled.mean())
    yield space.finding(
        "misplaced_rows",
        "warning",
        Text(f"Rows among another group: {len(out):,}", f"落在别的分组之中的行：{len(out):,}"),
        Text(
            f"By column {space.group_column!r}: {word} ({own}) has {top[first]} of {known[first]} nearest neighbors "
            f"with a group in {among}: {near.en}. Of {m:,} rows, {len(out):,} have most of their neighbors in another "
            f"group, unlike their own group (false discovery rate at most {percent(_FALSE)}); {most:,} of them are "
            f"{most_own} among {most_among}. Overall the groups are visible: {percent(visible)} of neighbors are in "
            f"the same group, after shuffling {percent(shuffled)}.",
            f"按列 {space.group_column!r}：{word}（{own}）的 {known[first]} 个有分组的最近邻中，{top[first]} 个属于 "
            f"{among}：{near.zh}。{m:,} 行中有 {len(out):,} 行的近邻多数属于另一个分组，与同组其余行不同"
            f"（错误发现率至多 {percent(_FALSE)}），其中 {most:,} 行是 {most_own} 落在 {most_among} 之中。"
            f"总体上分组是可见的：{percent(visible)} 的近邻同组，随机打乱时为 {percent(shuffled)}。",
        ),
        _MISPLACED,
        rows=grouped.rows[out],
        numbers={
            "num_rows": len(out),
            "share": len(out) / m,
            "false_discovery_rate": _FALSE,
            "overall_purity": visible,
            "shuffled_purity": shuffled,
        },
        details=[
            f"{labels[grouped.rows[i]]} ({home}) → {away} {top[i]}/{known[i]}: {', '.join(foreign(i)[:6])}"
            for i, (home, away) in zip(out[:20], pairs[:20], strict=True)
        ],
        by_frequency=True,
    )


@lru_cache(maxsize=65536)
def _script_of_character(character: str) -> Script | None:
    """Script of a character; None for marks and white space."""
    category, name = unicodedata.category(character), unicodedata.name(character, "")
    if category[0] == "N" and not name.startswith(_BEGINNINGS["han"]):
        return "digits"
    if category[0] in "PS":
        return "punctuation"
    if category[0] not in "LN":
        return None
    return next((script for script, starts in _BEGINNINGS.items() if name.startswith(starts)), "other")


def script_of(label: str) -> Script:
    """Classify the script of a label.

    Numbers may contain signs (``3.5``, ``50%``), words too (``don't``), and kana may occur with Chinese characters;
    marks of tokenizers (``##``, ``▁``, ``@@``) and the id after an ambiguous label are ignored.

    >>> script_of("2024"), script_of("##ing"), script_of("高兴"), script_of("T恤"), script_of("！")
    ('digits', 'latin', 'han', 'mixed', 'punctuation')
    """
    plain = _MARKS.sub("", label) or label
    found = {script for character in plain if (script := _script_of_character(character))}
    if len(found) > 1:
        found.discard("punctuation")
    if found == {"han", "kana"}:
        return "kana"
    if not found:
        return "other"
    return found.pop() if len(found) == 1 else "mixed"


def find_scripts(space: Space) -> Iterator[Finding]:
    """Find scripts whose rows have mostly neighbors of the same script; one finding for each."""
    n = len(space)
    if n < _MIN_ROWS or not space.neighbors.n_neighbors:
        return
    names, scripts = list(SCRIPTS), [script_of(label) for label in space.labels]
    counts = Counter(scripts)
    # The script of most rows is the main language of the table.
    chosen = [s for s in names if s not in ("other", "mixed") and _MIN_CLASS <= counts[s] <= n / 2]
    if not chosen:
        return
    codes = np.array([names.index(script) for script in scripts], dtype=np.int32)
    k = min(space.neighbors.n_neighbors, 15)
    purity = class_purity(space.neighbors.indices[:, :k], codes, len(names), random_state=space.random_state)
    for script in chosen:
        code, count = names.index(script), counts[script]
        share, limit = float(purity.observed[code]), float(purity.shuffled[:, code].max())
        chance = (count - 1) / (n - 1)
        # The maximum purity of a class is lower if it has fewer rows than neighbors.
        kappa = (share - chance) / (min(1.0, (count - 1) / k) - chance)
        if not (share > limit and kappa >= _KAPPA):
            continue
        rows = np.flatnonzero(codes == code)
        rows = rows[np.lexsort((space.steps[rows, 0], -purity.rows[rows]))]
        some, title = space.names(rows), SCRIPTS[script]
        yield space.finding(
            "script_corner",
            "warning" if kappa >= _STRONG else "info",
            Text(f"{title.en} are separate", f"{title.zh}自成一簇"),
            Text(
                f"{count:,} labels ({some.en}): {percent(share)} of their {k} nearest neighbors have the same script, "
                f"compared with {percent(chance)} by chance and at most {percent(limit)} in {SHUFFLES} shuffles.",
                f"{count:,} 个标签（{some.zh}）：其 {k} 个最近邻中 {percent(share)} 属于同一文字类别，随机期望为 "
                f"{percent(chance)}，{SHUFFLES} 次随机打乱的最大值为 {percent(limit)}。",
            ),
            _SCRIPT_CORNER,
            rows=rows,
            numbers={
                "num_rows": count,
                "purity": share,
                "chance": chance,
                "shuffled_max": limit,
                "over_chance": kappa,
                "mean_cosine": metrics.mean_cosine(space.vectors[rows]),
                "mean_cosine_all": space.scalar("mean_cosine"),
            },
        )
