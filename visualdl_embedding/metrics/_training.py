"""Rows that training did not change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["never_trained", "unchanged"]


def never_trained(lookups: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float32]:
    """Mark rows without lookups in training.

    Parameters
    ----------
    lookups
        ``(n,)``: number of lookups of each row; NaN if unknown.

    Returns
    -------
    ``(n,)`` float32: 1 for none, 0 for at least one, NaN if unknown.

    >>> never_trained(np.array([0, 3])).tolist()
    [1.0, 0.0]
    """
    counts = np.asarray(lookups, dtype=np.float64)
    if counts.ndim != 1 or (counts < 0).any():
        raise ValueError(f"lookups must be (n,) non-negative counts, not an array of shape {counts.shape}.")
    return np.where(np.isnan(counts), np.nan, counts == 0).astype(np.float32)


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
