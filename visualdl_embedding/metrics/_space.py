"""Metrics of a single space: norms, directions, and the spectrum of its covariance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks, center, squared_norms, validate_vectors
from visualdl_embedding.core.distance import has_direction
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.metrics._overlap import hubness

__all__ = ["effective_rank", "isoscore", "mean_cosine", "norms", "space_scalars", "spectrum"]


def space_scalars(vectors: NDArray[np.float32], neighbors: Neighbors) -> tuple[dict[str, float], NDArray[np.float32]]:
    """Compute the metrics of a space.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.
    neighbors
        Neighbor graph of the vectors.

    Returns
    -------
    Norms (mean, 5th and 95th percentile), mean cosine, effective rank, IsoScore and hubness, by name; and the norm of
    each row, ``(n,)`` float32. A single column has no directions, so mean cosine, effective rank and IsoScore are NaN.
    """
    lengths = norms(vectors)
    p5, p95 = np.percentile(lengths.astype(np.float64), [5, 95])
    measured = {"mean_cosine": np.nan, "effective_rank": np.nan, "isoscore": np.nan}
    if vectors.shape[1] > 1:
        directions = spectrum(vectors)
        measured = {
            "mean_cosine": mean_cosine(vectors),
            "effective_rank": effective_rank(directions),
            "isoscore": isoscore(directions),
        }
    scalars = {
        "norm_mean": float(lengths.mean(dtype=np.float64)),
        "norm_p5": float(p5),
        "norm_p95": float(p95),
        **measured,
        "hubness": hubness(neighbors, vectors),
    }
    return scalars, lengths


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


def spectrum(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the eigenvalues of the covariance of centered vectors.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, all finite.

    Returns
    -------
    ``(d,)`` float64, descending, non-negative; exactly zero below rounding errors, all zero for equal rows.

    Notes
    -----
    The d × d covariance is summed in float64, because the square root of an eigenvalue in `effective_rank` would turn
    float32's error of 1e-7 into 3e-4 for each of the d directions. With fewer rows than columns the n × n products of
    rows are used instead.
    """
    validate_vectors(vectors)
    n, d = vectors.shape
    mean = center(vectors)
    if n < d:
        rows = vectors - mean
        products = rows @ rows.T
    else:
        products = np.zeros((d, d))
        for block in blocks(n):
            rows = vectors[block] - mean
            products += rows.T @ rows
    values = np.linalg.eigvalsh(products)[::-1] / n
    values[values <= values[0] * max(n, d) * np.finfo(np.float64).eps] = 0
    return np.pad(values, (0, d - len(values)))


def _as_spectrum(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return eigenvalues ``(d,)`` unchanged, and the spectrum of vectors ``(n, d)``."""
    if np.ndim(values) != 1:
        return spectrum(np.asarray(values, dtype=np.float32))
    if not len(values) or not np.isfinite(values).all() or np.min(values) < 0:
        raise ValueError("A spectrum must be a non-empty (d,) array of finite, non-negative eigenvalues.")
    return np.asarray(values, dtype=np.float64)


def effective_rank(vectors: NDArray[np.floating]) -> float:
    """Compute the exponential of the entropy of the singular values: the number of directions that vectors use.

    Vectors are centered first, so a common mean has no influence; `mean_cosine` shows it.

    Parameters
    ----------
    vectors
        ``(n, d)`` vectors, or their `spectrum` ``(d,)``.

    Returns
    -------
    1 to d, higher is better; 0 if all rows are equal.

    References
    ----------
    Roy and Vetterli 2007, "The effective rank: a measure of effective dimensionality".

    Examples
    --------
    >>> round(effective_rank(np.array([4.0, 4.0, 4.0, 0.0])), 6)
    3.0
    """
    singular = np.sqrt(_as_spectrum(vectors))
    if not singular.any():
        return 0.0
    share = singular[singular > 0] / singular.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


def isoscore(vectors: NDArray[np.floating]) -> float:
    """Measure how evenly the variance is distributed over all directions.

    The paper's steps (principal axes, variances scaled to norm √d, their distance from all ones) simplify to
    ``((Σλ)² / Σλ² - 1) / (d - 1)``.

    Parameters
    ----------
    vectors
        ``(n, d)`` vectors, or their `spectrum` ``(d,)``.

    Returns
    -------
    0 for a line to 1 for a ball, higher is better; 0 if all rows are equal, 1 for a single column that varies.
    n rows of a ball give about ``1 / (1 + d / n)``, so compare only scores for the same number of rows.

    References
    ----------
    Rudman, Gillman, Rayne and Eickhoff 2022, "IsoScore: measuring the uniformity of embedding space utilization".

    Examples
    --------
    >>> isoscore(np.array([2.0, 2.0, 2.0])), isoscore(np.array([2.0, 0.0, 0.0]))
    (1.0, 0.0)
    """
    values = _as_spectrum(vectors)
    if not values.any():
        return 0.0
    if len(values) == 1:
        return 1.0
    share = values / values.sum()
    return float(np.clip((1 / np.sum(share**2) - 1) / (len(values) - 1), 0.0, 1.0))
