"""Purity of groups among neighbors, and mixing between groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.metrics.groups._encode import NO_GROUP
from visualdl_embedding.metrics.groups._scores import Scores, bootstrap_means, percentile_interval

__all__ = ["Purity", "measure_purity"]

Doubles = NDArray[np.float64]
N_BOOTSTRAP = 1000


@dataclass(frozen=True)
class Purity:
    """Shares of neighbors by group.

    Attributes
    ----------
    observed
        Mean share of a row's grouped neighbors in its own group, 0 to 1.
    chance
        Expected value if groups are assigned at random.
    over_chance
        ``(observed - chance) / (1 - chance)``: 1 for fully separate groups, 0 for chance, below 0 if rows avoid their
        own group.
    mixing
        ``(g, g)``: row i is the distribution of neighbors of group i's members, and sums to 1; NaN without neighbors.
    rows
        ``(n,)`` float32: own share of each row; NaN if it or all its neighbors have no group.
    known
        ``(n,)``: number of neighbors with a group.
    """

    observed: Scores
    chance: Scores
    over_chance: Scores
    mixing: Doubles
    rows: NDArray[np.float32]
    known: NDArray[np.intp]


@dataclass(frozen=True)
class _Edges:
    """Edges from every grouped row to each of its grouped neighbors, sorted by the group of the first.

    Attributes
    ----------
    asker, neighbor
        Row numbers, ``(e,)``.
    own, theirs
        Groups of the two rows.
    weight
        One divided by the number of the asker's grouped neighbors.
    """

    asker: NDArray[np.intp]
    neighbor: NDArray[np.int32]
    own: NDArray[np.int32]
    theirs: NDArray[np.int32]
    weight: Doubles


def measure_purity(
    indices: NDArray[np.int32], codes: NDArray[np.int32], n_groups: int, *, random_state: int = 42
) -> Purity:
    """Measure purity and mixing, with 95% intervals.

    Parameters
    ----------
    indices
        ``(n, k)`` neighbors.
    codes
        ``(n,)`` int32: group of each row, or -1.
    random_state
        Seed of the bootstrap.

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
    edges, known = _edges(indices, codes)
    usable = (codes != NO_GROUP) & (known > 0)
    same = np.bincount(edges.asker[edges.own == edges.theirs], minlength=len(codes))
    counts = np.bincount(codes[usable], minlength=n_groups)
    by_pair = np.bincount(edges.own * np.intp(n_groups) + edges.theirs, edges.weight, n_groups * n_groups)
    mixing = np.full((n_groups, n_groups), np.nan)
    np.divide(by_pair.reshape(n_groups, n_groups), counts[:, None], out=mixing, where=counts[:, None] > 0)
    share = np.divide(same, known, out=np.full(len(codes), np.nan), where=usable)
    rng = np.random.default_rng(random_state)
    observed = _observed(edges, codes, share, n_groups=n_groups, rng=rng)
    chance = _chance(np.bincount(codes[codes != NO_GROUP], minlength=n_groups))
    return Purity(observed, chance, _over_chance(observed, chance), mixing, share.astype(np.float32), known)


def _edges(indices: NDArray[np.int32], codes: NDArray[np.int32]) -> tuple[_Edges, NDArray[np.intp]]:
    asking = np.flatnonzero(codes != NO_GROUP)
    asking = asking[np.argsort(codes[asking], kind="stable")]
    neighbor = indices[asking]
    theirs = codes[neighbor]
    grouped = theirs != NO_GROUP
    per_row = grouped.sum(axis=1)
    asker = np.repeat(asking, per_row)
    known = (codes[indices] != NO_GROUP).sum(axis=1)
    return _Edges(asker, neighbor[grouped], codes[asker], theirs[grouped], 1 / known[asker]), known


def _observed(
    edges: _Edges, codes: NDArray[np.int32], share: Doubles, *, n_groups: int, rng: np.random.Generator
) -> Scores:
    known = np.isfinite(share)
    counts = np.bincount(codes[known], minlength=n_groups)
    grouped = codes != NO_GROUP
    strata = np.where(grouped, codes, n_groups)
    sizes = np.maximum(np.bincount(strata, minlength=n_groups + 1), 1)
    ends = np.searchsorted(edges.own, np.arange(n_groups + 1))
    means, draws = np.full(n_groups, np.nan), np.full((n_groups, N_BOOTSTRAP), np.nan)
    overall_draws, overall_as_neighbor = np.zeros(N_BOOTSTRAP), np.zeros(len(codes))
    for code in np.flatnonzero(counts):
        shares = share[known & (codes == code)]
        means[code] = shares.mean()
        part = slice(ends[code], ends[code + 1])
        excess = ((edges.theirs[part] == code) - means[code]) * edges.weight[part] / counts[code]
        received = np.bincount(edges.neighbor[part], excess, len(codes))
        as_neighbor = received - (np.bincount(strata, received, n_groups + 1) / sizes)[strata]
        as_asker = bootstrap_means(shares, N_BOOTSTRAP, rng)
        overall_draws += as_asker * (counts[code] / counts.sum())
        overall_as_neighbor += as_neighbor * (counts[code] / counts.sum())
        # A single row has no spread to resample, which must not be reported as certainty.
        if counts[code] > 1:
            draws[code] = as_asker + np.linalg.norm(as_neighbor) * rng.standard_normal(N_BOOTSTRAP)
    if not counts.sum():
        return Scores(np.nan, means, intervals=np.full((n_groups, 2), np.nan))
    overall_draws += np.linalg.norm(overall_as_neighbor) * rng.standard_normal(N_BOOTSTRAP)
    low, high = np.clip(percentile_interval(overall_draws), 0, 1)
    interval = (float(low), float(high)) if counts.sum() > 1 else (np.nan, np.nan)
    return Scores(float(share[known].mean()), means, interval, np.clip(percentile_interval(draws), 0, 1))


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
    expected = np.float64(chance.overall)
    overall, low, high = scale(np.array([observed.overall, *observed.overall_interval]), np.full(3, expected))
    return Scores(
        float(overall),
        scale(observed.groups, chance.groups),
        (float(low), float(high)),
        scale(observed.intervals, np.repeat(chance.groups[:, None], 2, axis=1)),
    )
