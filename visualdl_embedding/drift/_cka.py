"""Centered kernel alignment: similarity of two spaces, independent of axes and width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks, center, validate_vectors

__all__ = ["cka"]

Floats = NDArray[np.floating]
_TINY = 1e-7
"""Share of the largest entry below which centered values are rounding errors of float32."""


def cka(a: Floats, b: Floats) -> float:
    """Compute the similarity of two spaces by the similarities between rows (debiased linear CKA).

    The cost is O(n d1 d2), without n × n similarities. The plain form increases with the width of the spaces: for
    unrelated spaces of 128 columns and 500 rows it is 0.2, the debiased form 0.

    Parameters
    ----------
    a, b
        ``(n, d1)`` and ``(n, d2)``, all finite, with the same labels in the same order.

    Returns
    -------
    Up to 1, higher is more similar; 1 if one space is a rotation, reflection, shift or scaling of the other, about 0
    for unrelated spaces, which can be slightly below 0. NaN if all rows of one space are equal, or for fewer than 4
    rows.

    References
    ----------
    Kornblith et al. 2019, "Similarity of neural network representations revisited"; Song et al. 2012, "Feature
    selection via dependence maximization", for the unbiased estimate.

    Examples
    --------
    >>> a = np.random.default_rng(0).normal(size=(100, 4))
    >>> round(cka(a, 3 * a[:, ::-1] + 1), 6)
    1.0
    """
    validate_vectors(a, "a")
    validate_vectors(b, "b")
    if len(a) != len(b):
        raise ValueError(f"a and b must have the same number of rows, not {len(a)} and {len(b)}.")
    if len(a) < 4:
        return float("nan")
    first, second = _centered(a), _centered(b)
    if first is None or second is None:
        return float("nan")
    own = _unbiased(first, first) * _unbiased(second, second)
    return float(_unbiased(first, second) / np.sqrt(own)) if own > 0 else float("nan")


def _centered(vectors: Floats) -> NDArray[np.float64] | None:
    """Center rows and scale the largest entry to 1; return None if only rounding errors remain."""
    # Scale first, so that products of huge or tiny vectors stay within range.
    largest = float(np.abs(vectors).max())
    rows = np.asarray(vectors, dtype=np.float64) / (largest or 1.0)
    spread = np.subtract(rows, center(rows))  # type: ignore[arg-type]
    reach = float(np.abs(spread).max())
    return spread / reach if reach > _TINY else None


def _products(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Sum of the squared entries of aᵀ b."""
    cross = sum((a[part].T @ b[part] for part in blocks(len(a))), np.zeros((a.shape[1], b.shape[1])))
    return float(np.square(cross).sum())


def _unbiased(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Unbiased estimate of the Hilbert-Schmidt independence criterion, up to a factor that cancels.

    It uses the Gram matrices K and L of the two spaces without their diagonals; sums of their rows and of their
    products follow from sums over columns.
    """
    n = len(a)
    own_a, own_b = np.square(a).sum(axis=1), np.square(b).sum(axis=1)
    row_a, row_b = a @ a.sum(axis=0) - own_a, b @ b.sum(axis=0) - own_b
    trace = _products(a, b) - float(own_a @ own_b)
    return trace + float(row_a.sum() * row_b.sum()) / ((n - 1) * (n - 2)) - 2 / (n - 2) * float(row_a @ row_b)
