"""A number of every group and of all together, and the bootstrap behind its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scores", "bootstrap_means", "percentile_interval"]

_DISTINCT = 256
"""Values are pooled into so many equal parts; the spread of a normal sample loses 0.2% by it."""


@dataclass(frozen=True)
class Scores:
    """A number of all rows that have a group, and of each group.

    Attributes
    ----------
    overall
        Of all; NaN where it cannot be told.
    groups
        ``(g,)`` float64, in the order of the study's names; NaN where it cannot be told.
    overall_interval
        Lower and upper end of the 95% interval; NaN where there is none.
    intervals
        ``(g, 2)`` float64, the same for each group; None where there are none.
    """

    overall: float
    groups: NDArray[np.float64]
    overall_interval: tuple[float, float] = (np.nan, np.nan)
    intervals: NDArray[np.float64] | None = None


def bootstrap_means(values: NDArray[np.float64], n_bootstrap: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Means of samples drawn from `values` with replacement, each as large as `values`.

    How often each distinct value is drawn is multinomial, so no row is drawn one by one: 1,000 means of 10,000 shares
    out of 15 neighbors take 1 ms instead of 100.

    Parameters
    ----------
    values
        ``(m,)`` finite, at least one.
    n_bootstrap
        Number of samples.
    rng
        Where chance comes from.

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
    """Find the ends of the middle 95% of draws along the last axis; ``(..., 2)``."""
    ends: NDArray[np.float64] = np.moveaxis(np.quantile(draws, [0.025, 0.975], axis=-1), 0, -1)
    return ends
