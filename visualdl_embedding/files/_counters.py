"""Statistics of a whole table in one pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.table import Readable

__all__ = ["table_counters"]


def table_counters(stored: Readable, *, on_progress: Callable[[int, int], None] | None = None) -> dict[str, float]:
    """Compute counts and norm statistics of all rows of a table.

    Memory: 24 bytes per row (a norm, a hash, and a copy of the hashes for sorting), plus a few blocks of 8 MiB.

    Parameters
    ----------
    stored
        Table to read.
    on_progress
        Called after every block with the number of rows done and the total.

    Returns
    -------
    ``num_rows``; ``nonfinite_rows``, rows with a NaN or inf; ``zero_rows``; ``duplicate_rows``, finite nonzero rows
    equal to an earlier row (by 64-bit hash: among 10,000,000 distinct rows, the probability of one collision is
    3e-6); ``norm_mean``, ``norm_min``, ``norm_max``, ``norm_p5``, ``norm_p95`` of the finite rows, NaN if there are
    none.

    Raises
    ------
    UnreadableModelError
        If the file is damaged.
    """
    num_rows = stored.table.num_rows
    norms = np.full(num_rows, np.nan, np.float32)
    hashes = np.zeros(num_rows, np.int64)
    hashed = np.zeros(num_rows, np.bool_)
    zero_rows = 0
    for start, block in stored.blocks():
        stop = start + len(block)
        finite = np.isfinite(block).all(axis=1)
        zero = ~block.any(axis=1)
        zero_rows += int(zero.sum())
        # Use float64: squares of float32 values above 1.8e19 overflow float32.
        with np.errstate(invalid="ignore"):
            lengths = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float64))
        norms[start:stop] = np.where(finite, np.minimum(lengths, np.finfo(np.float32).max), np.nan)
        hashes[start:stop] = _hashes(block)
        hashed[start:stop] = finite & ~zero
        if on_progress is not None:
            on_progress(stop, num_rows)
    duplicate_rows = _count_repeated(hashes[hashed])
    norms = norms[~np.isnan(norms)]
    counters = {
        "num_rows": num_rows,
        "nonfinite_rows": num_rows - len(norms),
        "zero_rows": zero_rows,
        "duplicate_rows": duplicate_rows,
        **dict.fromkeys(("norm_mean", "norm_min", "norm_max", "norm_p5", "norm_p95"), np.nan),
    }
    if len(norms):
        low, high = np.percentile(norms, [5, 95], overwrite_input=True)
        counters.update(norm_mean=norms.mean(dtype=np.float64), norm_min=norms.min(), norm_max=norms.max())
        counters.update(norm_p5=low, norm_p95=high)
    return {name: float(value) for name, value in counters.items()}


def _hashes(block: NDArray[np.float32]) -> NDArray[np.int64]:
    # Adding 0 turns -0 into 0, so that equal rows have equal bytes. Python's hash of bytes is SipHash: 0.2 µs for 64
    # floats.
    data = (block + np.float32(0)).tobytes()
    width = 4 * block.shape[1]
    return np.fromiter((hash(data[at : at + width]) for at in range(0, len(data), width)), np.int64, len(block))


def _count_repeated(hashes: NDArray[np.int64]) -> int:
    hashes.sort()
    return int(np.count_nonzero(hashes[1:] == hashes[:-1]))
