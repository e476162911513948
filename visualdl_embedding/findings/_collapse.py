"""Spaces that use few directions, and rows that are neighbors of very many."""

from __future__ import annotations

import numpy as np

from visualdl_embedding import metrics
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._finding import Finding, Severity
from visualdl_embedding.findings._remedies import PRETRAINED
from visualdl_embedding.findings._space import Space
from visualdl_embedding.findings._text import name_some, percent, rounded

__all__ = ["find_collapse", "find_hubs"]

_MIN_ROWS = 10
_MIN_DIM = 8
_COSINE: tuple[float, float] = (0.5, 0.9)
"""Mean cosine from which a cone is a warning, and critical."""
_RANK: tuple[float, float] = (0.2, 0.05)
"""The same for the effective rank as a share of what rows and columns allow; 1 over the rank for a power law is 0.9."""
_HUB = 10
"""A hub is a neighbor so many times as often as the mean row …"""
_HUB_SHARE = 0.1
"""… and of at least this share of all rows: by cosine, Gaussian spaces with spectra of a power law stay under 0.07."""


def find_collapse(space: Space) -> list[Finding]:
    """Find a space that has shrunk to a cone or to a few directions."""
    n, d = space.vectors.shape
    if n < _MIN_ROWS or d < _MIN_DIM:
        return []
    cosine, rank = space.scalar("mean_cosine"), space.scalar("effective_rank")
    if not np.isfinite(cosine):
        cosine = metrics.mean_cosine(space.vectors)
    if not np.isfinite(rank):
        rank = metrics.effective_rank(space.vectors)
    most = min(d, n - 1)
    grade = max(_grade(cosine, _COSINE), _grade(-rank / most, (-_RANK[0], -_RANK[1])))
    if not grade:
        return []
    severity: Severity = "critical" if grade == 2 else "warning"
    is_cone = bool(_grade(cosine, _COSINE))
    is_flat = bool(_grade(-rank / most, (-_RANK[0], -_RANK[1])))
    cone = Text(
        f"Two rows have on average a cosine of {cosine:.2f}: all point much the same way, and cosine distances "
        "are squeezed together.",
        f"任意两行的平均余弦为 {cosine:.2f}：所有向量方向相近，余弦距离因此被压缩。",
    )
    flat = Text(
        f"Around their mean the rows use {rounded(rank)} directions (effective rank), where {most:,} are possible.",
        f"去掉均值后，各行只用了 {rounded(rank)} 个方向（有效秩），而可用的有 {most:,} 个。",
    )
    return [
        Finding.of(
            "collapsed_space",
            severity,
            Text("The space has collapsed", "空间已坍缩") if grade == 2 else Text("The space is narrow", "空间偏窄"),
            evidence=(cone if is_cone else Text("", "")) + (flat if is_flat else Text("", "")),
            causes=[
                Text(
                    "A common mean that unbalanced frequencies gave to all rows; language models often have one.",
                    "频率不均衡的训练给所有行加上了共同的均值；这在语言模型中很常见。",
                ),
                Text(
                    "A loss without negatives or regularization, which is satisfied when all rows agree.",
                    "损失函数没有负样本或正则，所有行一致时即可满足。",
                ),
                Text(
                    "More columns than the task needs, or a learning rate that drove all rows one way.",
                    "列数超过任务所需，或学习率过高把所有行推向同一方向。",
                ),
            ],
            next_check=Text(
                "Subtract the mean row (and the first components), and see whether neighbors get better; watch "
                "mean_cosine and effective_rank over training.",
                "减去均值行（以及前几个主成分），看近邻是否改善；在训练中观察 mean_cosine 和 effective_rank。",
            ),
            numbers={
                "mean_cosine": float(cosine),
                "effective_rank": float(rank),
                "effective_rank_share": float(rank / most),
            },
            remedies=[
                Text(
                    "Center the rows, and take out the first components, wherever neighbors are asked for: nothing is "
                    "trained anew.",
                    "在查询近邻的地方先减去均值并去掉前几个主成分：无需重新训练。",
                ),
                Text(
                    "Train with negatives, or with a term that holds columns apart; see effective_rank rise.",
                    "训练时加入负样本，或加入使各列相互区分的正则项；观察 effective_rank 上升。",
                ),
                PRETRAINED,
            ],
        )
    ]


def _grade(value: float, levels: tuple[float, float]) -> int:
    """How many of the two levels a value has reached."""
    return int(value >= levels[0]) + int(value >= levels[1])


def find_hubs(space: Space) -> list[Finding]:
    """Find rows that are among the nearest neighbors of very many others."""
    n = len(space)
    # With few rows all of them are neighbors of many: ten times the mean must be possible.
    k = min(space.neighbors.n_neighbors, 15, n // (2 * _HUB))
    if k < 1:
        return []
    chosen = np.bincount(space.neighbors.indices[:, :k].ravel(), minlength=n)
    hubs = np.flatnonzero((chosen >= _HUB * k) & (chosen >= _HUB_SHARE * n))
    if not len(hubs):
        return []
    hubs = hubs[np.argsort(-chosen[hubs], kind="stable")]
    names = name_some([space.labels[i] for i in hubs])
    top = int(chosen[hubs[0]])
    covered = float(np.isin(space.neighbors.indices[:, :k], hubs).any(axis=1).mean())
    note, numbers = space.compare_frequency(hubs)
    euclidean = space.neighbors.distance == "euclidean"
    return [
        Finding.of(
            "hubs",
            "warning",
            Text(f"Hubs, neighbors of very many rows: {len(hubs):,}", f"枢纽（极多行的近邻）：{len(hubs):,} 行"),
            evidence=Text(
                f"{names.en}: {space.labels[hubs[0]]} is among the {k} nearest of {top:,} rows ({percent(top / n)}), "
                f"where the mean row is of {k}. {percent(covered)} of all rows have such a neighbor.",
                f"{names.zh}：{space.labels[hubs[0]]} 是 {top:,} 行（{percent(top / n)}）的前 {k} 个近邻之一，"
                f"而平均每行只是 {k} 行的近邻。{percent(covered)} 的行有这样的近邻。",
            )
            + note,
            causes=[
                *(
                    [
                        Text(
                            "Euclidean distance in many dimensions: rows near the mean are near to all; cosine does "
                            "not do this.",
                            "高维空间中的欧氏距离：靠近均值的行与所有行都近；余弦距离没有这个问题。",
                        )
                    ]
                    if euclidean
                    else []
                ),
                Text(
                    "Rows close to the direction that all rows share: frequent words, or rows trained little.",
                    "靠近所有行共同方向的行：高频词，或训练不足的行。",
                ),
                Text("A collapsed space, in which all distances are alike.", "空间坍缩，所有距离都差不多。"),
            ],
            next_check=Text(
                "Subtract the mean row and look whether they remain; leave them out of neighbor lists that users see.",
                "减去均值行后看它们是否仍是枢纽；在给用户看的近邻列表中排除它们。",
            ),
            rows=space.positions[hubs],
            labels=space.snapshot.labels,
            numbers={
                "num_hubs": len(hubs),
                "n_neighbors": k,
                "most": top,
                "most_share": top / n,
                "covered_share": covered,
                **numbers,
            },
            details=[f"{space.labels[i]}: {int(chosen[i]):,}" for i in hubs[:20]],
        )
    ]
