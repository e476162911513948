"""Counting loops, compiled by numba on first use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["compiled", "count_nearer_in_layout", "count_nearer_in_space"]

Loop = TypeVar("Loop", bound=Callable[..., Any])


@cache
def compiled(loop: Loop) -> Loop:
    """Compile a loop. The machine code is cached on disk, so only the first process on a machine compiles."""
    import numba

    fast: Loop = numba.njit(cache=True)(loop)
    return fast


def count_nearer_in_space(
    similarity: NDArray[np.float32],
    candidates: NDArray[np.int32],
    tolerance: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Count, for each candidate of each query, the rows with a similarity above its own by more than the tolerance.

    `similarity` is ``(b, n)``, `candidates` and `tolerance` are ``(b, m)``; the result is ``(b, m)``.
    """
    n_queries, n_candidates = candidates.shape
    counts = np.empty((n_queries, n_candidates), np.int32)
    for query in range(n_queries):
        row = similarity[query]
        for c in range(n_candidates):
            threshold = row[candidates[query, c]] + tolerance[query, c]
            count = 0
            for j in range(row.shape[0]):
                count += row[j] > threshold
            counts[query, c] = count
    return counts


def count_nearer_in_layout(
    components: NDArray[np.float32],
    queries: NDArray[np.intp],
    candidates: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Count, for each candidate of each query, the other rows strictly nearer to the query.

    `components` is ``(c, n)``, one row per component so that the inner loops vectorize, `queries` ``(b,)``,
    `candidates` ``(b, m)``; the result is ``(b, m)``.
    """
    n_components, n = components.shape
    n_queries, n_candidates = candidates.shape
    counts = np.empty((n_queries, n_candidates), np.int32)
    distances = np.empty(n, np.float32)
    for q in range(n_queries):
        query = queries[q]
        distances[:] = 0
        for a in range(n_components):
            values = components[a]
            origin = values[query]
            for j in range(n):
                distances[j] += (values[j] - origin) ** 2
        distances[query] = np.inf
        for c in range(n_candidates):
            threshold = distances[candidates[q, c]]
            count = 0
            for j in range(n):
                count += distances[j] < threshold
            counts[q, c] = count
    return counts
