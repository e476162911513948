"""Change of rows between two snapshots, and rows that training did not change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks, center, squared_norms, validate_vectors
from visualdl_embedding.core.precision import resolution, smallest_changes
from visualdl_embedding.projection import align

__all__ = ["aligned_displacement", "never_trained", "unchanged"]


def aligned_displacement(
    previous: NDArray[np.float32],
    current: NDArray[np.float32],
    *,
    fitted: NDArray[np.bool_] | None = None,
    spacing: float | None = None,
) -> NDArray[np.float32]:
    """Measure how far each row moved, after removing the best shift, rotation, reflection and scale.

    Parameters
    ----------
    previous, current
        ``(n, d)`` float32, all finite, with the same labels in the same order.
    fitted
        ``(n,)``: rows that determine the alignment and the unit, by default all. Leave out `core.distance.long_rows`,
        because a single one would determine both.
    spacing
        Spacing of the values, see `core.precision.resolution`; by default that of the coarser dtype of the two.

    Returns
    -------
    ``(n,)`` float32, 0 or more: distance between the aligned current row and the previous row, relative to the root
    mean square distance of previous rows from their mean. The root mean square over the fitted rows is at most 1,
    reached if the two snapshots are unrelated or all current rows are equal. If all previous rows are equal within the
    resolution of the values (`core.precision`), it is 0 if all current rows are equal too, else NaN. A distance below
    the resolution is 0.

    Notes
    -----
    n rows determine a rotation of n - 1 dimensions, so for n ≤ d the alignment absorbs much of any change: use many
    more rows than columns before interpreting small values.

    References
    ----------
    Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem"; Gower 1975, "Generalized
    procrustes analysis"; Hamilton, Leskovec and Jurafsky 2016, "Diachronic word embeddings reveal statistical laws of
    semantic change".
    """
    validate_vectors(previous, "previous")
    validate_vectors(current, "current")
    if previous.shape != current.shape:
        raise ValueError(f"previous and current must have the same shape, not {previous.shape} and {current.shape}.")
    n = len(previous)
    rows = np.ones(n, dtype=bool) if fitted is None else fitted
    ordinary = (previous, current) if rows.all() else (previous[rows], current[rows])
    found = align(ordinary[1], ordinary[0], scaling="least_squares")
    turn = found.rotation * found.scale
    then, now = map(center, ordinary)
    moved, spread_then, spread_now, least_then, least_now = np.empty(n), 0.0, 0.0, 0.0, 0.0
    spacing = resolution(previous, current) if spacing is None else spacing
    for block in blocks(n):
        a, b = previous[block] - then, current[block] - now
        moved[block] = np.square(b @ turn - a).sum(axis=1)
        squares = squared_norms(previous[block]), squared_norms(current[block])
        longer = np.maximum(squares[0], found.scale**2 * squares[1])
        moved[block][moved[block] <= np.square(smallest_changes(np.sqrt(longer), spacing))] = 0
        # As in `core.duplicates`, rows coincide if each value differs by one unit in the last place.
        fit = rows[block]
        least_then += float(np.square(2 * smallest_changes(np.sqrt(squares[0][fit]), spacing)).sum())
        least_now += float(np.square(2 * smallest_changes(np.sqrt(squares[1][fit]), spacing)).sum())
        spread_then += float(np.square(a[fit]).sum())
        spread_now += float(np.square(b[fit]).sum())
    if spread_then <= least_then:
        return np.full(n, np.nan if spread_now > least_now else 0.0, dtype=np.float32)
    return np.sqrt(moved * (int(rows.sum()) / spread_then)).astype(np.float32)


def never_trained(
    lookups: NDArray[np.integer] | NDArray[np.floating],
    unchanged: NDArray[np.floating],
    *,
    forwards: float | None = None,
) -> NDArray[np.float32]:
    """Mark rows that training has neither looked up nor changed.

    Neither alone is evidence. A use outside the layer (a tied output layer, ``F.embedding(ids, layer.weight)``) trains
    rows without a lookup, and momentum and weight decay change rows that are not used.

    Parameters
    ----------
    lookups
        ``(n,)``: number of lookups of each row; NaN if unknown.
    unchanged
        ``(n,)``: result of `unchanged` for the first snapshot; NaN if unknown.
    forwards
        Number of counted forward passes. None if unknown: any lookup shows that passes were counted.

    Returns
    -------
    ``(n,)`` float32: 1 for rows without a lookup whose bits have not changed, 0 for rows with lookups, NaN for unknown:
    without a forward pass, and for changed rows without a lookup.

    >>> never_trained(np.array([0, 0, 3]), np.array([1, 0, 0]), forwards=2).tolist()
    [1.0, nan, 0.0]
    """
    counts, same = np.asarray(lookups, dtype=np.float64), np.asarray(unchanged)
    if counts.ndim != 1 or (counts < 0).any() or same.shape != counts.shape:
        raise ValueError(
            "lookups must be (n,) non-negative counts, and unchanged an array of the same shape, not arrays of shape "
            f"{counts.shape} and {same.shape}."
        )
    seen = forwards > 0 if forwards is not None else bool((counts > 0).any())
    return np.where(counts > 0, 0, np.where((counts == 0) & (same == 1) & seen, 1, np.nan)).astype(np.float32)


def unchanged(first: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mark rows with the same bits as before.

    A changed row need not have been looked up: momentum and weight decay move other rows too. An unchanged row was not
    trained, or with an update below the rounding error.

    Parameters
    ----------
    first, vectors
        ``(n, d)`` float32, with the same labels in the same order; NaN and inf are compared as bits too.

    Returns
    -------
    ``(n,)`` float32: 1 if no bit differs, else 0.

    >>> unchanged(np.float32([[1, 2], [3, 4]]), np.float32([[1, 2], [3, 5]])).tolist()
    [1.0, 0.0]
    """
    if first.shape != vectors.shape or vectors.ndim != 2:
        raise ValueError(f"first and vectors must have the same shape, not {first.shape} and {vectors.shape}.")
    # As numbers NaN differs from itself, and 0 equals -0.
    bits = [np.ascontiguousarray(a, dtype=np.float32).view(np.uint32) for a in (first, vectors)]
    same: NDArray[np.float32] = (bits[0] == bits[1]).all(axis=1).astype(np.float32)
    return same
