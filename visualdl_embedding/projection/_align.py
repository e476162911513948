"""Alignment of a layout to another, and the remaining motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Alignment", "align", "motion"]

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Alignment:
    """Similarity transform: rotation (optionally with reflection), scale, shift.

    Attributes
    ----------
    rotation
        ``(c, c)`` float64, orthogonal; applied to points in rows from the right.
    scale
        Positive factor.
    shift
        ``(c,)`` float64, added last.
    """

    rotation: NDArray[np.float64]
    scale: float
    shift: NDArray[np.float64]

    def apply(self, points: Points) -> NDArray[np.float32]:
        """Transform ``(n, c)`` points to ``(n, c)`` float32; NaN rows remain NaN."""
        moved = self.scale * (points.astype(np.float64) @ self.rotation) + self.shift
        return moved.astype(np.float32)


def align(
    source: Points,
    target: Points,
    *,
    scaling: bool = True,
    reflection: bool = True,
    weights: NDArray[np.floating[Any]] | None = None,
) -> Alignment:
    """Find the similarity transform that maps one layout onto another, row by row.

    The scale makes both layouts equally large. The least-squares scale would be smaller by their correlation: at 0.9
    per frame, the map of a run would shrink to a third in ten frames.

    Parameters
    ----------
    source, target
        ``(n, c)``; rows that are not finite in both are ignored.
    scaling
        If False, keep the size.
    reflection
        If False, allow rotations only.
    weights
        ``(n,)``, not negative: weight of each row.

    Returns
    -------
    The alignment. If the rotation is undetermined (one row, or equal rows), it is a shift; without rows it is the
    identity.

    References
    ----------
    Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem"; Gower 1975, "Generalized
    Procrustes analysis".
    """
    if source.ndim != 2 or source.shape != target.shape:
        raise ValueError(f"source and target must have the same shape (n, c), not {source.shape} and {target.shape}.")
    if weights is not None and (weights.shape != (len(source),) or not (weights >= 0).all()):
        raise ValueError(f"weights must be {len(source)} non-negative numbers.")
    c = source.shape[1]
    paired = np.isfinite(source).all(axis=1) & np.isfinite(target).all(axis=1)
    share = np.ones(len(source)) if weights is None else weights.astype(np.float64)
    share = share[paired]
    if share.sum() <= 0:
        return Alignment(np.eye(c), 1.0, np.zeros(c))
    share = share / share.sum()
    a, b = source[paired].astype(np.float64), target[paired].astype(np.float64)
    mean_a, mean_b = share @ a, share @ b
    a, b = a - mean_a, b - mean_b
    size_a, size_b = np.sqrt(share @ np.square(a).sum(axis=1)), np.sqrt(share @ np.square(b).sum(axis=1))
    # For equal rows only rounding errors of their distance to the origin remain, which have no meaningful direction.
    tiny_a, tiny_b = 1e-6 * np.abs(mean_a).max(), 1e-6 * np.abs(mean_b).max()
    if size_a <= tiny_a or size_b <= tiny_b:
        return Alignment(np.eye(c), 1.0, mean_b - mean_a)
    left, _, right = np.linalg.svd((a / size_a * share[:, None]).T @ (b / size_b))
    if not reflection and np.linalg.det(left @ right) < 0:
        left[:, -1] *= -1
    rotation = left @ right
    scale = float(size_b / size_a) if scaling else 1.0
    return Alignment(rotation, scale, mean_b - scale * mean_a @ rotation)


def motion(before: Points, after: Points) -> NDArray[np.float32]:
    """Measure how far each row moved between two aligned layouts.

    Parameters
    ----------
    before, after
        ``(n, c)``.

    Returns
    -------
    ``(n,)`` float32 from 0, in standard deviations of the layout `before` (root mean square over its axes); NaN for
    rows missing in either. If all rows of `before` are equal, the unit is 1.
    """
    if before.ndim != 2 or before.shape != after.shape:
        raise ValueError(f"before and after must have the same shape (n, c), not {before.shape} and {after.shape}.")
    distances = np.linalg.norm(after.astype(np.float64) - before, axis=1)
    known = before[np.isfinite(before).all(axis=1)].astype(np.float64)
    unit = float(np.sqrt(known.var(axis=0).mean())) if len(known) else 0.0
    moved: NDArray[np.float32] = (distances / (unit if unit > 0 else 1.0)).astype(np.float32)
    return moved
