"""Detectors of structure on maps that is not in the space."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._finding import Advice, Finding, name_some, percent, texts
from visualdl_embedding.findings._shared import Space
from visualdl_embedding.metrics.agreement import SUPPORTED

__all__ = ["find_doubtful_clusters", "find_loose_maps"]

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


def find_doubtful_clusters(space: Space) -> Iterator[Finding]:
    """Find clusters that only one method shows."""
    doubtful = sorted((c for c in space.clusters if c.doubtful), key=lambda c: -len(c.rows))
    if not doubtful:
        return
    first = doubtful[0]
    labels = [space.snapshot.labels[i] for i in space.analyzed]
    names = name_some([labels[i] for i in first.rows])
    support = percent(max(0.0, first.support["space"]))
    rows = list(dict.fromkeys(row for cluster in doubtful for row in cluster.rows))
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
