"""Detectors of spaces with few directions, and of hubs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from visualdl_embedding import metrics
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._finding import EMPTY, PRETRAINED, Advice, Finding, percent, rounded, texts
from visualdl_embedding.findings._shared import Space

__all__ = ["find_collapse", "find_hubs"]

_MIN_ROWS = 10
_MIN_DIM = 8
_COSINE = (0.5, 0.9)
"""Mean cosine at which a cone is a warning, and critical."""
_RANK = (0.2, 0.05)
"""Effective rank, as a share of the possible rank, below which it is reported; 0.9 for a power law of 1 / rank."""
_HUB = 10
"""Minimum number of times that a hub is a neighbor, relative to the mean …"""
_HUB_SHARE = 0.1
"""… and as a share of all rows: below 0.07 in Gaussian spaces with power-law spectra, by cosine."""
_COLLAPSE = Advice(
    check="Subtract the mean row (and the first components), and check whether neighbors improve; watch mean_cosine "
    "and effective_rank during training.",
    check_zh="减去均值行（以及前几个主成分），检查近邻是否改善；在训练中观察 mean_cosine 和 effective_rank。",
    causes=texts(
        "A common mean due to unbalanced frequencies, frequent in language models.",
        "频率不均衡的训练给所有行加上了共同的均值；这在语言模型中很常见。",
        "A loss without negatives or regularization, which is minimal if all rows are equal.",
        "损失函数没有负样本或正则，所有行一致时即可满足。",
        "More columns than the task requires, or a learning rate that is too high and moves all rows in one direction.",
        "列数超过任务所需，或学习率过高使所有行朝同一方向移动。",
    ),
    remedies=(
        *texts(
            "Center the rows, and remove the first components, before neighbors are computed: no training is needed.",
            "在查询近邻的地方先减去均值并去掉前几个主成分：无需重新训练。",
            "Train with negatives, or with a regularization that decorrelates columns; effective_rank should increase.",
            "训练时加入负样本，或加入使各列相互区分的正则项；观察 effective_rank 上升。",
        ),
        PRETRAINED,
    ),
)
_HUBS = Advice(
    check="Subtract the mean row and check whether the hubs remain; exclude them from neighbor lists shown to users.",
    check_zh="减去均值行后检查它们是否仍是枢纽；在给用户看的近邻列表中排除它们。",
    causes=texts(
        "Rows close to the common direction of all rows: frequent words, or rows with little training.",
        "靠近所有行共同方向的行：高频词，或训练不足的行。",
        "A collapsed space with similar distances everywhere.",
        "空间坍缩，所有距离都差不多。",
    ),
)
_EUCLIDEAN = Text(
    "Euclidean distance in many dimensions: rows near the mean are near to all rows; cosine does not have this effect.",
    "高维空间中的欧氏距离：靠近均值的行与所有行都近；余弦距离没有这个问题。",
)


def find_collapse(space: Space) -> Iterator[Finding]:
    """Find a space that has collapsed to a cone or to few directions."""
    n, d = space.vectors.shape
    if n < _MIN_ROWS or d < _MIN_DIM:
        return
    cosine, rank = space.scalar("mean_cosine"), space.scalar("effective_rank")
    if not np.isfinite(cosine):
        cosine = metrics.mean_cosine(space.vectors)
    if not np.isfinite(rank):
        rank = metrics.effective_rank(space.vectors)
    most = min(d, n - 1)
    share = rank / most
    # Numbers of levels reached.
    cone, flat = sum(cosine >= level for level in _COSINE), sum(share <= level for level in _RANK)
    if not cone and not flat:
        return
    is_critical = max(cone, flat) == 2
    evidence = EMPTY
    if cone:
        evidence += Text(
            f"The mean cosine of two rows is {cosine:.2f}: all rows have similar directions, which compresses cosine "
            "distances.",
            f"任意两行的平均余弦为 {cosine:.2f}：所有向量方向相近，余弦距离因此被压缩。",
        )
    if flat:
        evidence += Text(
            f"Around their mean the rows use {rounded(rank)} directions (effective rank) out of {most:,}.",
            f"去掉均值后，各行只用了 {rounded(rank)} 个方向（有效秩），而可用的有 {most:,} 个。",
        )
    yield space.finding(
        "collapsed_space",
        "critical" if is_critical else "warning",
        Text("The space has collapsed", "空间已坍缩") if is_critical else Text("The space is narrow", "空间偏窄"),
        evidence,
        _COLLAPSE,
        numbers={"mean_cosine": cosine, "effective_rank": rank, "effective_rank_share": share},
    )


def find_hubs(space: Space) -> Iterator[Finding]:
    """Find rows that are among the nearest neighbors of very many others."""
    n = len(space)
    # With few rows every row is a neighbor of many: ten times the mean must be possible.
    k = min(space.neighbors.n_neighbors, 15, n // (2 * _HUB))
    if k < 1:
        return
    chosen = np.bincount(space.neighbors.indices[:, :k].ravel(), minlength=n)
    hubs = np.flatnonzero((chosen >= _HUB * k) & (chosen >= _HUB_SHARE * n))
    if not len(hubs):
        return
    hubs = hubs[np.argsort(-chosen[hubs], kind="stable")]
    names, first = space.names(hubs), space.labels[hubs[0]]
    top = int(chosen[hubs[0]])
    covered = float(np.isin(space.neighbors.indices[:, :k], hubs).any(axis=1).mean())
    is_euclidean = space.neighbors.distance == "euclidean"
    yield space.finding(
        "hubs",
        "warning",
        Text(f"Hubs (neighbors of very many rows): {len(hubs):,}", f"枢纽（极多行的近邻）：{len(hubs):,} 行"),
        Text(
            f"{names.en}: {first} is among the {k} nearest of {top:,} rows ({percent(top / n)}), whereas the mean row "
            f"is a neighbor of {k}. {percent(covered)} of all rows have such a neighbor.",
            f"{names.zh}：{first} 是 {top:,} 行（{percent(top / n)}）的前 {k} 个近邻之一，"
            f"而平均每行只是 {k} 行的近邻。{percent(covered)} 的行有这样的近邻。",
        ),
        replace(_HUBS, causes=(_EUCLIDEAN, *_HUBS.causes)) if is_euclidean else _HUBS,
        rows=hubs,
        numbers={"num_hubs": len(hubs), "n_neighbors": k, "most": top, "most_share": top / n, "covered_share": covered},
        details=[f"{space.labels[i]}: {chosen[i]:,}" for i in hubs],
        by_frequency=True,
    )
