"""Detector of untrained rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._advice import INITIALIZE, LEAVE_OUT, PRETRAINED, Advice, Cause, texts
from visualdl_embedding.findings._finding import EMPTY, Finding, percent, rounded
from visualdl_embedding.findings._shared import Space

__all__ = ["Untrained", "find_untrained", "untrained_rows"]

_MIN_DIM = 16
"""Minimum dimension: in fewer, random vectors have near neighbors and varied norms, like trained ones."""
_MIN_ROWS = 5
_CONTROLS = 1000
_SLACK = 0.05
"""Tolerated excess of squared cosines over chance, for a few rows of another kind."""
_MOST = 0.7
"""Minimum share of untrained rows in a peak of norms."""
_PEAK = 3
"""Minimum ratio of rows in a peak to those in adjacent ranges of norms."""
_WINDOWS = 5
"""Maximum number of peaks to test."""
_RIDGE = 0.1
"""Share of the identity in the covariance of directions, for tables with fewer rows than columns."""
_BESIDE = (0.6, 0.25)
"""Maximum number of rows just beyond the limit of random directions, relative to those just within it, and to all rows
beyond it: many such rows are a continuum, whose end no limit separates."""
_WIDE = 0.5
"""Standard deviation of values from which a random table is not called untrained: training moves rows of N(0, 1) values
by too little to leave a trace (classifiers that separated all their documents, by 0.2 to 0.3 of their norm)."""
_ROWS = Advice(
    check="Count these tokens in the data after preprocessing; if the count is zero, remove the row or map it to a "
    "trained one.",
    check_zh="在完成所有预处理的数据中统计这些词；若为零，删除该行或映射到已训练的行。",
    causes=(
        Cause(
            "Tokens that never occur in the training data: removed by lowercasing, width or script conversion, or by "
            "another word segmentation.",
            "训练数据中从未出现的词：被小写化、全半角或繁简转换去掉，或因分词方式不同而不再出现。",
            lower=("lookups", "frequency"),
        ),
        *texts(
            "New tokens, added to the vocabulary after training.",
            "训练之后才加入词表的新词。",
            "Reserved rows of the vocabulary.",
            "词表中预留的行。",
        ),
    ),
    remedies=(LEAVE_OUT, INITIALIZE, PRETRAINED),
)
_TABLE = Advice(
    check="Compare with an earlier checkpoint: an untrained table has not changed.",
    check_zh="与更早的检查点比较：未训练的表完全没有变化。",
    causes=texts(
        "The snapshot is from before training.",
        "这是训练之前的快照。",
        "The layer is frozen, or the model uses another table.",
        "该层被冻结，或模型实际使用的是另一张表。",
        "The checkpoint was saved before the weights were loaded.",
        "检查点在载入权重之前就已保存。",
    ),
    remedies=(PRETRAINED,),
)


@dataclass(frozen=True)
class Untrained:
    """Rows that look untrained, with the evidence.

    Attributes
    ----------
    rows
        Positions, ascending, so that the user's first rows come first.
    length, length_spread
        Median of their norms, and its relative standard deviation.
    nearest, nearest_random
        Median distance (1 - cosine) to the nearest row, and that of random directions.
    preference, preference_rest
        Mean of d times the squared cosine with the other rows: 1 for random directions; and that among the other rows.
        NaN if (nearly) all rows look untrained.
    """

    rows: NDArray[np.intp]
    length: float
    length_spread: float
    nearest: float
    nearest_random: float
    preference: float
    preference_rest: float


def untrained_rows(
    vectors: NDArray[np.float32],
    nearest: NDArray[np.floating] | None = None,
    *,
    trained: NDArray[np.bool_] | None = None,
    random_state: int = 42,
) -> Untrained | None:
    """Find rows that are indistinguishable from independent random vectors, in a table of other rows.

    Independent random values give norms in a narrow peak (the relative deviation for normal values is ``1 / √(2d)``,
    for uniform ones less), or, if trained rows have such norms too, directions that the covariance of the other rows
    separates from theirs. Nearest neighbors no nearer than those of random directions, and squared cosines with the
    preferred directions of other rows of ``1 / d`` on average are required in both cases; the latter must also
    distinguish the rows from the others by 5 standard errors. A whole table is called untrained by its norms and
    directions, if its values are not so large that training would leave no trace in them, as with N(0, 1).

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite, without zero rows.
    nearest
        ``(n,)``: distance (1 - cosine) of each row to its nearest; by default computed for the required rows.
    trained
        ``(n,)``: rows that are known to be trained. They are not found, and count among the other rows.
    random_state
        Seed of the random directions.

    Returns
    -------
    None if nothing is found: fewer than 5 such rows, fewer than 16 dimensions, or no evidence.
    """
    n, d = vectors.shape
    if n < 2 * _MIN_ROWS or d < _MIN_DIM:
        return None
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    units = (vectors / lengths[:, None]).astype(np.float32)
    controls = np.random.default_rng(random_state).standard_normal((_CONTROLS, d), dtype=np.float32)
    controls /= np.linalg.norm(controls, axis=1, keepdims=True)
    best = [(controls @ units[start : start + 4096].T).max(axis=1) for start in range(0, n, 4096)]
    random = 1 - np.max(best, axis=0).astype(np.float64)

    def measure(rows: NDArray[np.intp]) -> NDArray[np.floating]:
        return _nearest_of(units, rows) if nearest is None else nearest[rows]

    products = (units.T @ units).astype(np.float64)
    known = np.zeros(n, dtype=bool) if trained is None else trained
    for found in (*_length_peaks(lengths, 1 / np.sqrt(2 * d)), *_without_direction(units, controls)):
        rows = found[~known[found]]
        if len(rows) >= 0.95 * n and not known.any():
            rows, preference, rest = np.arange(n), np.nan, np.nan
            away = measure(rows[:: 1 + n // _CONTROLS])
            is_random = np.median(away) >= np.quantile(random, 0.2) and _is_even(products, n)
            if vectors.std() > _WIDE or not is_random:
                continue
        else:
            chosen = _without_preference(units, products, rows, controls)
            if chosen is None:
                continue
            rows, preference, rest = chosen
            away = measure(rows)
            far = away >= np.quantile(random, 0.01)
            # Rows of a wide distribution that look random accumulate at the limit; random rows are distributed like
            # controls.
            if far.sum() < max(_MIN_ROWS, _MOST * len(rows)) or not _same_distribution(away[far], random):
                continue
            rows, away = rows[far], away[far]
        length = float(np.median(lengths[rows]))
        spread = float(lengths[rows].std() / length)
        near, near_random = float(np.median(away)), float(np.median(random))
        return Untrained(np.sort(rows), length, spread, near, near_random, preference, rest)
    return None


def _nearest_of(units: NDArray[np.float32], rows: NDArray[np.intp]) -> NDArray[np.floating]:
    """Distance (1 - cosine) of some rows to their nearest, computed in blocks of 10 MB."""
    nearest = np.empty(len(rows), dtype=np.float32)
    size = max(1, 2_500_000 // len(units))
    for start in range(0, len(rows), size):
        asked = rows[start : start + size]
        cosines = units[asked] @ units.T
        cosines[np.arange(len(asked)), asked] = -1
        nearest[start : start + size] = 1 - cosines.max(axis=1)
    return nearest


def _length_peaks(lengths: NDArray[np.float64], spread: float) -> list[NDArray[np.intp]]:
    """Rows with norms in a peak as narrow as an initializer's, largest peak first."""
    left = np.argsort(lengths, kind="stable")
    all_logs = np.log(lengths[left])
    width = 6 * spread
    peaks = []
    for _ in range(_WINDOWS):
        logs = np.log(lengths[left])
        counts = np.searchsorted(logs, logs + width, side="right") - np.arange(len(left))
        if not len(left) or (count := int(counts.max())) < _MIN_ROWS:
            break
        start = int(counts.argmax())
        inside = slice(start, start + count)
        low, high = logs[start], logs[start + count - 1]
        edges = np.searchsorted(all_logs, [low - width, low, np.nextafter(high, np.inf), high + width])
        beside = max(edges[1] - edges[0], edges[3] - edges[2])
        # Norms uniform over six deviations have a deviation of 1.73; those of a peak 1, or 0.63 for uniform values.
        if logs[inside].std() <= 1.25 * spread and count >= _PEAK * beside:
            peaks.append(left[inside])
        left = np.delete(left, inside)
    return peaks


def _without_direction(units: NDArray[np.float32], controls: NDArray[np.float32]) -> list[NDArray[np.intp]]:
    """Rows that the covariance of the other rows does not distinguish from random directions, if a gap separates them.

    The density of the others' directions falls with uᵀS⁻¹u (angular Gaussian), where S is their covariance; rows in
    their directions have small values, random ones large. The inverse separates better than S: in most of 24 small
    classifiers, less than a tenth as many trained rows were next to the untrained ones.
    """
    n, d = units.shape
    others, n_others = np.ones(n, dtype=bool), 0
    for _ in range(5):
        if (count := int(others.sum())) == n_others:
            break
        n_others = count
        if n_others < max(2 * _MIN_ROWS, 0.05 * n):
            return []
        share = (1 - _RIDGE) * d / n_others
        block = units[others]
        inverse = np.linalg.inv(share * (block.T @ block).astype(np.float64) + _RIDGE * np.eye(d)).astype(np.float32)
        values, random = (np.einsum("ij,ij->i", rows @ inverse, rows, dtype=np.float64) for rows in (units, controls))
        # A row of the covariance itself: the value without it (Sherman-Morrison).
        values[others] /= np.maximum(1 - share * values[others], 1e-6)
        middle, limit = np.quantile(random, [0.5, 0.01])
        others = values < limit
    rows = np.flatnonzero(~others)
    within, even = int((values < middle).sum() - others.sum()), int((values >= middle).sum())
    beside = int((values[others] >= limit**2 / middle).sum())
    is_random = within - even <= 3 * math.sqrt(len(rows))
    return [rows] if is_random and beside <= min(_BESIDE[0] * within, _BESIDE[1] * others.sum()) else []


def _without_preference(
    units: NDArray[np.float32],
    products: NDArray[np.float64],
    candidates: NDArray[np.intp],
    controls: NDArray[np.float32],
) -> tuple[NDArray[np.intp], float, float] | None:
    """Candidates without a preference for the directions of the other rows, their preference, and that of the others.

    For a random unit vector u and the mean S of the others' outer products, d uᵀSu has mean 1 and variance
    2 (d tr S² - 1) / (d + 2).
    """
    n, d = units.shape
    n_candidates = len(candidates)
    for _ in range(3):
        n_rest = n - len(candidates)
        if len(candidates) < _MIN_ROWS or n_rest < _MIN_ROWS:
            return None
        block = units[candidates]
        own = (block.T @ block).astype(np.float64)
        others = (products - own) / n_rest
        strength = d * float(np.square(others).sum())
        # For n random rows among themselves this is 1 + d / n: subtract each row's product with itself.
        rest = (strength - d / n_rest) * n_rest / (n_rest - 1)
        deviation = np.sqrt(max(2 * (strength - 1), 0) / (d + 2))
        preference = _preference(block, others)
        keep = preference <= 1 + 4 * deviation
        if keep.all():
            break
        candidates = candidates[keep]
        # If many rows are excluded, they are the tail of a wide distribution and not rows of another kind.
        if len(candidates) < _MOST * n_candidates:
            return None
    mean, m = float(preference.mean()), len(block)
    error = deviation / np.sqrt(m)
    is_random = (
        abs(mean - 1) <= 4 * error + _SLACK
        and _is_even(own, m)
        and _same_distribution(preference, _preference(controls, others))
    )
    return (candidates, mean, float(rest)) if is_random and rest - mean > 5 * error + 0.1 else None


def _preference(units: NDArray[np.float32], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute d times each unit vector's mean squared cosine with the rows whose mean outer product is `others`."""
    squared = np.einsum("ij,ij->i", units @ others.astype(np.float32), units, dtype=np.float64)
    return np.asarray(units.shape[1] * squared)


def _is_even(products: NDArray[np.float64], n: int) -> bool:
    """Whether the mean squared cosine of all pairs of n unit vectors hardly exceeds the 1 / d of random vectors."""
    pairs = n * (n - 1)
    return (float(np.square(products).sum()) - n) / pairs * len(products) - 1 <= 4 * math.sqrt(4 / pairs) + _SLACK


def _same_distribution(a: NDArray[np.floating], b: NDArray[np.floating]) -> bool:
    """Whether the distributions of two samples differ by no more than chance (p = 0.01) plus a tenth."""
    from scipy.stats import ks_2samp

    return float(ks_2samp(a, b, method="asymp").statistic) <= 0.1 + 1.63 * math.sqrt(1 / len(a) + 1 / len(b))


def _initializer(values: NDArray[np.float32]) -> tuple[Text, dict[str, float]]:
    """Describe the usual initializer with the moments of the values, if there is one."""
    from scipy.stats import kurtosis

    flat = values.ravel().astype(np.float64)
    deviation, largest = float(flat.std()), float(np.abs(flat).max())
    tails = float(kurtosis(flat, fisher=False)) if len(flat) >= 2000 else np.nan
    note = EMPTY
    if abs(tails - 1.8) < 0.1 and largest < 1.75 * deviation:
        bound = rounded(largest)
        note = Text(
            f"Their values are uniform from -{bound} to {bound}, as from a uniform initializer.",
            f"其数值均匀分布在 -{bound} 到 {bound} 之间，与均匀初始化一致。",
        )
    elif abs(tails - 3) < 0.2:
        std = rounded(deviation)
        note = Text(
            f"Their values are normal with standard deviation {std}, as from a normal initializer.",
            f"其数值的分布与标准差为 {std} 的正态初始化一致。",
        )
    return note, {"value_std": deviation, "value_max": largest}


def find_untrained(space: Space) -> Iterator[Finding]:
    """Find rows, or a whole table, that look untrained."""
    usable = np.flatnonzero(~space.composed)
    if len(usable) < 2 * _MIN_ROWS:
        return
    nearest = space.neighbors.distances[usable, 0] if space.neighbors.distance == "cosine" else None
    looked_up = space.values.get("lookups", np.zeros(len(space)))[usable] > 0
    found = untrained_rows(space.vectors[usable], nearest, trained=looked_up, random_state=space.random_state)
    if found is None:
        return
    rows, d, whole = usable[found.rows], space.vectors.shape[1], bool(np.isnan(found.preference))
    share, names = len(rows) / len(space), space.names(rows)
    initializer, numbers = _initializer(space.vectors[rows])
    numbers |= {
        "num_rows": len(rows),
        "share": share,
        "length": found.length,
        "length_spread": found.length_spread,
        "expected_length_spread": 1 / np.sqrt(2 * d),
        "nearest_distance": found.nearest,
        "random_nearest_distance": found.nearest_random,
    }
    length, near, near_random = map(rounded, (found.length, found.nearest, found.nearest_random))
    spread, normal, uniform = map(percent, (found.length_spread, 1 / np.sqrt(2 * d), np.sqrt(0.2 / d)))
    evidence = Text(
        f"Their norms are {length} ± {spread} (independent normal values in {d} columns give ± {normal}, uniform ones "
        f"± {uniform}), and their nearest rows are at a distance of {near} (1 - cosine), compared with {near_random} "
        "for random directions.",
        f"其范数为 {length} ± {spread}（{d} 列独立正态值为 ± {normal}，均匀值为 ± {uniform}），到最近一行的距离为 "
        f"{near}（1 - 余弦），随机方向则为 {near_random}。",
    )
    if whole:
        title = Text("The watched rows look untrained", "观察的行看起来都未经训练")
        evidence += initializer
        yield space.finding("untrained_table", "critical", title, evidence, _TABLE, rows=rows, numbers=numbers)
        return
    others = float(np.median(space.lengths[np.setdiff1d(usable, rows)]))
    numbers |= {"length_rest": others, "preference": found.preference, "preference_rest": found.preference_rest}
    yield space.finding(
        "untrained_rows",
        "critical" if share >= 0.5 else "warning",
        Text(f"Rows that look untrained: {len(rows):,}", f"看起来未经训练的行：{len(rows):,}"),
        Text(f"{names.en}: {percent(share)} of the watched rows.", f"{names.zh}：占观察行的 {percent(share)}。")
        + evidence
        + Text(
            f"They have no preference for the directions of the other rows ({found.preference:.2f}; chance is 1, and "
            f"the others have {found.preference_rest:.2f}), whose median norm is {rounded(others)}.",
            f"它们对其余行的方向没有偏好（{found.preference:.2f}；随机为 1，其余行为 {found.preference_rest:.2f}），"
            f"其余行的范数中位数为 {rounded(others)}。",
        )
        + initializer,
        _ROWS,
        rows=rows,
        numbers=numbers,
        by_frequency=True,
    )
