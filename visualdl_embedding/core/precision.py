"""Resolution of the values of a table, and the errors of distances that follow from rounding to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks, squared_norms
from visualdl_embedding.core.distance import Distance, is_finite

__all__ = ["DTYPES", "dtype_of", "resolution", "rounding_errors", "smallest_changes"]

DTYPES = {"bfloat16": 2.0**-7, "float16": 2.0**-10, "float32": 2.0**-23}
"""Dtypes of tables, and the spacing of their values relative to the value."""
_NEARLY_ALL = 0.9
_LAST_BIT = 0.25
_SAMPLED = 100
"""Number of rows of each block in which the last bits are counted."""


def dtype_of(vectors: NDArray[np.float32]) -> str:
    """Return the dtype of `DTYPES` to which the values were rounded, as far as they show it, else float32.

    Snapshots are float32 for every table, so the dtype is inferred from the values. A dtype coarser than float32 hides
    small changes, so it requires strong evidence:

    - It represents nearly all rows exactly. Rows with NaN, inf, or zeros only do not count, and rows that are means of
      others are few.
    - Its last bit is used at every magnitude: it is set in at least a quarter of the values up to the median absolute
      value. Rounding sets it in half of the values. Powers of two, whole numbers and other values with few digits do
      not need it, and are representable in every dtype.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(50, 4))
    >>> dtype_of(rows.astype(np.float32)), dtype_of(rows.astype(np.float16).astype(np.float32))
    ('float32', 'float16')
    >>> dtype_of(np.sign(rows).astype(np.float32) / 4)
    'float32'
    """
    counts, total = dict.fromkeys(("bfloat16", "float16"), 0), 0
    samples: dict[str, list[NDArray[np.float32]]] = {name: [] for name in counts}
    with np.errstate(over="ignore", invalid="ignore"):
        for block in blocks(len(vectors)):
            rows = np.ascontiguousarray(vectors[block], dtype=np.float32)
            used = np.bitwise_or.reduce(rows.view(np.uint32), axis=1)
            counting = (used & 0x7FFFFFFF != 0) & is_finite(rows)
            total += int(counting.sum())
            # The last 13 bits of float32 are zero in both coarse dtypes, and in few other rows.
            chosen = counting & (used & 0x1FFF == 0)
            rows, used = rows[chosen], used[chosen]
            exact = {"bfloat16": used & 0xFFFF == 0, "float16": (rows.astype(np.float16) == rows).all(axis=1)}
            for name, which in exact.items():
                found = rows[which]
                counts[name] += len(found)
                samples[name].append(found[:: len(found) // _SAMPLED + 1].ravel())
    for name, count in counts.items():
        if count > _NEARLY_ALL * total and _uses_last_bit(np.concatenate(samples[name]), name):
            return name
    return "float32"


def _uses_last_bit(values: NDArray[np.float32], dtype: str) -> bool:
    """Whether values that a dtype represents exactly have its last bit set as often as rounded values."""
    values = values[values != 0]
    values = values[np.abs(values) <= np.median(np.abs(values))]
    last = values.view(np.uint32) >> 16 if dtype == "bfloat16" else values.astype(np.float16).view(np.uint16)
    return bool((last & 1).mean() >= _LAST_BIT)


def resolution(*spaces: NDArray[np.float32], one_run: bool = False) -> float:
    """Return the spacing of the values of one or more spaces, relative to a value; see `dtype_of`.

    Of several spaces it is the coarsest, because a copy in a coarser dtype is not a change. In `one_run` it is the
    finest: the dtype of a table does not change within a run, so a frame with finer values shows that a coarser one,
    such as an initialization with few digits, was not rounded.
    """
    found = [DTYPES[dtype_of(vectors)] for vectors in spaces]
    return min(found) if one_run else max(found)


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
    width = np.sqrt(max(vectors.shape[1], 1))
    if distance == "cosine" and points is None:
        return np.full(len(vectors), relative / width)
    errors = relative * np.sqrt(squared_norms(vectors)) / width
    if points is not None and distance == "cosine":
        own = np.sqrt(squared_norms(points))
        errors = np.divide(errors, own, out=np.zeros_like(errors), where=own > 0)
    return np.asarray(errors)
