"""Registration of one layout to another, and the motion that is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Alignment", "align", "motion"]

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Alignment:
    """A similarity: turn (and perhaps reflect), scale, shift.

    Attributes
    ----------
    rotation
        ``(c, c)`` float64, orthogonal; points are rows and multiply it from the left.
    scale
        Above 0.
    shift
        ``(c,)`` float64, added last.
    """

    rotation: NDArray[np.float64]
    scale: float
    shift: NDArray[np.float64]

    def apply(self, points: Points) -> NDArray[np.float32]:
        """Move ``(n, c)`` points; NaN rows stay NaN. Returns ``(n, c)`` float32."""
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
    """Find the similarity that brings one layout onto another, row by row.

    The scale makes the two equally large. The least-squares one would be smaller by the correlation of the two: at
    0.9 a frame, a run's map would have shrunk to a third after ten frames.

    Parameters
    ----------
    source, target
        ``(n, c)``; a row that is not finite in either is left out.
    scaling
        False keeps the size.
    reflection
        False allows rotations only.
    weights
        ``(n,)``, not negative: how much each row counts.

    Returns
    -------
    The alignment. Where no direction can be told (one row, all rows equal), it is a shift; where no row is left, it
    does nothing.

    References
    ----------
    Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem"; Gower 1975, "Generalized
    Procrustes analysis".
    """
    if source.ndim != 2 or source.shape != target.shape:
        raise ValueError(
            f"align pairs rows: source and target need one shape (n, c), not {source.shape} and {target.shape}."
        )
    if weights is not None and (weights.shape != (len(source),) or not (weights >= 0).all()):
        raise ValueError(f"weights must be {len(source)} numbers that are not negative.")
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
    # Rows that are equal leave rounding errors of their common distance to the origin, which point nowhere.
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
    """Measure how far every row moved between two layouts that are registered to one another.

    Parameters
    ----------
    before, after
        ``(n, c)``.

    Returns
    -------
    ``(n,)`` float32 from 0, in standard deviations of the layout `before` (root mean square over its axes); NaN for
    a row that is missing in either. Where all rows of `before` are equal the unit is 1.
    """
    if before.ndim != 2 or before.shape != after.shape:
        raise ValueError(f"motion pairs rows: both layouts need one shape (n, c), not {before.shape}, {after.shape}.")
    distances = np.linalg.norm(after.astype(np.float64) - before, axis=1)
    known = before[np.isfinite(before).all(axis=1)].astype(np.float64)
    unit = float(np.sqrt(known.var(axis=0).mean())) if len(known) else 0.0
    moved: NDArray[np.float32] = (distances / (unit if unit > 0 else 1.0)).astype(np.float32)
    return moved
