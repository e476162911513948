"""Cohesion of groups, compared with random groups of the same size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.metrics.groups._encode import NO_GROUP, group_sums

__all__ = ["Cohesion", "measure_cohesion"]

Doubles = NDArray[np.float64]
_DRAWN_AT_A_TIME = 4_000_000
_ROUNDING = 1e-7
"""Tolerance for equal mean cosines of float32 unit vectors."""


@dataclass(frozen=True)
class Cohesion:
    """Mean cosine between the members of each group, and of random groups.

    Attributes
    ----------
    observed
        ``(g,)`` float64, -1 to 1; NaN for a group with fewer than two members.
    random_mean, random_sd
        ``(g,)``: mean and standard deviation over random groups of the same size, drawn from all rows.
    z
        ``(g,)``: ``(observed - random_mean) / random_sd``.
    p
        ``(g,)``: rank of the observed value among random groups; small for cohesive groups, near 1 for groups more
        scattered than random rows. At least ``1 / (n_random + 1)``.
    rows
        ``(n,)`` float32: mean cosine of a row with the other members of its group; NaN if there are none.
    centroid_cosines
        ``(g, g)``: cosine between the mean unit vectors of two groups.
    """

    observed: Doubles
    random_mean: Doubles
    random_sd: Doubles
    z: Doubles
    p: Doubles
    rows: NDArray[np.float32]
    centroid_cosines: Doubles


def measure_cohesion(
    unit: NDArray[np.float32], codes: NDArray[np.int32], n_groups: int, *, n_random: int = 199, random_state: int = 42
) -> Cohesion:
    """Measure cohesion by the sums of unit vectors, and compare it with random groups of the same size.

    The squared norm of the sum of s unit vectors is s plus the cosines of all ordered pairs, so the cost is O(n d).

    Zero rows of `unit`, ``(n, d)`` unit vectors, have no direction and are ignored, as are rows with the code -1. With
    `n_random` 0 there is no comparison.

    References
    ----------
    Ethayarajh 2019, "How contextual are contextualized word representations?", for the mean cosine; Mielke and Berry
    2007, "Permutation methods: a distance function approach", for the test.
    """
    directed = unit.any(axis=1)
    labels = np.where(directed, codes, NO_GROUP).astype(np.int32)
    sizes = np.bincount(labels[labels != NO_GROUP], minlength=n_groups)
    sums = group_sums(unit, labels, n_groups)
    observed = _mean_cosines(np.square(sums).sum(axis=1), sizes)
    mean = sd = p = np.full(n_groups, np.nan)
    if n_random:
        drawn = _random_groups(unit[directed], sizes, n_random, np.random.default_rng(random_state))
        mean, sd = drawn.mean(axis=0), drawn.std(axis=0, ddof=1)
        p = np.where(np.isfinite(mean), (1 + (drawn >= observed - _ROUNDING).sum(axis=0)) / (n_random + 1), np.nan)
    z = np.divide(observed - mean, sd, out=np.full(n_groups, np.nan), where=sd > _ROUNDING)
    return Cohesion(observed, mean, sd, z, p, _row_cosines(unit, labels, sums, sizes), _cosines(sums))


def _mean_cosines(squared: Doubles, sizes: NDArray[np.intp]) -> Doubles:
    pairs = sizes * (sizes - 1.0)
    means: Doubles = np.divide(squared - sizes, pairs, out=np.full(np.shape(squared), np.nan), where=pairs > 0)
    return np.clip(means, -1, 1)


def _random_groups(
    unit: NDArray[np.float32], sizes: NDArray[np.intp], n_random: int, rng: np.random.Generator
) -> Doubles:
    """Mean cosines of random groups, ``(n_random, g)``; NaN for a group of all rows, or of fewer than two.

    One sample serves groups of all sizes: smaller groups are prefixes of larger ones, and a group of more than half of
    all rows is the complement of a smaller one. So a sample uses at most half of the rows, for any number of groups.
    """
    from scipy.sparse import csr_array

    n = len(unit)
    left = np.where(sizes > 1, np.minimum(sizes, n - sizes), 0)
    steps = np.unique(left[left > 0])
    if not len(steps):
        return np.full((n_random, len(sizes)), np.nan)
    widest = int(steps[-1])
    total = unit.sum(axis=0, dtype=np.float64)
    squared = np.full((n_random, len(sizes)), np.nan)
    asked = np.flatnonzero(left)
    which, is_rest = np.searchsorted(steps, left[asked]), sizes[asked] > n - sizes[asked]
    chunk = max(1, _DRAWN_AT_A_TIME // widest)
    for start in range(0, n_random, chunk):
        count = min(chunk, n_random - start)
        picked = np.concatenate([rng.choice(n, widest, replace=False) for _ in range(count)])
        ends = (np.arange(count)[:, None] * widest + steps).ravel()
        choose = csr_array((np.ones(len(picked), np.float32), picked, np.append(0, ends)), shape=(len(ends), n))
        sums = np.cumsum((choose @ unit).reshape(count, len(steps), -1), axis=1, dtype=np.float64)
        of_drawn, of_rest = np.square(sums).sum(axis=2), np.square(total - sums).sum(axis=2)
        squared[start : start + count, asked] = np.where(is_rest, of_rest[:, which], of_drawn[:, which])
    return _mean_cosines(squared, np.broadcast_to(sizes, squared.shape))


def _row_cosines(
    unit: NDArray[np.float32], labels: NDArray[np.int32], sums: Doubles, sizes: NDArray[np.intp]
) -> NDArray[np.float32]:
    rows = np.full(len(unit), np.nan, dtype=np.float32)
    for code in np.flatnonzero(sizes > 1):
        members = np.flatnonzero(labels == code)
        rows[members] = (unit[members] @ sums[code] - 1) / (sizes[code] - 1)
    return rows


def _cosines(sums: Doubles) -> Doubles:
    lengths = np.linalg.norm(sums, axis=1)
    products = sums @ sums.T
    scale = np.outer(lengths, lengths)
    cosines: Doubles = np.divide(products, scale, out=np.full_like(products, np.nan), where=scale > 0)
    return np.clip(cosines, -1, 1)
