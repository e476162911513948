"""Rank-based p-values: of a row among rows, of a group among random sets, of a pair among pairs without a change.

Under a null hypothesis in which all m + 1 are exchangeable, a rank is uniform: (1 + number at least as large) / (m +
1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.columns import first_non_number, numbers

__all__ = ["SHUFFLES", "group_p_values", "pair_p_value", "rank_rows", "residuals", "row_p_values", "strata_of"]

SHUFFLES = 999
"""Number of shuffles: the smallest p-value of a group is 0.001; they take 0.3 s for 10,000 rows."""
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
    spread = np.sqrt((squares + _PRIOR * common) / (np.maximum(count - 1, 0) + _PRIOR))
    by_spread: Values = np.divide(off, spread, out=np.where(np.isnan(off), np.nan, 0.0), where=spread > 0)
    return by_spread


def row_p_values(left: Values, *, reference: NDArray[np.bool_]) -> Values:
    """Rank each row's residual in the first pair among those of the reference rows in all pairs.

    Returns ``(n,)`` float64, above 0 up to 1: small for large residuals; NaN for rows without a residual.
    """
    p_values = np.full(left.shape[1], np.nan)
    pool = left[:, reference].ravel()
    pool = np.sort(pool[~np.isnan(pool)])
    rows = np.flatnonzero(~np.isnan(left[0]))
    at_least = len(pool) - np.searchsorted(pool, left[0, rows], side="left")
    # A reference row is in the pool itself and counts as the added 1.
    own = reference[rows].astype(np.intp)
    p_values[rows] = (1 + at_least - own) / (1 + len(pool) - own)
    return p_values


def rank_rows(values: Values, strata: NDArray[np.int32], *, reference: NDArray[np.bool_]) -> tuple[Values, Values]:
    """Compute p-values of all rows, and the residuals that they rank; ``(n,)`` each.

    Parameters are those of `residuals`. A row that is in no null pair is ranked among the rows of its own pair.
    """
    left = residuals(values, strata, reference=reference)
    p_values = row_p_values(left, reference=reference)
    if len(values) > 1 and (lacking := np.isnan(p_values)).any():
        alone = residuals(values[:1], strata, reference=reference)
        p_values[lacking] = row_p_values(alone, reference=reference)[lacking]
    return p_values, left[0]


def group_p_values(
    values: Values, codes: NDArray[np.int32], strata: NDArray[np.int32], *, n_groups: int, random_state: int
) -> Values:
    """Compare the mean of each group with that of random rows, with the same number from every stratum.

    `values` are NaN where unknown; `codes` has the group of each row, -1 for none. Rows without a group are sampled
    too. Returns ``(n_groups,)`` float64: share of shuffles with a mean at least as large; NaN for a group without a
    known value.
    """
    rng = np.random.default_rng(random_state)
    rows = np.flatnonzero(~np.isnan(values))
    known, dealt, layer = values[rows], codes[rows].copy(), strata[rows]
    sizes = np.bincount(dealt + 1, minlength=n_groups + 1)[1:]
    layers = [np.flatnonzero(layer == stratum) for stratum in np.unique(layer)]

    def totals() -> Values:
        sums: Values = np.bincount(dealt + 1, known, n_groups + 1)[1:].astype(np.float64)
        return sums

    observed, at_least = totals(), np.zeros(n_groups)
    # Sums of the same numbers in another order differ by rounding errors.
    limit = observed - 1e-9 * np.abs(known).sum()
    for _ in range(SHUFFLES):
        for part in layers:
            dealt[part] = rng.permutation(dealt[part])
        at_least += totals() >= limit
    return np.where(sizes > 0, (1 + at_least) / (1 + SHUFFLES), np.nan)


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
