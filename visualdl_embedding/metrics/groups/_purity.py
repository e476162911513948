"""Purity of groups among neighbors, and mixing between groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.metrics.groups._encode import NO_GROUP, Scores

__all__ = ["Purity", "bootstrap_means", "measure_purity", "percentile_interval"]

Doubles = NDArray[np.float64]
N_BOOTSTRAP = 1000
_DISTINCT = 256
"""Number of bins for the values; it lowers the spread of a normal sample by 0.2%."""


@dataclass(frozen=True)
class Purity:
    """Shares of neighbors by group; see `GroupStudy`.

    `rows` is its `row_purity`, and `known`, ``(n,)``, is the number of neighbors with a group.
    """

    observed: Scores
    chance: Scores
    over_chance: Scores
    mixing: Doubles
    rows: NDArray[np.float32]
    known: NDArray[np.intp]


def measure_purity(
    indices: NDArray[np.int32],
    codes: NDArray[np.int32],
    n_groups: int,
    *,
    n_bootstrap: int = N_BOOTSTRAP,
    random_state: int = 42,
) -> Purity:
    """Measure purity and mixing, with 95% intervals, from neighbors ``(n, k)`` and groups ``(n,)``, -1 for none.

    With `n_bootstrap` 0 the intervals are unknown.

    Notes
    -----
    With random assignment among m grouped rows, a neighbor of a row of group c is in c with probability
    ``(size - 1) / (m - 1)``, for any graph.

    A row has two roles: it has neighbors, and it is a neighbor of others. Resampling rows as askers only gives too
    narrow intervals: over simulated spaces the 95% intervals contain the true purity in 55% to 92% of cases. Therefore
    rows are resampled within their groups in both roles at once, with a coverage of 90% to 99%, and at least 93% for
    groups unrelated to the space, even with 20 rows. The second role is a sum over all rows, so its resampling is drawn
    from the normal distribution with that variance.

    References
    ----------
    Efron and Tibshirani 1993, "An introduction to the bootstrap"; Owen 2007, "The pigeonhole bootstrap", for rows in
    two roles.
    """
    n, rng = len(codes), np.random.default_rng(random_state)
    theirs = codes[indices]
    known = (theirs != NO_GROUP).sum(axis=1)
    usable = (codes != NO_GROUP) & (known > 0)
    share = np.divide((theirs == codes[:, None]).sum(axis=1), known, out=np.full(n, np.nan), where=usable)
    counts = np.bincount(codes[usable], minlength=n_groups)
    strata = np.where(codes == NO_GROUP, n_groups, codes)
    sizes = np.bincount(strata, minlength=n_groups + 1)
    means, intervals = np.full(n_groups, np.nan), np.full((n_groups, 2), np.nan)
    mixing = np.full((n_groups, n_groups), np.nan)
    overall_draws, overall_as_neighbor = np.zeros(n_bootstrap), np.zeros(n)
    for code in np.flatnonzero(counts):
        rows = np.flatnonzero(usable & (codes == code))
        grouped = theirs[rows] != NO_GROUP
        # Edges from the rows of the group to their grouped neighbors.
        neighbor, of = indices[rows][grouped], theirs[rows][grouped]
        weight = np.repeat(1 / known[rows], known[rows])
        mixing[code] = np.bincount(of, weight, n_groups) / counts[code]
        means[code] = share[rows].mean()
        if not n_bootstrap:
            continue
        received = np.bincount(neighbor, ((of == code) - means[code]) * weight / counts[code], n)
        as_neighbor = received - (np.bincount(strata, received, n_groups + 1) / np.maximum(sizes, 1))[strata]
        as_asker = bootstrap_means(share[rows], n_bootstrap, rng)
        overall_draws += as_asker * (counts[code] / counts.sum())
        overall_as_neighbor += as_neighbor * (counts[code] / counts.sum())
        # A single row has no spread to resample, which must not be reported as certainty.
        if counts[code] > 1:
            draws = as_asker + np.linalg.norm(as_neighbor) * rng.standard_normal(n_bootstrap)
            intervals[code] = np.clip(percentile_interval(draws), 0, 1)
    overall, interval = float(share[usable].mean()) if counts.sum() else np.nan, (np.nan, np.nan)
    if counts.sum() > 1 and n_bootstrap:
        overall_draws += np.linalg.norm(overall_as_neighbor) * rng.standard_normal(n_bootstrap)
        low, high = np.clip(percentile_interval(overall_draws), 0, 1).tolist()
        interval = low, high
    observed = Scores(overall, means, interval, intervals)
    chance = _chance(sizes[:n_groups])
    return Purity(observed, chance, _over_chance(observed, chance), mixing, share.astype(np.float32), known)


def _chance(sizes: NDArray[np.intp]) -> Scores:
    others = int(sizes.sum()) - 1
    if others < 1:
        return Scores(np.nan, np.full(len(sizes), np.nan))
    groups = (sizes - 1) / others
    return Scores(float((sizes * groups).sum() / sizes.sum()), groups)


def _over_chance(observed: Scores, chance: Scores) -> Scores:
    def scale(value: Doubles, expected: Doubles) -> Doubles:
        room = 1 - expected
        scaled: Doubles = np.divide(value - expected, room, out=np.full_like(value, np.nan), where=room > 0)
        return scaled

    assert observed.intervals is not None
    overall, low, high = scale(
        np.array([observed.overall, *observed.overall_interval]), np.full(3, chance.overall)
    ).tolist()
    return Scores(
        overall,
        scale(observed.groups, chance.groups),
        (low, high),
        scale(observed.intervals, np.repeat(chance.groups[:, None], 2, axis=1)),
    )


def bootstrap_means(values: Doubles, n_bootstrap: int, rng: np.random.Generator) -> Doubles:
    """Compute the means of bootstrap samples of finite `values`, at least one; ``(n_bootstrap,)``.

    The counts of the distinct values are sampled from a multinomial distribution: 1,000 means of 10,000 shares out of
    15 neighbors take 1 ms instead of 100.

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
    means: Doubles = drawn @ distinct / len(values)
    return means


def percentile_interval(draws: Doubles) -> Doubles:
    """Compute the limits of the middle 95% of draws along the last axis; ``(..., 2)``."""
    ends: Doubles = np.moveaxis(np.quantile(draws, [0.025, 0.975], axis=-1), 0, -1)
    return ends
