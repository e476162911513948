"""p-values that are ranks: of a row among rows, of a group among random sets, of a pair among pairs without a change.

A rank among m others under a null in which all m + 1 are alike is uniform: (1 + those at least as large) / (m + 1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.columns import first_non_number, numbers

__all__ = ["SHUFFLES", "group_p_values", "pair_p_value", "residuals", "row_p_values", "strata_of"]

SHUFFLES = 999
"""The smallest p-value of a group is 0.001; for 10,000 rows they take 0.3 s."""
_PER_STRATUM = 100
"""Rows of which a stratum's median and spread are known well enough."""
_MAX_STRATA = 10
_PRIOR = 4.0
"""Observations that the usual spread of a stratum counts for beside the null changes of the word itself."""

Values = NDArray[np.float64]


def strata_of(column: Sequence[str] | None, n: int) -> NDArray[np.int32]:
    """Sort rows into strata of like rows, such as words about as frequent.

    Parameters
    ----------
    column
        n strings. Numbers are cut into at most 10 ranges with equally many rows, 100 or more; other values are strata
        as they are, those of fewer than 100 rows together. None: one stratum.

    Returns
    -------
    ``(n,)`` int32 from 0.
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
    # An unknown frequency is most often that of a word nobody counted.
    codes[np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")] = np.arange(n) * many // n
    return codes


def residuals(values: Values, strata: NDArray[np.int32], *, reference: NDArray[np.bool_]) -> Values:
    """Take out what a pair does to all rows and, where there are null pairs, what is usual for each row.

    Parameters
    ----------
    values
        ``(1 + r, n)``: a statistic of each row in the pair in question and in r null pairs; NaN where a pair lacks it.
    strata
        ``(n,)`` codes.
    reference
        ``(n,)``: rows that the others are held against.

    Returns
    -------
    ``(1 + r, n)``. Without null pairs: values minus the median of their stratum, by its spread. With them: minus that
    median and the mean of the row over all pairs, by the standard deviation of the row, which is drawn towards that of
    its stratum where pairs are few. Every pair is treated alike, the one in question among them, so that under no
    change none stands out. NaN in the first pair where a row has no null pair to be held against.

    References
    ----------
    Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression in microarray
    experiments", for spreads drawn towards a common one; Papadopoulos, Gammerman and Vovk 2008, "Normalized
    nonconformity measures for regression conformal prediction", for ranks of what was divided by its usual spread.
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
    """Half of the width of the middle two thirds, which a few rows that did change leave alone; 1 where that is 0."""
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

    Parameters
    ----------
    left
        ``(1 + r, n)``: `residuals`.
    reference
        As there.

    Returns
    -------
    ``(n,)`` float64, above 0 up to 1: large residuals get small ones; NaN for a row without a residual.
    """
    p_values = np.full(left.shape[1], np.nan)
    pool = left[:, reference].ravel()
    pool = np.sort(pool[~np.isnan(pool)])
    rows = np.flatnonzero(~np.isnan(left[0]))
    at_least = len(pool) - np.searchsorted(pool, left[0, rows], side="left")
    # A reference row stands in the pool itself and is the one that 1 is added for.
    own = reference[rows].astype(np.intp)
    p_values[rows] = (1 + at_least - own) / (1 + len(pool) - own)
    return p_values


def group_p_values(
    values: Values, codes: NDArray[np.int32], strata: NDArray[np.int32], *, n_groups: int, random_state: int
) -> Values:
    """Compare the mean of each group with that of random rows, as many from every stratum.

    Parameters
    ----------
    values
        ``(n,)``, NaN where unknown.
    codes
        ``(n,)`` int32: group of each row, -1 for none; rows without one are drawn, too.
    strata
        ``(n,)`` codes.

    Returns
    -------
    ``(n_groups,)`` float64: share of shuffles with as large a mean; NaN for a group without a known value.
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
    # Sums of the same numbers in another order differ by rounding.
    limit = observed - 1e-9 * np.abs(known).sum()
    for _ in range(SHUFFLES):
        for part in layers:
            dealt[part] = rng.permutation(dealt[part])
        at_least += totals() >= limit
    return np.where(sizes > 0, (1 + at_least) / (1 + SHUFFLES), np.nan)


def pair_p_value(observed: float, null: Sequence[float], *, higher: bool) -> float:
    """Rank a number of a pair among those of null pairs; `higher` says which side is drift.

    >>> pair_p_value(0.3, [0.6] * 19, higher=False)
    0.05
    """
    known = np.array([value for value in null if not np.isnan(value)])
    if np.isnan(observed) or not len(known):
        return float("nan")
    beyond = known >= observed if higher else known <= observed
    return float((1 + beyond.sum()) / (1 + len(known)))
