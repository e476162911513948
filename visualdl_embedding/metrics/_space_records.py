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
        "Share of neighbors on the map that are also neighbors in the original space.",
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
        "Share of neighbors in the original space that are also near on the map.",
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
        "Share of nearest neighbors that a row keeps from the previous snapshot; mean over rows.",
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
        "Share of nearest neighbors that a row keeps from the first snapshot; mean over rows.",
        "首帧近邻重合率：与第一个快照相比，每行保留的最近邻比例（各行平均）。",
        _OVERLAP,
    ),
    Metric(
        "displacement",
        "pair",
        0.0,
        None,
        None,
        "Distance a row moved since the previous snapshot, after removing rotation, shift and scale of the whole, "
        "relative to the radius of the space; mean over rows.",
        "位移：与上一快照对齐（去除整体旋转、平移与缩放）后，每行移动的距离与空间半径之比（各行平均）。",
        "Hamilton, Leskovec and Jurafsky 2016, Diachronic word embeddings reveal statistical laws of semantic change",
        per_row=True,
    ),
    Metric("norm_mean", "snapshot", 0.0, None, None, "Mean norm of the vectors.", "向量范数的平均值。"),
    Metric("norm_p5", "snapshot", 0.0, None, None, "5th percentile of the vector norms.", "向量范数的第 5 百分位数。"),
    Metric(
        "norm_p95",
        "snapshot",
        0.0,
        None,
        None,
        "95th percentile of the vector norms.",
        "向量范数的第 95 百分位数。",
    ),
    Metric(
        "mean_cosine",
        "snapshot",
        -1.0,
        1.0,
        False,
        "Mean cosine of all pairs of rows: near 0 in a spread space, close to 1 if all rows have the same direction.",
        "平均余弦：所有行对的余弦均值；分散的空间接近 0，所有行指向同一方向（坍缩）时趋于 1。",
        "Ethayarajh 2019, How contextual are contextualized word representations?",
    ),
    Metric(
        "effective_rank",
        "snapshot",
        0.0,
        None,
        True,
        "Effective number of directions that the vectors use; a decrease indicates a collapse.",
        "有效秩：向量实际使用的方向数；下降意味着空间正在坍缩。",
        "Roy and Vetterli 2007, The effective rank: a measure of effective dimensionality",
    ),
    Metric(
        "isoscore",
        "snapshot",
        0.0,
        1.0,
        True,
        "Evenness of the variance over all directions: 0 for a line, 1 for a ball.",
        "各向同性得分：方差在各方向上分布的均匀程度；直线为 0，球为 1。",
        "Rudman, Gillman, Rayne and Eickhoff 2022, IsoScore: measuring the uniformity of embedding space utilization",
    ),
    Metric(
        "hubness",
        "snapshot",
        None,
        None,
        False,
        "Skewness of how often rows occur as neighbors: high if a few hubs are neighbors of very many rows.",
        "枢纽度：各行作为其他行近邻的次数分布的偏度；少数行充当大量行的近邻时偏高。",
        "Radovanović, Nanopoulos and Ivanović 2010, Hubs in space: popular nearest neighbors in high-dimensional data",
    ),
    Metric(
        "kl_divergence",
        "projection",
        0.0,
        None,
        False,
        "Objective of t-SNE: divergence between neighborhoods in the original space and on the map.",
        "KL 散度：t-SNE 的优化目标，即原空间与图上邻域分布之间的差异。",
        "van der Maaten and Hinton 2008, Visualizing data using t-SNE",
    ),
    Metric(
        "explained_variance",
        "projection",
        0.0,
        1.0,
        True,
        "Share of the total variance in the PCA components shown.",
        "解释方差：所示 PCA 主成分占总方差的比例。",
        "Pearson 1901, On lines and planes of closest fit to systems of points in space",
    ),
    Metric(
        "noise_floor",
        "projection",
        0.0,
        None,
        False,
        "Motion between two fits of the same frame, in layout standard deviations; smaller motions are not "
        "significant.",
        "噪声底：对同一帧拟合两次所得的位移（以布局标准差为单位）；更小的位移不显著。",
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
        "Watched rows with NaN or inf, which are left out.",
        "含 NaN 或 inf 而被排除的观察行数。",
    ),
    Metric(
        "zero_rows",
        "snapshot",
        0.0,
        None,
        False,
        "Watched rows that are zero, or have a norm below 1e-19, left out with cosine: they have no direction.",
        "全为零（或范数小于 1e-19）、因没有方向而在余弦距离下被排除的观察行数。",
    ),
    Metric("num_rows", "snapshot", 0.0, None, None, "Number of usable rows analyzed.", "参与分析的有效行数。"),
    Metric("norm", "row", 0.0, None, None, "Norm of a row's vector.", "该行向量的范数。", per_row=True),
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
