"""Records of the metrics of a space, its maps and its motion."""

from __future__ import annotations

from visualdl_embedding.metrics._metric import Metric

__all__ = ["SPACE_RECORDS"]

_VENNA = "Venna and Kaski 2001, Neighborhood preservation in nonlinear projection methods: an experimental study"
_OVERLAP = "Wendlandt, Kummerfeld and Mihalcea 2018, Factors influencing the surprising instability of word embeddings"

SPACE_RECORDS = (
    Metric(
        "trustworthiness",
        "projection",
        0.0,
        1.0,
        True,
        "Share of neighborhoods on the map that are real: neighbors on the map are neighbors in the original space.",
        "可信度：图上的近邻在原空间中也是近邻的程度。",
        _VENNA,
        per_row=True,
    ),
    Metric(
        "continuity",
        "projection",
        0.0,
        1.0,
        True,
        "Share of original neighborhoods that the map keeps: neighbors in the original space are near on the map.",
        "连续性：原空间中的近邻在图上仍相邻的程度。",
        _VENNA,
        per_row=True,
    ),
    Metric(
        "neighbor_overlap",
        "pair",
        0.0,
        1.0,
        None,
        "Share of its nearest neighbors that a row kept since the previous snapshot; the mean over rows.",
        "近邻重合率：与上一快照相比，每行保留的最近邻比例（各行平均）。",
        _OVERLAP,
        per_row=True,
    ),
    Metric(
        "neighbor_overlap_first",
        "pair",
        0.0,
        1.0,
        None,
        "Share of its nearest neighbors that a row kept since the first snapshot; the mean over rows.",
        "首帧近邻重合率：与第一个快照相比，每行保留的最近邻比例（各行平均）。",
        _OVERLAP,
    ),
    Metric(
        "displacement",
        "pair",
        0.0,
        None,
        None,
        "Distance a row moved since the previous snapshot, rotation, shift and scale of the whole taken out, "
        "as a share of the space's radius; the mean over rows.",
        "位移：与上一快照对齐（去除整体旋转、平移与缩放）后，每行移动的距离与空间半径之比（各行平均）。",
        "Hamilton, Leskovec and Jurafsky 2016, Diachronic word embeddings reveal statistical laws of semantic change",
        per_row=True,
    ),
    Metric("norm_mean", "snapshot", 0.0, None, None, "Mean length of the vectors.", "向量长度的平均值。"),
    Metric(
        "norm_p5", "snapshot", 0.0, None, None, "Length that 5% of the vectors stay below.", "向量长度的第 5 百分位数。"
    ),
    Metric(
        "norm_p95",
        "snapshot",
        0.0,
        None,
        None,
        "Length that 95% of the vectors stay below.",
        "向量长度的第 95 百分位数。",
    ),
    Metric(
        "mean_cosine",
        "snapshot",
        -1.0,
        1.0,
        False,
        "Mean cosine of all pairs of rows: near 0 in a spread space, toward 1 when all rows point the same way.",
        "平均余弦：所有行对的余弦均值；分散的空间接近 0，所有行指向同一方向（坍缩）时趋于 1。",
        "Ethayarajh 2019, How contextual are contextualized word representations?",
    ),
    Metric(
        "effective_rank",
        "snapshot",
        0.0,
        None,
        True,
        "Number of directions that the vectors really use; a fall means that the space is collapsing.",
        "有效秩：向量实际使用的方向数；下降意味着空间正在坍缩。",
        "Roy and Vetterli 2007, The effective rank: a measure of effective dimensionality",
    ),
    Metric(
        "isoscore",
        "snapshot",
        0.0,
        1.0,
        True,
        "How evenly the variance fills all directions: 0 for a line, 1 for a ball.",
        "各向同性得分：方差在各方向上分布的均匀程度；直线为 0，球为 1。",
        "Rudman, Gillman, Rayne and Eickhoff 2022, IsoScore: measuring the uniformity of embedding space utilization",
    ),
    Metric(
        "hubness",
        "snapshot",
        None,
        None,
        False,
        "Skewness of how often a row is a neighbor of others: high when a few hubs are neighbors of very many.",
        "枢纽度：各行成为他行近邻次数的偏度；少数行充当大量行的近邻时偏高。",
        "Radovanović, Nanopoulos and Ivanović 2010, Hubs in space: popular nearest neighbors in high-dimensional data",
    ),
    Metric(
        "kl_divergence",
        "projection",
        0.0,
        None,
        False,
        "What t-SNE minimizes: divergence between neighborhoods in the original space and on the map.",
        "KL 散度：t-SNE 的优化目标，即原空间与图上邻域分布之间的差异。",
        "van der Maaten and Hinton 2008, Visualizing data using t-SNE",
    ),
    Metric(
        "explained_variance",
        "projection",
        0.0,
        1.0,
        True,
        "Share of the total variance that the drawn PCA components keep.",
        "解释方差：所绘 PCA 主成分保留的总方差比例。",
        "Pearson 1901, On lines and planes of closest fit to systems of points in space",
    ),
    Metric(
        "noise_floor",
        "projection",
        0.0,
        None,
        False,
        "Motion between two fits of one and the same frame, in layout standard deviations; less motion means nothing.",
        "噪声底：对同一帧拟合两次所得的位移（以布局标准差为单位）；更小的位移没有意义。",
    ),
    Metric(
        "motion",
        "projection",
        0.0,
        None,
        None,
        "Root mean square motion on the map since the previous frame, in layout standard deviations.",
        "图上位移：相对上一帧的均方根位移（以布局标准差为单位）。",
        per_row=True,
    ),
    Metric(
        "nonfinite_rows",
        "snapshot",
        0.0,
        None,
        False,
        "Watched rows that hold NaN or inf and are left out.",
        "含 NaN 或 inf 而被排除的观察行数。",
    ),
    Metric(
        "zero_rows",
        "snapshot",
        0.0,
        None,
        False,
        "Watched rows of zeros, or shorter than 1e-19, that cosine distance leaves out: they have no direction.",
        "全为零（或长度小于 1e-19）、因没有方向而被余弦距离排除的观察行数。",
    ),
    Metric("num_rows", "snapshot", 0.0, None, None, "Usable rows that were analyzed.", "参与分析的有效行数。"),
    Metric("norm", "row", 0.0, None, None, "Length of a row's vector.", "该行向量的长度。", per_row=True),
    Metric(
        "x", "row", None, None, None, "First coordinate of a row on the map.", "该行在图上的第一坐标。", per_row=True
    ),
    Metric(
        "y", "row", None, None, None, "Second coordinate of a row on the map.", "该行在图上的第二坐标。", per_row=True
    ),
    Metric(
        "z", "row", None, None, None, "Third coordinate of a row on the map.", "该行在图上的第三坐标。", per_row=True
    ),
)
