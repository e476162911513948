"""Empirical p-values: of a row among rows, of a group or a pair among pairs without a change.

Under a null hypothesis in which all m + 1 are exchangeable, a rank is uniform: (1 + number at least as large) / (m +
1). The largest residuals of rows are also compared with a tail fitted to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.columns import first_non_number, numbers

__all__ = [
    "ROWS_FOR_TAIL",
    "SMALLEST_P",
    "Ranked",
    "group_p_values",
    "pair_p_value",
    "rank_rows",
    "residuals",
    "row_p_values",
    "smallest_p_value",
    "strata_of",
]

ROWS_FOR_TAIL = 100
"""Minimum number of residuals for a tail: 25 of them are a quarter."""
_FEWEST_EXCESSES = 25
_FEW = 10
"""Residuals at or above a value for which its rank is used; that of fewer is imprecise."""
SMALLEST_P = 1e-6
"""Lower limit of p-values from a tail, beyond which they would be distinguished by the form of the tail alone."""
_MISFIT = 0.1
"""Distance (Cramér and von Mises) of excesses from a fitted tail beyond which ranks are used."""
_PER_STRATUM = 100
"""Minimum number of rows for the median and spread of a stratum."""
_MAX_STRATA = 10
_PRIOR = 4.0
"""Weight, in observations, of the stratum's spread relative to the null changes of the word itself."""

Values = NDArray[np.float64]


def strata_of(column: Sequence[str] | None, n: int) -> NDArray[np.int32]:
    """Split rows into strata of similar rows, such as words with similar frequency; ``(n,)`` int32 from 0.

    Numbers in the column are split into at most 10 ranges of equal size, 100 rows or more; other values are strata of
    their own, with those of fewer than 100 rows merged. Without a column there is one stratum.
    """
    codes = np.zeros(n, dtype=np.int32)
    if column is None or n < 2 * _PER_STRATUM:
        return codes
    if first_non_number(column) is not None:
        _, found, counts = np.unique(np.array(column), return_inverse=True, return_counts=True)
        large = np.where(counts >= _PER_STRATUM, np.arange(1, len(counts) + 1), 0)
        return np.unique(large[found], return_inverse=True)[1].astype(np.int32)
    many = min(_MAX_STRATA, n // _PER_STRATUM)
    values = numbers(column)
    # Unknown frequencies are usually those of rare words.
    codes[np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")] = np.arange(n) * many // n
    return codes


def residuals(values: Values, strata: NDArray[np.int32], *, reference: NDArray[np.bool_]) -> Values:
    """Remove the common change of each pair and, with null pairs, the usual change of each row.

    Parameters
    ----------
    values
        ``(1 + r, n)``: a statistic of each row in the pair of interest and in r null pairs; NaN if a pair lacks the
        row.
    strata, reference
        ``(n,)`` codes, and ``(n,)`` bool: reference rows.

    Returns
    -------
    ``(1 + r, n)``. Without null pairs: values minus the median of their stratum, divided by its spread. With null
    pairs: minus that median and the mean of the row over all pairs, divided by the standard deviation of the row, which
    is shrunk towards that of its stratum if pairs are few. All pairs including the one of interest are treated alike,
    so that without a change none is unusual. NaN in the first pair if a row is in no null pair.

    References
    ----------
    Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression in microarray
    experiments", for shrinkage of variances; Papadopoulos, Gammerman and Vovk 2008, "Normalized
    nonconformity measures for regression conformal prediction", for ranks of normalized residuals.
    """
    left = values.copy()
    for stratum in range(int(strata.max(initial=0)) + 1):
        members = strata == stratum
        among = members & reference if (members & reference).any() else members
        for pair in range(len(left)):
            known = left[pair, among]
            known = known[~np.isnan(known)]
            left[pair, members] -= np.median(known) if len(known) else 0.0
        if len(left) == 1:
            left[0, members] /= _spread(left[0, among])
        else:
            left[:, members] = _studentized(left[:, members])
    return left


def _spread(values: Values) -> float:
    """Half of the width of the central two thirds, which is robust against few changed rows; 1 if that is 0."""
    known = values[~np.isnan(values)]
    if not len(known):
        return 1.0
    low, high = np.quantile(known, (1 / 6, 5 / 6))
    return float(high - low) / 2 or float(known.std()) or 1.0


def _studentized(values: Values) -> Values:
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    usable = count > 1
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    off = np.where(known & usable, values - mean, np.nan)
    squares = np.nansum(off**2, axis=0)
    freedom = count[usable].sum() - usable.sum()
    common = float(squares[usable].sum() / freedom) if freedom else 0.0
    # The spread without the pair itself: with it, residuals of few pairs are bounded and have no tail.
    own = off**2 * count / np.maximum(count - 1, 1)
    others = np.maximum(squares - own, 0.0) + _PRIOR * common
    spread = np.sqrt(others / (np.maximum(count - 2, 0) + _PRIOR))
    by_spread: Values = np.divide(off, spread, out=np.where(np.isnan(off), np.nan, 0.0), where=spread > 0)
    return by_spread


def smallest_p_value(num_residuals: int) -> float:
    """Smallest p-value of a row among that many residuals: a rank, or with 100 or more the limit of the tail.

    >>> smallest_p_value(49), smallest_p_value(500)
    (0.02, 1e-06)
    """
    return SMALLEST_P if num_residuals >= ROWS_FOR_TAIL else 1 / (1 + num_residuals)


def row_p_values(left: Values, *, reference: NDArray[np.bool_], asked: Sequence[int] | None = None) -> Values:
    """Compare each row's residual in the first pair with those of the reference rows in all pairs.

    A rank among m residuals is at least 1 / (m + 1). Beyond the tenth largest of 100 or more residuals, the p-value is
    therefore the smaller one of the rank and the tail of a generalized Pareto distribution, at least 1e-6. It is fitted
    to the largest tenth, 25 or more, without an upper limit, because a bounded tail would end at the largest residual.
    Its shape is raised by one standard error. The rank is used where the tail does not fit, for example because a few
    rows changed and the others did not.

    Returns ``(n,)`` float64, above 0 up to 1: small for large residuals; NaN for rows without a residual, and for
    those that are not `asked` for.

    References
    ----------
    Knijnenburg, Wessels, Reinders and Shmulevich 2009, "Fewer permutations, more accurate P-values"; Pickands 1975,
    "Statistical inference using extreme order statistics"; Grimshaw 1993, "Computing maximum likelihood estimates for
    the generalized Pareto distribution"; Choulakian and Stephens 2001, "Goodness-of-fit tests for the generalized
    Pareto distribution"; Smith 1987, "Estimating tails of probability distributions".
    """
    p_values = np.full(left.shape[1], np.nan)
    pool = left[:, reference].ravel()
    pool = np.sort(pool[~np.isnan(pool)])
    rows = np.arange(left.shape[1]) if asked is None else np.array(asked, dtype=np.intp)
    rows = rows[~np.isnan(left[0, rows])]
    found = left[0, rows]
    at_least = len(pool) - np.searchsorted(pool, found, side="left")
    # A reference row is in the pool itself and counts as the added 1.
    own = reference[rows].astype(np.intp)
    p_values[rows] = (1 + at_least - own) / (1 + len(pool) - own)
    if len(pool) < ROWS_FOR_TAIL:
        return p_values
    extreme = at_least - own < _FEW
    outside = rows[extreme & (own == 0)]
    if len(outside):
        p_values[outside] = np.minimum(p_values[outside], _tail(pool, left[0, outside]))
    for row in rows[extreme & (own == 1)]:
        others = np.delete(pool, np.searchsorted(pool, left[0, row]))
        p_values[row] = min(p_values[row], _tail(others, left[0, [row]])[0])
    return p_values


def _tail(pool: Values, values: Values) -> Values:
    """Upper limit of the probability of a residual at least as large, from the tail of a sorted pool; 1 without a tail.

    There is none if it has ties, or does not fit: it then mixes changed rows with unchanged ones. With 1% of 500 rows
    changed, 0.0009 of the rows are below a level of 0.001, without these two corrections 0.004.
    """
    many = max(_FEWEST_EXCESSES, len(pool) // 10)
    if not (np.diff(pool[-many - 1 :]) > 0).all():
        return np.ones(len(values))
    threshold = (pool[-many - 1] + pool[-many]) / 2
    excess = pool[-many:] - threshold
    shape, scale = _fit_pareto(excess)
    if shape > 1 / many and _misfit((1 + shape * excess / scale) ** (-1 / shape)) > _MISFIT:
        return np.ones(len(values))
    shape += (1 + shape) / np.sqrt(many)  # standard error, Smith 1987
    above = np.maximum(values - threshold, 0.0)
    tail: Values = np.maximum(many / len(pool) * (1 + shape * above / scale) ** (-1 / shape), SMALLEST_P)
    return tail


def _misfit(probabilities: Values) -> float:
    """Statistic of Cramér and von Mises for probabilities that are uniform if the distribution fits."""
    k = len(probabilities)
    expected = (np.arange(k) + 0.5) / k
    return float(1 / (12 * k) + np.sum((np.sort(probabilities) - expected) ** 2))


def _fit_pareto(excess: Values) -> tuple[float, float]:
    """Fit a generalized Pareto distribution by maximum likelihood; return its shape, at least 1 / k, and its scale.

    For k excesses, a shape of 1 / k with their mean as the scale is the exact prediction from an exponential tail whose
    scale is estimated. The likelihood has one free parameter, shape / scale (Grimshaw 1993): a fit takes 0.3 ms,
    ``scipy.stats.genpareto.fit`` with the same result 15 ms.
    """
    from scipy.optimize import minimize_scalar

    mean = float(excess.mean())

    def shape_of(ratio: float) -> float:
        return float(np.log1p(ratio * excess / mean).mean())

    def loss(log_ratio: float) -> float:
        shape = shape_of(np.exp(log_ratio))
        return float(np.log(shape) - log_ratio + shape)

    ratio = float(np.exp(minimize_scalar(loss, bounds=(-7, 20), method="bounded").x))
    shape = shape_of(ratio)
    return (shape, shape / ratio * mean) if shape > 1 / len(excess) else (1 / len(excess), mean)


class Ranked(NamedTuple):
    """p-values of rows, and the smallest possible ones, ``(n,)`` each; and their residuals, ``(1 + r, n)``."""

    p_values: Values
    smallest: Values
    residuals: Values

    def order(self) -> NDArray[np.intp]:
        """Return the rows by evidence of a change, strongest first: by p-value, then by residual; unknown ones last."""
        return np.lexsort((-self.residuals[0], self.p_values))


def rank_rows(
    values: Values,
    strata: NDArray[np.int32],
    *,
    reference: NDArray[np.bool_],
    asked: Sequence[int] | None = None,
) -> Ranked:
    """Compute p-values of the rows.

    Parameters are those of `residuals` and `row_p_values`. A row that is in no null pair is compared with the rows of
    its own pair.
    """
    left = residuals(values, strata, reference=reference)
    smallest = np.full(len(reference), _smallest(left, reference))
    p_values = row_p_values(left, reference=reference, asked=asked)
    if len(values) > 1 and (lacking := np.isnan(left[0])).any():
        alone = residuals(values[:1], strata, reference=reference)
        p_values[lacking] = row_p_values(alone, reference=reference, asked=asked)[lacking]
        smallest[lacking] = _smallest(alone, reference)
    return Ranked(p_values, smallest, left)


def _smallest(left: Values, reference: NDArray[np.bool_]) -> float:
    return smallest_p_value(int((~np.isnan(left[:, reference])).sum()))


def group_p_values(left: Values, codes: NDArray[np.int32], *, n_groups: int) -> Values:
    """Rank the mean residual of each group in the first pair among its means in the null pairs.

    Words of one kind change together from training to training, so that a group is not compared with random rows.

    `left` are residuals, ``(1 + r, n)``; `codes` has the group of each row, -1 for none. Returns ``(n_groups,)``
    float64, at least 1 / (r + 1); NaN for a group without a known value.
    """
    known = ~np.isnan(left)
    filled = np.where(known, left, 0.0)
    member = (codes[:, None] == np.arange(n_groups)).astype(np.float64)
    count = known @ member
    means = np.divide(filled @ member, count, out=np.full(count.shape, np.nan), where=count > 0)
    return np.array([pair_p_value(of[0], of[1:].tolist(), higher=True) for of in means.T], dtype=np.float64)


def pair_p_value(observed: float, null: Sequence[float], *, higher: bool) -> float:
    """Rank a value of a pair among those of null pairs; `higher` is whether large values indicate drift.

    >>> pair_p_value(0.3, [0.6] * 19, higher=False)
    0.05
    """
    known = np.array([value for value in null if not np.isnan(value)])
    if np.isnan(observed) or not len(known):
        return float("nan")
    beyond = known >= observed if higher else known <= observed
    return float((1 + beyond.sum()) / (1 + len(known)))
