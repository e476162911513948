"""What each row of a pair is asked for, laid beside the same of null pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.pairing import pair_labels
from visualdl_embedding.drift._direction import leans
from visualdl_embedding.drift._measure import Pair
from visualdl_embedding.drift._ranks import residuals, row_p_values

__all__ = ["Statistics", "codes_of", "lean_changes", "pair_leans", "rank_rows", "side_by_side", "statistics_of"]

Values = NDArray[np.float64]
_TINY = 1e-6
"""Least change that counts: float32's rounding of a space that was only turned must not be ranked."""


@dataclass(frozen=True)
class Statistics:
    """Numbers of one pair.

    Attributes
    ----------
    labels
        Of its n rows.
    values
        ``(1 + groups, n)`` float64: the logarithm of each row's change, and how its lean to each group changed.
    means
        `Pair.means`.
    """

    labels: tuple[str, ...]
    values: Values
    means: Mapping[str, float]


def codes_of(labels: Sequence[str], group_of: Mapping[str, str], names: Sequence[str]) -> NDArray[np.int32]:
    """Position in `names` of each label's group, -1 for none; ``(n,)`` int32."""
    code = {name: i for i, name in enumerate(names)}
    return np.array([code.get(group_of.get(label, ""), -1) for label in labels], dtype=np.int32)


def pair_leans(
    vectors: tuple[NDArray[np.float32], NDArray[np.float32]], codes: NDArray[np.int32], n_groups: int
) -> tuple[Values, Values]:
    """Measure how each row leans to each group before and after; ``(n, n_groups)`` each."""
    before, after = vectors
    return leans(before, codes, n_groups), leans(after, codes, n_groups)


def lean_changes(lean: tuple[Values, Values]) -> Values:
    """Change of each row's lean to each group, ``(n_groups, n)``; 0 where it is rounding."""
    then, now = lean
    leant = (now - then).T
    return np.where(np.abs(leant) < _TINY, 0.0, leant)


def statistics_of(
    pair: Pair, group_of: Mapping[str, str], names: Sequence[str], *, lean: tuple[Values, Values] | None = None
) -> Statistics:
    """Take from a pair what its rows are ranked by; `lean` is what `pair_leans` made of it, if that is known."""
    values = np.empty((1 + len(names), len(pair)))
    # Changes of words differ by factors: a rare word's is some times that of a frequent one, in every pair.
    values[0] = np.log(np.maximum(pair.change.astype(np.float64), _TINY))
    if names:
        values[1:] = lean_changes(lean or pair_leans(pair.vectors, codes_of(pair.labels, group_of, names), len(names)))
    return Statistics(pair.labels, values, pair.means)


def side_by_side(observed: Statistics, others: Sequence[Statistics]) -> Values:
    """``(statistics, 1 + r, n)``: all pairs in the order of the observed one's rows; NaN where one lacks a row."""
    values = np.full((len(observed.values), 1 + len(others), len(observed.labels)), np.nan)
    values[:, 0] = observed.values
    for r, found in enumerate(others, start=1):
        rows, theirs = pair_labels(observed.labels, found.labels)
        values[:, r, rows] = found.values[:, theirs]
    return values


def rank_rows(values: Values, strata: NDArray[np.int32], *, reference: NDArray[np.bool_]) -> tuple[Values, Values]:
    """p-values of all rows, and the residuals of which they are ranks.

    Parameters
    ----------
    values
        ``(1 + r, n)``: one of the statistics.
    strata, reference
        As in `residuals`.

    Returns
    -------
    ``(n,)`` and ``(n,)``. A row that no null pair has is ranked among the rows of its own pair.
    """
    alone = residuals(values[:1], strata, reference=reference)
    if len(values) == 1:
        return row_p_values(alone, reference=reference), alone[0]
    left = residuals(values, strata, reference=reference)
    p_values = row_p_values(left, reference=reference)
    lacking = np.isnan(p_values)
    p_values[lacking] = row_p_values(alone, reference=reference)[lacking]
    return p_values, left[0]
