"""Resolution of the values of a table, and the errors of distances that follow from rounding to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks, squared_norms
from visualdl_embedding.core.distance import Distance

__all__ = ["DTYPES", "dtype_of", "resolution", "rounding_errors", "smallest_changes"]

DTYPES = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23}
"""Dtypes of tables, and the spacing of their values relative to the value."""


def dtype_of(vectors: NDArray[np.float32]) -> str:
    """Return the narrowest dtype of `DTYPES` that represents most rows exactly.

    Snapshots are float32 for every table. Rows with NaN, inf, or zeros only do not count, and rows that are means of
    others are few. Whole numbers, such as the identity, are representable in every dtype and are taken for float32.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(5, 4))
    >>> dtype_of(rows.astype(np.float32)), dtype_of(rows.astype(np.float16).astype(np.float32))
    ('float32', 'float16')
    """
    counts, total = {"bfloat16": 0, "float16": 0}, 0
    with np.errstate(over="ignore", invalid="ignore"):
        for block in blocks(len(vectors)):
            rows = np.ascontiguousarray(vectors[block], dtype=np.float32)
            rows = rows[np.isfinite(rows).all(axis=1) & rows.any(axis=1)]
            total += len(rows)
            rows = rows[(rows != np.rint(rows)).any(axis=1)]
            counts["bfloat16"] += int(((rows.view(np.uint32) & 0xFFFF) == 0).all(axis=1).sum())
            counts["float16"] += int((rows.astype(np.float16) == rows).all(axis=1).sum())
    return next((name for name, count in counts.items() if 2 * count > total), "float32")


def resolution(*spaces: NDArray[np.float32]) -> float:
    """Return the coarsest spacing of the values of one or more spaces, relative to a value; see `dtype_of`."""
    return max(DTYPES[dtype_of(vectors)] for vectors in spaces)


def smallest_changes(lengths: NDArray[np.floating], relative: float) -> NDArray[np.float64]:
    """Return the Euclidean distance below which a row with this length has not changed.

    It is that of rows whose values all differ by half their spacing, see `resolution`. Rows that were rounded to the
    dtype independently of each other differ by 0.6 of it.
    """
    return np.asarray(relative / 2 * np.asarray(lengths, dtype=np.float64))


def rounding_errors(
    vectors: NDArray[np.float32],
    distance: Distance,
    relative: float,
    *,
    points: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Bound the errors of distances from a row that follow from rounding its values.

    Rounding moves each value by up to half its spacing, independently of the others, so that the error of a distance is
    that of about one value: the spacing at the root mean square of the row's values. This is more than three standard
    deviations.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, as stored.
    distance
        ``"cosine"``: errors of Euclidean distances between unit vectors; ``"euclidean"``.
    relative
        Spacing of the values, see `resolution`.
    points
        ``(n, d)``: rows between which distances are measured, if they are not `vectors` themselves but differ from
        them by a shift.

    Returns
    -------
    ``(n,)`` float64; the error of a distance is at most the sum of those of its two rows.
    """
    lengths = np.sqrt(squared_norms(vectors))
    errors = relative * lengths / np.sqrt(max(vectors.shape[1], 1))
    if distance == "cosine":
        own = lengths if points is None else np.sqrt(squared_norms(points))
        errors = np.divide(errors, own, out=np.zeros_like(errors), where=own > 0)
    return np.asarray(errors)
