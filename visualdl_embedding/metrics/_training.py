"""Which rows training left alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["never_trained", "unchanged"]


def never_trained(lookups: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.float32]:
    """Mark rows that training never looked up.

    Parameters
    ----------
    lookups
        ``(n,)``: how often each row was looked up; NaN where not known.

    Returns
    -------
    ``(n,)`` float32: 1 where never, 0 where at least once, NaN where not known.

    >>> never_trained(np.array([0, 3])).tolist()
    [1.0, 0.0]
    """
    counts = np.asarray(lookups, dtype=np.float64)
    if counts.ndim != 1 or (counts < 0).any():
        raise ValueError(f"lookups are (n,) counts, 0 or more; an array of shape {counts.shape} was given.")
    return np.where(np.isnan(counts), np.nan, counts == 0).astype(np.float32)


def unchanged(first: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mark rows that are bit by bit what they were.

    A changed row need not have been looked up: momentum and weight decay move others as well. But an unchanged one was
    not trained, or so weakly that its values did not move by one rounding.

    Parameters
    ----------
    first, vectors
        ``(n, d)`` float32, row i of both being the same label; NaN and inf are compared as bits, too.

    Returns
    -------
    ``(n,)`` float32: 1 where no bit differs, else 0.

    >>> unchanged(np.float32([[1, 2], [3, 4]]), np.float32([[1, 2], [3, 5]])).tolist()
    [1.0, 0.0]
    """
    if first.shape != vectors.shape or vectors.ndim != 2:
        raise ValueError(f"Rows must be paired and of one width: first is {first.shape}, now they are {vectors.shape}.")
    # As numbers a NaN differs from itself, and 0 equals -0.
    bits = [np.ascontiguousarray(a, dtype=np.float32).view(np.uint32) for a in (first, vectors)]
    same: NDArray[np.float32] = (bits[0] == bits[1]).all(axis=1).astype(np.float32)
    return same
