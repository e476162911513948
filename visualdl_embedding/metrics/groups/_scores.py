"""Values of groups, overall and per group, and the bootstrap of their intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scores", "bootstrap_means", "percentile_interval"]

_DISTINCT = 256
"""Number of bins for the values; it lowers the spread of a normal sample by 0.2%."""


@dataclass(frozen=True)
class Scores:
    """Value for all grouped rows, and for each group.

    Attributes
    ----------
    overall
        Overall value; NaN if unknown.
    groups
        ``(g,)`` float64, in the order of the study's names; NaN if unknown.
    overall_interval
        Limits of the 95% interval; NaN if unknown.
    intervals
        ``(g, 2)`` float64, the same for each group, or None.
    """

    overall: float
    groups: NDArray[np.float64]
    overall_interval: tuple[float, float] = (np.nan, np.nan)
    intervals: NDArray[np.float64] | None = None


def bootstrap_means(values: NDArray[np.float64], n_bootstrap: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Compute the means of bootstrap samples of `values`.

    The counts of the distinct values are sampled from a multinomial distribution: 1,000 means of 10,000 shares out of
    15 neighbors take 1 ms instead of 100.

    Parameters
    ----------
    values
        ``(m,)`` finite, at least one.
    n_bootstrap
        Number of samples.
    rng
        Random generator.

    Returns
    -------
    ``(n_bootstrap,)`` float64.

    References
    ----------
    Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) > _DISTINCT:
        edges = np.linspace(0, len(values), _DISTINCT + 1).astype(np.intp)
        counts = np.diff(edges)
        distinct = np.add.reduceat(np.sort(values), edges[:-1]) / counts
    drawn = rng.multinomial(len(values), counts / len(values), size=n_bootstrap)
    means: NDArray[np.float64] = drawn @ distinct / len(values)
    return means


def percentile_interval(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the limits of the middle 95% of draws along the last axis; ``(..., 2)``."""
    ends: NDArray[np.float64] = np.moveaxis(np.quantile(draws, [0.025, 0.975], axis=-1), 0, -1)
    return ends
