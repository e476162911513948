"""Motion of rows between two snapshots, without the common motion of the space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks, center, validate_vectors
from visualdl_embedding.projection import align

__all__ = ["aligned_displacement"]


def aligned_displacement(previous: NDArray[np.float32], current: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure how far each row moved, after removing the best shift, rotation, reflection and scale.

    Parameters
    ----------
    previous, current
        ``(n, d)`` float32, all finite, with the same labels in the same order.

    Returns
    -------
    ``(n,)`` float32, 0 or more: distance between the aligned current row and the previous row, relative to the root
    mean square distance of previous rows from their mean. The root mean square over the rows is at most 1, reached if
    the two snapshots are unrelated or all current rows are equal. If all previous rows are equal, it is 0 if all
    current rows are equal too, else NaN.

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
    found = align(current, previous, scaling="least_squares")
    turn = found.rotation * found.scale
    then, now = center(previous), center(current)
    moved, spread_then, spread_now = np.empty(n), 0.0, 0.0
    for block in blocks(n):
        a, b = previous[block] - then, current[block] - now
        moved[block] = np.square(b @ turn - a).sum(axis=1)
        spread_then += float(np.vdot(a, a))
        spread_now += float(np.vdot(b, b))
    if not spread_then:
        return np.full(n, np.nan if spread_now else 0.0, dtype=np.float32)
    return np.sqrt(moved * (n / spread_then)).astype(np.float32)
