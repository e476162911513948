"""Detectors of spaces with few directions, of hubs, and of structure on maps that is not in the space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import metrics
from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._advice import PRETRAINED, Advice, texts
from visualdl_embedding.findings._finding import EMPTY, Finding, name_some, percent, rounded
from visualdl_embedding.findings._gaussian import beside_gaussian
from visualdl_embedding.findings._shared import Space
from visualdl_embedding.metrics.agreement import SUPPORTED

__all__ = ["find_collapse", "find_doubtful_clusters", "find_hubs", "find_loose_maps"]

_MIN_ROWS = 10
_MIN_DIM = 8
_COSINE = (0.5, 0.9)
"""Mean cosine at which a cone is a warning, and critical."""
_RANK = (0.2, 0.05)
"""Effective rank, as a share of the possible rank, below which it is reported; 0.9 for a power law of 1 / rank."""
_HUB = 10
"""Minimum number of times that a hub is a neighbor, relative to the mean …"""
_HUB_SHARE = 0.1
"""… and as a share of all rows."""
_HUB_ODDS = 4
"""Minimum odds of being a neighbor, relative to the largest in Gaussian tables. By Euclidean distance, Gaussian tables
have hubs of up to 0.7 of all rows; their odds vary, by up to a factor of 3 in 150 tables, and word vectors have 2."""
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
_LOOSE = 0.2
"""Mean share of true neighbors below which neighbors on a map are unreliable."""
_DOUBTFUL_CLUSTERS = Advice(
    check="Repeat the map with other seeds and another perplexity; do not rely on clusters that change.",
    check_zh="换随机种子和困惑度重做该图；不要依赖会变动的簇。",
    causes=texts(
        "t-SNE and UMAP split uniform points into islands, especially with a small perplexity or few neighbors.",
        "t-SNE 和 UMAP 会把均匀分布的点撕成小岛，困惑度或近邻数越小越明显。",
        "PCA separates points only along its two axes.",
        "PCA 只按两个轴上的差别把点分开。",
    ),
)
_LOOSE_MAPS = Advice(
    check="Read neighbors from the neighbor list; use each map for its strength, such as PCA for the directions that "
    "vary most.",
    check_zh="请从近邻列表读取近邻；各图各有所长，PCA 适合看变化最大的方向。",
    causes=texts(
        "Two or three components keep little of a space with many directions.",
        "空间用到许多方向，两三个分量只能保留其中很少一部分。",
    ),
)


def find_collapse(space: Space) -> Iterator[Finding]:
    """Find a space that has collapsed to a cone or to few directions."""
    n, d = space.vectors.shape
    if n < _MIN_ROWS or d < _MIN_DIM:
        return
    cosine = known if np.isfinite(known := space.scalar("mean_cosine")) else metrics.mean_cosine(space.vectors)
    rank = known if np.isfinite(known := space.scalar("effective_rank")) else metrics.effective_rank(space.vectors)
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
    """Find rows that are among the nearest neighbors of very many others, compared with a Gaussian of their covariance.

    In many dimensions, rows near the mean are neighbors of very many rows by Euclidean distance.
    """
    n, distance = len(space), space.neighbors.distance
    # With few rows every row is a neighbor of many: ten times the mean must be possible.
    k = min(space.neighbors.n_neighbors, 15, n // (2 * _HUB))
    if k < 1:
        return
    chosen = np.rint(metrics.neighbor_counts(space.neighbors.first(k), space.vectors)).astype(np.intp)
    hubs = np.flatnonzero((chosen >= _HUB * k) & (chosen >= _HUB_SHARE * n) & space.single)
    if not len(hubs):
        return

    def odds_of(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        counts = metrics.neighbor_counts(nearest_neighbors(vectors, k, distance=distance), vectors)
        return np.asarray(counts / np.maximum(len(vectors) - 1 - counts, 1))

    odds, usual = beside_gaussian(space.vectors, odds_of, first=hubs, random_state=space.random_state)
    hubs = hubs[odds[: len(hubs)] >= _HUB_ODDS * usual]
    if not len(hubs):
        return
    hubs = hubs[np.argsort(-chosen[hubs], kind="stable")]
    names, first = space.names(hubs), space.labels[hubs[0]]
    top, gaussian = int(chosen[hubs[0]]), usual / (1 + usual)
    covered = float(np.isin(space.neighbors.indices[:, :k], hubs).any(axis=1).mean())
    yield space.finding(
        "hubs",
        "warning",
        Text(f"Hubs (neighbors of very many rows): {len(hubs):,}", f"枢纽（极多行的近邻）：{len(hubs):,} 行"),
        Text(
            f"{names.en}: {first} is among the {k} nearest of {top:,} rows ({percent(top / n)}), whereas the mean row "
            f"is a neighbor of {k}, and the most frequent neighbor in Gaussian tables of {len(odds):,} rows with the "
            f"same covariance is one of {percent(gaussian)}. {percent(covered)} of all rows have such a neighbor.",
            f"{names.zh}：{first} 是 {top:,} 行（{percent(top / n)}）的前 {k} 个近邻之一，而平均每行只是 {k} 行的近邻；"
            f"协方差相同、共 {len(odds):,} 行的高斯分布中，最常见的近邻也只占 {percent(gaussian)}。"
            f"{percent(covered)} 的行有这样的近邻。",
        ),
        replace(_HUBS, causes=(_EUCLIDEAN, *_HUBS.causes)) if distance == "euclidean" else _HUBS,
        rows=hubs,
        numbers={
            "num_hubs": len(hubs),
            "n_neighbors": k,
            "most": top,
            "most_share": top / n,
            "gaussian_most_share": gaussian,
            "covered_share": covered,
        },
        details=[f"{space.labels[i]}: {chosen[i]:,}" for i in hubs],
        by_frequency=True,
    )


def find_doubtful_clusters(space: Space) -> Iterator[Finding]:
    """Find clusters that only one method shows."""
    doubtful = sorted((c for c in space.clusters if c.doubtful), key=lambda c: -len(c.rows))
    if not doubtful:
        return
    first = doubtful[0]
    labels = [space.snapshot.labels[i] for i in space.analyzed]
    names = name_some([labels[i] for i in first.rows])
    support = percent(max(0.0, first.support["space"]))
    rows = np.array(list(dict.fromkeys(row for cluster in doubtful for row in cluster.rows)), dtype=np.intp)
    yield space.finding(
        "doubtful_clusters",
        "info",
        Text(f"Clusters shown by one method only: {len(doubtful):,}", f"仅一种方法显示的簇：{len(doubtful):,}"),
        Text(
            f"On the map {first.key} {len(first.rows):,} rows ({names.en}) form a cluster, but in the original space "
            f"only {support} of their neighbors above chance are in this cluster, and no map of another method reaches "
            f"{percent(SUPPORTED)}.",
            f"在图 {first.key} 上，{len(first.rows):,} 行（{names.zh}）聚在一起；但在原空间中，它们的近邻只有 {support}"
            f"（扣除随机）属于该簇，其他方法的图也都不到 {percent(SUPPORTED)}。",
        ),
        _DOUBTFUL_CLUSTERS,
        positions=space.analyzed[rows],
        numbers={
            "num_clusters": len(doubtful),
            "num_rows": len(rows),
            "largest": len(first.rows),
            "support": first.support["space"],
        },
        details=[
            f"{c.key}: {len(c.rows):,} × {percent(max(0.0, c.support['space']))}: "
            f"{name_some([labels[i] for i in c.rows], 12).en}"
            for c in doubtful
        ],
    )


def find_loose_maps(space: Space) -> Iterator[Finding]:
    """Find maps on which most neighbors are not neighbors in the original space."""
    agreement = space.agreement
    # With few rows every map keeps most neighbors by chance, so the share is not informative.
    if agreement is None or not agreement.chance < _LOOSE:
        return
    shares = {key: float(np.mean(values)) for key, values in agreement.with_space.items() if len(values)}
    loose = {key: share for key, share in shares.items() if share < _LOOSE}
    if not loose:
        return
    listed, k = name_some(list(loose), 6), agreement.n_neighbors
    worst, best = min(loose, key=loose.__getitem__), max(shares, key=shares.__getitem__)
    kept, by_chance, most = (percent(share) for share in (loose[worst], agreement.chance, shares[best]))
    yield space.finding(
        "loose_maps",
        "info",
        Text(f"Maps with unreliable neighbors: {listed.en}", f"不宜据此判断近邻的图：{listed.zh}"),
        Text(
            f"Of the {k} points nearest to a row on {worst}, {kept} are among its {k} nearest in the original space "
            f"(chance: {by_chance})." + (f" The best map here, {best}, keeps {most}." if best != worst else ""),
            f"在 {worst} 上离一行最近的 {k} 个点中，只有 {kept} 也是它在原空间中最近的 {k} 个（随机：{by_chance}）。"
            + (f"这里最好的图 {best} 保留了 {most}。" if best != worst else ""),
        ),
        _LOOSE_MAPS,
        numbers={"chance": agreement.chance, **{f"{key}_with_space": share for key, share in shares.items()}},
    )
