"""Centered kernel alignment: how alike two spaces are as wholes, whatever their axes and their width."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks, center, validate_vectors

__all__ = ["cka"]

Floats = NDArray[np.floating]
_TINY = 1e-7
"""Share of the largest entry below which what is left after centering is float32's rounding."""


def cka(a: Floats, b: Floats, *, debiased: bool = False) -> float:
    """Measure how alike the similarities between rows are in two spaces (linear CKA).

    Works on d1 × d2 sums, never on n × n similarities: O(n d1 d2).

    Parameters
    ----------
    a, b
        ``(n, d1)`` and ``(n, d2)``, all finite, row i of both being the same label.
    debiased
        Take the unbiased estimate of every part. The plain form grows with the width of the spaces: for unrelated
        spaces of 128 columns and 500 rows it is 0.2, the debiased one 0.

    Returns
    -------
    0 to 1, higher is more alike; 1 where one is a rotation, reflection, shift or scaling of the other. The debiased
    form can fall a little below 0. NaN where all rows of one are equal, or for fewer than 2 rows (debiased: 4).

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
        raise ValueError(f"Rows must be paired: a has {len(a)}, b has {len(b)}.")
    if len(a) < (4 if debiased else 2):
        return float("nan")
    first, second = _centered(a), _centered(b)
    if first is None or second is None:
        return float("nan")
    measure = _unbiased if debiased else _plain
    own = measure(first, first) * measure(second, second)
    return float(measure(first, second) / np.sqrt(own)) if own > 0 else float("nan")


def _centered(vectors: Floats) -> NDArray[np.float64] | None:
    """Rows minus their mean, scaled to a largest entry of 1; None where nothing but rounding is left."""
    # Scaled first: neither huge nor tiny vectors may leave the range of their products.
    largest = float(np.abs(vectors).max())
    rows = np.asarray(vectors, dtype=np.float64) / (largest or 1.0)
    spread = np.subtract(rows, center(rows))  # type: ignore[arg-type]
    reach = float(np.abs(spread).max())
    return spread / reach if reach > _TINY else None


def _products(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Sum of the squared entries of aᵀ b."""
    cross = sum((a[part].T @ b[part] for part in blocks(len(a))), np.zeros((a.shape[1], b.shape[1])))
    return float(np.square(cross).sum())


def _plain(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return _products(a, b)


def _unbiased(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Unbiased estimate of the Hilbert-Schmidt independence criterion, but for a factor that cancels.

    The Gram matrices K and L of the two spaces stand in it without their diagonals; their sums of rows and of products
    follow from sums over columns.
    """
    n = len(a)
    own_a, own_b = np.square(a).sum(axis=1), np.square(b).sum(axis=1)
    row_a, row_b = a @ a.sum(axis=0) - own_a, b @ b.sum(axis=0) - own_b
    trace = _products(a, b) - float(own_a @ own_b)
    return trace + float(row_a.sum() * row_b.sum()) / ((n - 1) * (n - 2)) - 2 / (n - 2) * float(row_a @ row_b)
