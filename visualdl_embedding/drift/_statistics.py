"""Statistics of each row of a pair, and of the same rows in null pairs."""

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
"""Minimum change, so that float32 rounding errors of a rotated space are not ranked."""


@dataclass(frozen=True)
class Statistics:
    """Statistics of one pair.

    Attributes
    ----------
    labels
        Labels of its n rows.
    values
        ``(1 + groups, n)`` float64: logarithm of each row's change, and change of its lean to each group.
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
    """Compute the lean of each row to each group before and after; ``(n, n_groups)`` each."""
    before, after = vectors
    return leans(before, codes, n_groups), leans(after, codes, n_groups)


def lean_changes(lean: tuple[Values, Values]) -> Values:
    """Change of each row's lean to each group, ``(n_groups, n)``; rounding errors become 0."""
    then, now = lean
    leant = (now - then).T
    return np.where(np.abs(leant) < _TINY, 0.0, leant)


def statistics_of(
    pair: Pair, group_of: Mapping[str, str], names: Sequence[str], *, lean: tuple[Values, Values] | None = None
) -> Statistics:
    """Compute the statistics of a pair; `lean` is the result of `pair_leans`, if available."""
    values = np.empty((1 + len(names), len(pair)))
    # Use logarithms: changes differ by factors, which are larger for rare words in every pair.
    values[0] = np.log(np.maximum(pair.change.astype(np.float64), _TINY))
    if names:
        values[1:] = lean_changes(lean or pair_leans(pair.vectors, codes_of(pair.labels, group_of, names), len(names)))
    return Statistics(pair.labels, values, pair.means)


def side_by_side(observed: Statistics, others: Sequence[Statistics]) -> Values:
    """``(statistics, 1 + r, n)``: all pairs in the row order of the observed one; NaN for missing rows."""
    values = np.full((len(observed.values), 1 + len(others), len(observed.labels)), np.nan)
    values[:, 0] = observed.values
    for r, found in enumerate(others, start=1):
        rows, theirs = pair_labels(observed.labels, found.labels)
        values[:, r, rows] = found.values[:, theirs]
    return values


def rank_rows(values: Values, strata: NDArray[np.int32], *, reference: NDArray[np.bool_]) -> tuple[Values, Values]:
    """Compute p-values of all rows, and the residuals that they rank.

    Parameters
    ----------
    values
        ``(1 + r, n)``: one of the statistics.
    strata, reference
        As in `residuals`.

    Returns
    -------
    ``(n,)`` and ``(n,)``. A row that is in no null pair is ranked among the rows of its own pair.
    """
    alone = residuals(values[:1], strata, reference=reference)
    if len(values) == 1:
        return row_p_values(alone, reference=reference), alone[0]
    left = residuals(values, strata, reference=reference)
    p_values = row_p_values(left, reference=reference)
    lacking = np.isnan(p_values)
    p_values[lacking] = row_p_values(alone, reference=reference)[lacking]
    return p_values, left[0]
