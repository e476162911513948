"""Validation and block iteration for vector metrics."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["blocks", "center", "spread", "squared_norms", "validate_vectors"]

_BLOCK = 4096
"""Number of rows converted to float64 at a time: 12 MB at 384 columns, for any n."""


def validate_vectors(vectors: NDArray[np.float32], name: str = "vectors") -> None:
    """Raise ValueError unless `vectors` is a finite ``(n, d)`` array with at least one row and one column."""
    shape = np.shape(vectors)
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"{name} must be a non-empty (n, d) array, not one of shape {shape}.")
    bad = len(vectors) - int(np.isfinite(vectors).all(axis=1).sum())
    if bad:
        raise ValueError(f"{bad} of {len(vectors)} rows of {name} contain NaN or inf; remove those rows first.")


def blocks(n: int) -> Iterator[slice]:
    """Split n rows into slices that are small enough to convert to float64."""
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))


def center(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean row, ``(d,)`` float64.

    The plain float64 mean of n equal values has a rounding error, which division by the spread amplifies. This method
    averages the differences from the float32 value of the mean, which are exactly zero in that case.
    """
    n = len(vectors)
    coarse = (sum(vectors[b].sum(axis=0, dtype=np.float64) for b in blocks(n)) / n).astype(np.float32)
    fine = sum(np.subtract(vectors[b], coarse, dtype=np.float64).sum(axis=0) for b in blocks(n)) / n
    return np.asarray(coarse + fine, dtype=np.float64)


def squared_norms(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared norms of the rows, ``(n,)`` float64; float32 would overflow above 2e19."""
    return np.concatenate([np.square(vectors[b], dtype=np.float64).sum(axis=1) for b in blocks(len(vectors))])


def spread(values: NDArray[np.floating], rows: NDArray[np.integer] | NDArray[np.bool_], n: int) -> NDArray[np.float32]:
    """Expand values of some rows, ``(m, …)``, to all n rows, ``(n, …)`` float32, with NaN elsewhere.

    `rows` are positions ``(m,)``, or a mask ``(n,)`` bool with m true values.

    >>> spread(np.array([1.0, 2.0]), np.array([2, 0]), 3)
    array([ 2., nan,  1.], dtype=float32)
    """
    full = np.full((n, *values.shape[1:]), np.nan, dtype=np.float32)
    full[rows] = values
    return full
