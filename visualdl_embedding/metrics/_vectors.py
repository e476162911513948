"""Norms and directions of a snapshot's vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks, squared_norms, validate_vectors
from visualdl_embedding.core.distance import has_direction

__all__ = ["mean_cosine", "norms"]


def norms(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the Euclidean norm of each row.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.

    Returns
    -------
    ``(n,)`` float32, 0 or more, at most the largest float32.
    """
    validate_vectors(vectors)
    lengths = np.sqrt(squared_norms(vectors))
    return np.minimum(lengths, np.finfo(np.float32).max).astype(np.float32)


def mean_cosine(vectors: NDArray[np.float32]) -> float:
    """Compute the mean cosine over all pairs of distinct rows.

    The squared norm of the sum of the m unit vectors is m plus twice the sum of all pairs' cosines, so the cost is
    O(n d), without a loop over pairs.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite; rows without a direction are ignored.

    Returns
    -------
    ``-1 / (m - 1)`` to 1: about 0 for spread directions, 1 if all rows have the same direction, a sign of a
    collapse into a cone. NaN for fewer than two rows with a direction.

    References
    ----------
    Ethayarajh 2019, "How contextual are contextualized word representations?".
    """
    validate_vectors(vectors)
    lengths = np.sqrt(squared_norms(vectors))
    directed = has_direction(vectors)
    n_directions = int(directed.sum())
    if n_directions < 2:
        return float("nan")
    weights = np.divide(1, lengths, out=np.zeros_like(lengths), where=directed)
    total = np.sum([weights[b] @ vectors[b].astype(np.float64) for b in blocks(len(vectors))], axis=0)
    pairs = (total @ total - n_directions) / (n_directions * (n_directions - 1))
    return float(np.clip(pairs, -1.0, 1.0))
