"""Silhouette of groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks, center
from visualdl_embedding.metrics.groups._encode import Scores, group_sums

__all__ = ["measure_silhouette"]

Doubles = NDArray[np.float64]
EXACT_ROWS = 2000
"""Maximum number of rows without sampling, for Euclidean distance."""
SAMPLED_ROWS = 1000
"""Number of sampled rows, measured against all rows."""
_LEAST = 30
"""Minimum sample per group, or all rows of smaller groups."""
_BLOCK = 128


def measure_silhouette(
    points: NDArray[np.float32], codes: NDArray[np.int32], n_groups: int, *, cosine: bool, random_state: int = 42
) -> tuple[Scores, Scores]:
    """Compute the mean silhouette and its standard error.

    With the cosine distance the mean distance to a group follows from the sum of its unit vectors, so all rows are
    measured in O(n d g). With the Euclidean distance, more than `EXACT_ROWS` rows are sampled in proportion to the
    groups, with at least 30 rows each; each sampled row is measured against all rows.

    Returns the silhouette, -1 to 1, higher is better, 0 for a row alone in its group, NaN with fewer than two groups;
    and the standard error of sampling, 0 if all rows are measured. `points` are unit vectors if `cosine`; rows with the
    code -1 are ignored.

    References
    ----------
    Rousseeuw 1987, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis".
    """
    grouped = np.flatnonzero(codes >= 0)
    labels, rows = codes[grouped], points[grouped]
    sizes = np.bincount(labels, minlength=n_groups)
    if np.count_nonzero(sizes) < 2:
        unknown = np.full(n_groups, np.nan)
        return Scores(np.nan, unknown), Scores(np.nan, unknown)
    if cosine:
        asked = np.arange(len(rows))
        values = _by_cosine(rows, labels, sizes)
    else:
        asked = _sample(labels, sizes, np.random.default_rng(random_state))
        values = _by_euclidean(rows, labels, sizes, asked=asked)
    return _average(values, labels[asked], sizes)


def _sample(labels: NDArray[np.int32], sizes: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    if len(labels) <= EXACT_ROWS:
        return np.arange(len(labels))
    wanted = np.minimum(np.maximum(sizes * SAMPLED_ROWS // len(labels), _LEAST), sizes)
    return np.concatenate(
        [rng.choice(np.flatnonzero(labels == code), wanted[code], replace=False) for code in range(len(sizes))]
    )


def _by_cosine(rows: NDArray[np.float32], labels: NDArray[np.int32], sizes: NDArray[np.intp]) -> Doubles:
    # 1 - cos is half the squared distance of unit vectors. Centering keeps the precision in a collapsed table.
    middle = center(rows)
    halves = np.concatenate([np.square(rows[b] - middle).sum(axis=1) / 2 for b in blocks(len(rows))])
    sums = group_sums(rows, labels, len(sizes)) - sizes[:, None] * middle
    of_group = np.bincount(labels, halves, len(sizes))
    values = np.empty(len(rows))
    for b in blocks(len(rows)):
        distances = sizes * halves[b, None] + of_group - (rows[b] - middle) @ sums.T
        values[b] = _silhouettes(np.maximum(distances, 0), labels[b], sizes)
    return values


def _by_euclidean(
    rows: NDArray[np.float32], labels: NDArray[np.int32], sizes: NDArray[np.intp], *, asked: NDArray[np.intp]
) -> Doubles:
    # Sort by group, so that distances to a group are summed in one run. Squared float32 distances have an error of 1e-6
    # of the squared radius, which matters only for groups a thousand times narrower than their gaps, with silhouette 1.
    order = np.argsort(labels, kind="stable")
    present = np.flatnonzero(sizes)
    starts = np.searchsorted(labels[order], present)
    kind = np.float64 if len(asked) == len(rows) else np.float32
    wide = rows - center(rows)
    wide = (wide / (np.abs(wide).max() or 1)).astype(kind)
    squares = np.square(wide).sum(axis=1)
    ones = np.ones(len(rows), kind)
    columns = np.column_stack([wide, squares, ones])[order].T
    values, sums = np.empty(len(asked)), np.zeros((_BLOCK, len(sizes)))
    for start in range(0, len(asked), _BLOCK):
        here = asked[start : start + _BLOCK]
        squared = np.column_stack([-2 * wide[here], ones[here], squares[here]]) @ columns
        distances = np.sqrt(np.maximum(squared, 0, out=squared), out=squared)
        sums[: len(here), present] = np.add.reduceat(distances, starts, axis=1)
        values[start : start + len(here)] = _silhouettes(sums[: len(here)], labels[here], sizes)
    return values


def _silhouettes(sums: Doubles, labels: NDArray[np.int32], sizes: NDArray[np.intp]) -> Doubles:
    """Compute silhouettes from the sums of distances to each group, ``(b, g)``."""
    here, others = np.arange(len(labels)), sizes[labels] - 1
    within = sums[here, labels] / np.maximum(others, 1)
    between = np.divide(sums, sizes, out=np.full_like(sums, np.inf), where=sizes > 0)
    between[here, labels] = np.inf
    nearest = between.min(axis=1)
    farther = np.maximum(within, nearest)
    known = (others > 0) & (farther > 0)
    values: Doubles = np.divide(nearest - within, farther, out=np.zeros(len(labels)), where=known)
    return values


def _average(values: Doubles, labels: NDArray[np.int32], sizes: NDArray[np.intp]) -> tuple[Scores, Scores]:
    asked = np.bincount(labels, minlength=len(sizes))
    means = np.full(len(sizes), np.nan)
    np.divide(np.bincount(labels, values, len(sizes)), asked, out=means, where=asked > 0)
    squares = np.bincount(labels, np.square(values - means[labels]), len(sizes))
    variances = np.divide(squares, asked - 1, out=np.zeros(len(sizes)), where=asked > 1)
    # For sampling without replacement: the error is 0 if all rows are sampled.
    errors = np.sqrt(variances * np.divide(1 - asked / np.maximum(sizes, 1), asked, out=means * 0, where=asked > 0))
    present = sizes > 0
    weights = sizes[present] / sizes.sum()
    overall = Scores(float(weights @ means[present]), means)
    return overall, Scores(float(np.linalg.norm(weights * errors[present])), errors)
