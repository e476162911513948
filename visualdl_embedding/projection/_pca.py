"""Principal components as a frozen basis: a linear map that stays the same from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import scaled_back, unit_scale

__all__ = ["Basis", "basis_is_stale", "fit_basis", "variance_kept"]


@dataclass(frozen=True)
class Basis:
    """Principal components of one snapshot, to which later snapshots are projected as well.

    Attributes
    ----------
    mean
        ``(d,)`` float32: what is subtracted first.
    components
        ``(c, d)`` float32: orthonormal rows, the strongest first.
    explained_variance_ratio
        ``(c,)`` float32, 0 to 1: share of the variance of the snapshot it was fitted to.
    version
        Counts up with every refit; coordinates of different versions do not compare.
    step
        Of the snapshot it was fitted to.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    explained_variance_ratio: NDArray[np.float32]
    version: int = 1
    step: int = 0

    def transform(self, vectors: NDArray[np.float32], n_components: int = 2) -> NDArray[np.float32]:
        """Project vectors.

        Parameters
        ----------
        vectors
            ``(n, d)`` float32.
        n_components
            How many components; those that the basis has not are zero.

        Returns
        -------
        ``(n, n_components)`` float32, at most 1e38 from 0.
        """
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise ValueError(f"The basis maps (n, {len(self.mean)}) vectors; these have the shape {vectors.shape}.")
        kept = self.components[:n_components]
        coordinates = np.zeros((len(vectors), n_components), np.float32)
        scale = np.float32(max(unit_scale(vectors), unit_scale(self.mean)))
        if scale == 1:
            coordinates[:, : len(kept)] = (vectors - self.mean) @ kept.T
            return coordinates
        coordinates[:, : len(kept)] = (vectors / scale - self.mean / scale) @ kept.T
        return scaled_back(coordinates, scale)


def _centered(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows minus their mean, in units in which float32 holds their squares; and the mean as it is."""
    scale = np.float32(unit_scale(vectors))
    points = vectors if scale == 1 else vectors / scale
    mean = points.mean(axis=0, dtype=np.float64).astype(np.float32)
    return points - mean, mean * scale


def _covariance(centered: NDArray[np.float32]) -> NDArray[np.float64]:
    """``(d, d)``; the product in float32 is twice as fast, and errs by 1e-6 of the trace."""
    return (centered.T @ centered).astype(np.float64) / len(centered)


def _strongest(covariance: NDArray[np.float64], n_components: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.linalg import eigh

    d = len(covariance)
    values, columns = eigh(covariance, subset_by_index=(d - n_components, d - 1))
    return np.maximum(values[::-1], 0.0), columns[:, ::-1].T


def fit_basis(vectors: NDArray[np.float32], *, n_components: int = 3, version: int = 1, step: int = 0) -> Basis:
    """Find the principal components of a snapshot.

    The sign of a component is the one that makes its largest entry positive, so that a refit turns nothing over.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, finite.
    n_components
        At most so many; never more than n or d.
    version, step
        Kept in the basis.

    Returns
    -------
    A basis; where all rows are equal, its ratios are 0.

    References
    ----------
    Jolliffe 2002, "Principal Component Analysis".
    """
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"vectors must be a non-empty (n, d) array, not of shape {vectors.shape}.")
    n, d = vectors.shape
    kept = min(n_components, n, d)
    centered, mean = _centered(vectors)
    if n > d:
        covariance = _covariance(centered)
        total = float(np.trace(covariance))
        values, components = _strongest(covariance, kept)
    else:
        _, singular, rows = np.linalg.svd(centered.astype(np.float64), full_matrices=False)
        total = float((singular**2).sum() / n)
        values, components = singular[:kept] ** 2 / n, rows[:kept]
    largest = np.abs(components).argmax(axis=1)
    components = components * np.where(components[np.arange(kept), largest] < 0, -1.0, 1.0)[:, None]
    ratio = values / total if total > 0 else np.zeros(kept)
    return Basis(mean, components.astype(np.float32), np.clip(ratio, 0, 1).astype(np.float32), version, step)


def variance_kept(basis: Basis, vectors: NDArray[np.float32], n_components: int = 2) -> float:
    """Measure how much of the vectors' variance a basis keeps, whichever snapshot it was fitted to.

    Parameters
    ----------
    basis
        Of d columns.
    vectors
        ``(n, d)`` float32.
    n_components
        How many of its components.

    Returns
    -------
    0 to 1; 0 where all rows are equal.
    """
    centered, _ = _centered(vectors)
    total = float(np.square(centered, dtype=np.float64).sum())
    if total <= 0:
        return 0.0
    kept = float(np.square(centered @ basis.components[:n_components].T, dtype=np.float64).sum())
    return min(kept / total, 1.0)


def basis_is_stale(basis: Basis, vectors: NDArray[np.float32], n_components: int = 2, *, keep: float = 0.8) -> bool:
    """Tell whether a basis should be refitted.

    A basis frozen at random initialization shows nothing of what training builds: measured, 1.4 % of the final
    variance where a fresh one keeps 6.6 %.

    Parameters
    ----------
    basis
        The frozen one.
    vectors
        ``(n, d)`` float32.
    n_components
        How many components are looked at.
    keep
        Share of a fresh basis' variance that the frozen one has to keep.

    Returns
    -------
    True when it keeps less.
    """
    centered, _ = _centered(vectors)
    n, d = centered.shape
    if n > d:
        values, _ = _strongest(_covariance(centered), min(n_components, d))
    else:
        values = np.linalg.svd(centered.astype(np.float64), compute_uv=False)[:n_components] ** 2 / n
    fresh = float(values.sum())
    kept = float(np.square(centered @ basis.components[:n_components].T, dtype=np.float64).sum()) / n
    return bool(kept < keep * fresh * (1 - 1e-6))
