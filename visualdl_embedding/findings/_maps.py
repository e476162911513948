"""Detectors of structure on maps that is not in the space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._finding import Finding
from visualdl_embedding.findings._space import Space
from visualdl_embedding.findings._text import name_some, percent
from visualdl_embedding.metrics.agreement import SUPPORTED, Agreement, MapCluster

__all__ = ["find_doubtful_clusters", "find_loose_maps"]

_LOOSE = 0.2
"""Mean share of true neighbors below which neighbors on a map are unreliable."""


def find_doubtful_clusters(space: Space, clusters: Sequence[MapCluster]) -> list[Finding]:
    """Report clusters that only one method shows."""
    doubtful = sorted((c for c in clusters if c.doubtful), key=lambda c: -len(c.rows))
    if not doubtful:
        return []
    first = doubtful[0]
    labels = [space.snapshot.labels[i] for i in space.analyzed]
    names = name_some([labels[i] for i in first.rows])
    support = first.support["space"]
    rows = np.concatenate([cluster.rows for cluster in doubtful])
    rows = rows[np.sort(np.unique(rows, return_index=True)[1])]
    return [
        Finding.of(
            "doubtful_clusters",
            "info",
            Text(
                f"Clusters shown by one method only: {len(doubtful):,}",
                f"仅一种方法显示的簇：{len(doubtful):,}",
            ),
            evidence=Text(
                f"On the map {first.key} {len(first.rows):,} rows ({names.en}) form a cluster, but in the original "
                f"space only {percent(max(0.0, support))} of their neighbors above chance are in this cluster, and no "
                f"map of another method reaches {percent(SUPPORTED)}.",
                f"在图 {first.key} 上，{len(first.rows):,} 行（{names.zh}）聚在一起；但在原空间中，它们的近邻只有 "
                f"{percent(max(0.0, support))}（扣除随机）属于该簇，其他方法的图也都不到 {percent(SUPPORTED)}。",
            ),
            causes=[
                Text(
                    "t-SNE and UMAP split uniform points into islands, especially with a small perplexity or few "
                    "neighbors.",
                    "t-SNE 和 UMAP 会把均匀分布的点撕成小岛，困惑度或近邻数越小越明显。",
                ),
                Text("PCA separates points only along its two axes.", "PCA 只按两个轴上的差别把点分开。"),
            ],
            next_check=Text(
                "Repeat the map with other seeds and another perplexity; do not rely on clusters that change.",
                "换随机种子和困惑度重做该图；不要依赖会变动的簇。",
            ),
            rows=space.analyzed[rows],
            labels=space.snapshot.labels,
            numbers={
                "num_clusters": len(doubtful),
                "num_rows": len(rows),
                "largest": len(first.rows),
                "support": support,
            },
            details=[
                f"{c.key}: {len(c.rows):,} × {percent(max(0.0, c.support['space']))}: "
                f"{name_some([labels[i] for i in c.rows], 12).en}"
                for c in doubtful
            ],
        )
    ]


def find_loose_maps(agreement: Agreement) -> list[Finding]:
    """Report maps on which most neighbors are not neighbors in the original space."""
    shares = {key: float(np.mean(values)) for key, values in agreement.with_space.items() if len(values)}
    # With few rows every map keeps most neighbors by chance, so the share is not informative.
    loose = {key: share for key, share in shares.items() if share < _LOOSE}
    if not loose or not agreement.chance < _LOOSE:
        return []
    listed = name_some(list(loose), 6)
    worst = min(loose, key=lambda key: loose[key])
    best = max(shares, key=lambda key: shares[key])
    return [
        Finding.of(
            "loose_maps",
            "info",
            Text(f"Maps with unreliable neighbors: {listed.en}", f"不宜据此判断近邻的图：{listed.zh}"),
            evidence=Text(
                f"Of the {agreement.n_neighbors} points nearest to a row on {worst}, {percent(loose[worst])} are among "
                f"its {agreement.n_neighbors} nearest in the original space (chance: {percent(agreement.chance)})."
                + (f" The best map here, {best}, keeps {percent(shares[best])}." if best != worst else ""),
                f"在 {worst} 上离一行最近的 {agreement.n_neighbors} 个点中，"
                f"只有 {percent(loose[worst])} 也是它在原空间中最近的 "
                f"{agreement.n_neighbors} 个（随机：{percent(agreement.chance)}）。"
                + (f"这里最好的图 {best} 保留了 {percent(shares[best])}。" if best != worst else ""),
            ),
            causes=[
                Text(
                    "Two or three components keep little of a space with many directions.",
                    "空间用到许多方向，两三个分量只能保留其中很少一部分。",
                ),
            ],
            next_check=Text(
                "Read neighbors from the neighbor list; use each map for its strength, such as PCA for the directions "
                "that vary most.",
                "请从近邻列表读取近邻；各图各有所长，PCA 适合看变化最大的方向。",
            ),
            numbers={"chance": agreement.chance, **{f"{key}_with_space": share for key, share in shares.items()}},
        )
    ]
