"""Detectors of rows far from all others, and of rows with unusual norms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import unit_scale
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._advice import Advice, texts
from visualdl_embedding.findings._finding import Finding, percent, rounded
from visualdl_embedding.findings._gaussian import Gaussian
from visualdl_embedding.findings._shared import Space

__all__ = ["Distances", "find_outliers", "find_unusual_lengths", "robust_distances"]

ALPHA = 0.01
"""Probability of any outlier in a Gaussian space of any size."""
_MIN_ROWS = 20
_COMPONENTS = 50
_FARTHER = 1.5
"""Minimum distance relative to the median row: in 700 dimensions an excess of 10% is significant but irrelevant."""
_ISOLATED = 3.0
"""Minimum z of an outlier's distance to its neighbors: a compact distant group is a cluster."""
_FARTHER_NEIGHBORS = 1.1
"""Distance of unit vectors to unrelated neighbors: at most 1.41, and rarely below 1 in real tables."""
_LENGTH_RATIO = 3.0
"""Minimum ratio to the median norm: smaller differences are irrelevant."""
_DRAWN_NORMS = 2_000_000
"""Maximum number of simulated norms; 0.4 s. They suffice for the level `ALPHA` up to 10,000 rows."""
_MEASURED = 10_000
"""Maximum number of rows of which the covariance is computed."""
_MANY = 0.02
_FEW = 10
"""Share and number of outliers above which the distances have a heavy tail instead of single outliers."""
_OUTLIERS = Advice(
    check="Check how often and in which contexts these tokens occur in the training data; then check whether their "
    "neighbors are plausible.",
    check_zh="查看这些词在训练数据中出现的次数和上下文，再检查它们的近邻是否合理。",
    causes=texts(
        "Rows with large updates in few steps: rare tokens, or tokens of an unusual batch.",
        "训练在少数几步中对这些行更新过猛：低频词，或某个异常批次中的词。",
        "Special tokens, markup or broken text in the vocabulary.",
        "词表中的特殊符号、标记或损坏的文本。",
        "A learning rate too high for the embedding layer, or no gradient clipping.",
        "嵌入层学习率过高，或没有梯度裁剪。",
    ),
)
_LENGTHS = Advice(
    check="Color the map by norm and by frequency; if the norm does not follow frequency, check the gradients of these "
    "rows.",
    check_zh="按范数和词频给图着色；若范数与词频无关，请检查这些行的梯度。",
    causes=texts(
        "The norm often follows frequency: frequent tokens have many updates, rare ones hardly any.",
        "向量范数常与词频有关：高频词更新多，低频词几乎不更新。",
        "Exploding updates of single rows, or rows loaded from a model with another scale.",
        "个别行的更新爆炸，或从另一种尺度的模型载入的行。",
        "Pruned rows, or rows that weight decay shrinks.",
        "被剪枝的行，或被权重衰减缩小的行。",
    ),
)


@dataclass(frozen=True)
class Distances:
    """Robust distances of n rows from the center of their space.

    Attributes
    ----------
    z
        ``(n,)`` float64: distance in standard deviations of the distances in a Gaussian space; the larger of the two
        components.
    ratio
        ``(n,)`` float64: the distance divided by that of the median row.
    """

    z: NDArray[np.float64]
    ratio: NDArray[np.float64]


def robust_distances(vectors: NDArray[np.float32]) -> Distances:
    """Measure how far each row is from the center, robustly against outliers.

    The two components are the distance along the leading principal components, each scaled by its median and median
    absolute deviation, and the distance in the remaining components. Cube roots of squared distances are nearly normal
    in a Gaussian space (Wilson and Hilferty), so each component has a z by its own median and deviation. For the first
    component the z by its degrees of freedom is also computed and the smaller one used, which allows for heavy tails.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite, at least 2 rows.

    References
    ----------
    Filzmoser, Maronna and Werner 2008, "Outlier identification in high dimensions"; Hubert, Rousseeuw and Vanden
    Branden 2005, "ROBPCA: a new approach to robust principal component analysis"; Wilson and Hilferty 1931, "The
    distribution of chi-square".
    """
    from scipy.stats import chi2, norm

    scores, rest = _principal(vectors)
    away = scores - np.median(scores, axis=0)
    spreads = 1.4826 * np.median(np.abs(away), axis=0)
    parts = [(column / spread) ** 2 for column, spread in zip(away.T, spreads, strict=True) if spread > 0]
    squared, used = sum(parts, np.zeros(len(vectors))), len(parts)
    z, ratio = _tail(squared)
    if used:
        model = norm.isf(np.maximum(chi2.sf(squared * chi2.median(used) / (np.median(squared) or 1.0), used), 1e-300))
        z = np.minimum(z, model)
    z_rest, ratio_rest = _tail(rest)
    farther = z_rest > z
    return Distances(np.where(farther, z_rest, z), np.where(farther, ratio_rest, ratio))


def _principal(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores ``(n, p)`` on the leading components, and the squared norms ``(n,)`` of the residuals."""
    n, d = vectors.shape
    p = max(1, min(d, n // 10, _COMPONENTS))
    points = vectors / np.float32(unit_scale(vectors))
    centered = points - points.mean(axis=0, dtype=np.float64).astype(np.float32)
    centered /= np.abs(centered).max() or 1.0
    if d <= n:
        values, axes = np.linalg.eigh((centered.T @ centered).astype(np.float64))
        scores = (centered @ axes[:, -p:].astype(np.float32)).astype(np.float64)
    else:
        values, sides = np.linalg.eigh((centered @ centered.T).astype(np.float64))
        scores = sides[:, -p:] * np.sqrt(np.maximum(values[-p:], 0))
    # Drop components at the level of float32 rounding errors.
    scores = scores[:, values[-p:] > max(n, d) * np.finfo(np.float32).eps * values[-1]]
    total = np.einsum("ij,ij->i", centered, centered, dtype=np.float64)
    rest = np.maximum(total - np.square(scores).sum(axis=1), 0)
    rest[rest < 1e-5 * total] = 0
    return scores, rest


def _tail(squared: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute z of squared distances by their own median and deviation, and distances relative to the median."""
    roots = np.cbrt(squared)
    middle = float(np.median(roots))
    spread = 1.4826 * float(np.median(np.abs(roots - middle)))
    if not spread > 1e-6 * middle:
        return np.zeros(len(squared)), np.ones(len(squared))
    return (roots - middle) / spread, np.sqrt(squared / np.median(squared))


def _threshold(n: int) -> float:
    """Compute the z that the farthest of n rows in a Gaussian space exceeds with probability `ALPHA`, approximately.

    The term in n accounts for the median deviation, which few rows estimate poorly; simulated (tests/findings).
    """
    from scipy.stats import norm

    return float(norm.isf(ALPHA / (2 * n)) * (1 + 4 / n**0.75))


def find_outliers(space: Space) -> Iterator[Finding]:
    """Find rows that are far from the center and from their neighbors."""
    n = len(space)
    if n < _MIN_ROWS or not space.neighbors.n_neighbors:
        return
    # Use norms even if the graph ignores them: unit vectors of a Gaussian space are not Gaussian.
    distances = robust_distances(space.vectors)
    threshold = _threshold(n)
    reach = space.steps[:, min(3, space.neighbors.n_neighbors) - 1]
    z_reach, reach_ratio = _tail(reach**2)
    far_out = (distances.z > threshold) & (distances.ratio > _FARTHER)
    # Rows with equally distant neighbors form a cluster.
    company = far_out[space.neighbors.indices[:, :5]].mean(axis=1)
    alone = (z_reach > _ISOLATED) & (reach_ratio > _FARTHER_NEIGHBORS) & (company <= 0.5)
    out = np.flatnonzero(far_out & alone)
    if not len(out):
        return
    out = out[np.argsort(-distances.z[out], kind="stable")]
    names, share, typical = space.names(out), len(out) / n, np.median(reach)
    far = rounded(distances.ratio[out[0]])
    apart = rounded(np.median(reach[out]) / typical) if typical else "∞"
    evidence = Text(
        f"{names.en}: {len(out):,} of {n:,} rows, beyond the spread of the others (z above {threshold:.1f}; in a "
        f"Gaussian space of this size such a row occurs in {percent(ALPHA)} of cases). The farthest is {far} times as "
        f"far from the center as the median row, and their neighbors are {apart} times as far away as usual.",
        f"{names.zh}：{n:,} 行中有 {len(out):,} 行超出其余各行的离散程度所允许的范围（z 大于 {threshold:.1f}；"
        f"同样规模的高斯空间中，出现一个这样的行的概率为 {percent(ALPHA)}）。"
        f"最远的一行到中心的距离是中位行的 {far} 倍，它们到近邻的距离是通常的 {apart} 倍。",
    )
    is_tail = share > _MANY and len(out) > _FEW
    if is_tail:
        evidence += Text(
            f"With {percent(share)} of the rows this is a heavy tail rather than single outliers.",
            f"占全部行的 {percent(share)}，这更像是厚尾分布，而非个别离群点。",
        )
    yield space.finding(
        "outliers",
        "info" if is_tail else "warning",
        Text(f"Rows far from all others: {len(out):,}", f"远离其余所有行的行：{len(out):,}"),
        evidence,
        _OUTLIERS,
        rows=out,
        numbers={
            "num_outliers": len(out),
            "share": share,
            "z_threshold": threshold,
            "z_max": distances.z[out[0]],
            "distance_ratio_max": distances.ratio[out[0]],
        },
        by_frequency=True,
    )


def _usual_norms(vectors: NDArray[np.float32], random_state: int) -> tuple[float, float]:
    """Range of the norms, relative to the median, of as many rows of a Gaussian with the same covariance.

    Any of n norms is outside with probability `ALPHA`. With few strong directions, norms far from the median are
    frequent. The covariance is that of at most 10,000 rows, a random sample, and at most 2,000,000 norms are drawn. For
    more than 10,000 rows, which require a higher quantile, it is extrapolated: cube roots of squared norms are nearly
    normal (Wilson and Hilferty).
    """
    from scipy.stats import norm

    n, rng = len(vectors), np.random.default_rng(random_state)
    sample = vectors if n <= _MEASURED else vectors[np.sort(rng.choice(n, _MEASURED, replace=False))]
    count = min(2 * n * round(1 / ALPHA), _DRAWN_NORMS)
    roots = np.cbrt(np.square(Gaussian.like(sample).norms(count, rng)))
    low, middle, high = np.quantile(roots, (1 / count, 0.5, 1 - 1 / count))
    if not middle:
        return 0.0, np.inf
    farther = norm.isf(ALPHA / (2 * n)) / norm.isf(1 / count)
    low, high = max(middle - farther * (middle - low), 0.0), middle + farther * (high - middle)
    return float(low / middle) ** 1.5, float(high / middle) ** 1.5


def find_unusual_lengths(space: Space) -> Iterator[Finding]:
    """Find vectors with a much larger or smaller norm than the others, and than in a Gaussian of their covariance."""
    rows = np.flatnonzero(~space.composed)
    # In few dimensions small norms are frequent.
    if len(rows) < _MIN_ROWS or space.vectors.shape[1] < 8:
        return
    lengths = space.lengths[rows]
    z, _ = _tail(lengths**2)
    median = np.median(lengths)
    ratio = lengths / median
    unusual = (np.abs(z) > _threshold(len(rows))) & (np.maximum(ratio, 1 / ratio) > _LENGTH_RATIO)
    if not unusual.any():
        return
    least, most = _usual_norms(space.vectors[rows], space.random_state)
    out = np.flatnonzero(unusual & ((ratio < least) | (ratio > most)))
    if not len(out):
        return
    out = out[np.argsort(-np.abs(z[out]), kind="stable")]
    share, names = len(out) / len(rows), space.names(rows[out])
    n_long = int((ratio[out] > 1).sum())
    n_short = len(out) - n_long
    shortest, longest = lengths[out].min(), lengths[out].max()
    low, high, middle = map(rounded, (shortest, longest, median))
    usual_low, usual_high = rounded(least * median), rounded(most * median)
    yield space.finding(
        "unusual_lengths",
        "info" if share > _MANY and len(out) > _FEW else "warning",
        Text(
            f"Unusual norms: {n_long:,} much larger, {n_short:,} much smaller",
            f"范数异常：{n_long:,} 个远大于其余，{n_short:,} 个远小于其余",
        ),
        Text(
            f"{names.en}: norms from {low} to {high}, with a median of {middle}; all differ from the median by at "
            f"least a factor of {_LENGTH_RATIO:.0f}, and exceed the spread of the others. As many rows of a Gaussian "
            f"with the same covariance have norms from {usual_low} to {usual_high}.",
            f"{names.zh}：范数从 {low} 到 {high}，中位数为 {middle}；与中位数相差至少 {_LENGTH_RATIO:.0f} 倍，"
            f"且超出其余各行的离散程度所允许的范围。协方差相同的高斯分布中，同样多的行的范数在 {usual_low} 到 "
            f"{usual_high} 之间。",
        ),
        _LENGTHS,
        rows=rows[out],
        numbers={
            "num_long": n_long,
            "num_short": n_short,
            "share": share,
            "median_length": median,
            "shortest": shortest,
            "longest": longest,
            "gaussian_shortest": least * median,
            "gaussian_longest": most * median,
        },
        by_frequency=True,
    )
