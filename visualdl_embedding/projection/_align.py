"""Comparable layouts: alignment to another one, the remaining motion, and axes shared by all pictures of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks, center

__all__ = ["Alignment", "align", "draw_axes", "motion", "motion_bound"]

Points = NDArray[np.floating[Any]]

_SMALLEST = 0.4
"""Minimum extent of a layout, as a fraction of its axes."""


@dataclass(frozen=True)
class Alignment:
    """Similarity transform: rotation (also with reflection), scale, shift.

    Attributes
    ----------
    rotation
        ``(c, c)`` float64, orthogonal; applied to points in rows from the right.
    scale
        0 or more.
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
    scaling: bool | Literal["least_squares"] = True,
    about_origin: bool = False,
) -> Alignment:
    """Find the similarity transform that maps one layout onto another, row by row.

    Parameters
    ----------
    source, target
        ``(n, c)``; rows that are not finite in both are ignored.
    scaling
        True makes both equally large; False keeps the size. ``"least_squares"`` leaves the smallest residual, at a
        size that is smaller by the correlation of the two: at 0.9 a frame, a run's map would shrink to a third after
        ten frames.
    about_origin
        True turns about the origin, without a shift.

    Returns
    -------
    The alignment. Where there is no direction to align (one row, all rows equal), it is a shift; without a row, the
    identity.

    Notes
    -----
    Rows are read in blocks and only a c × c decomposition is made, so that this serves maps and whole spaces alike.

    References
    ----------
    Schönemann 1966, "A generalized solution of the orthogonal Procrustes problem"; Gower 1975, "Generalized
    Procrustes analysis".
    """
    if source.ndim != 2 or source.shape != target.shape:
        raise ValueError(f"source and target must have the same shape (n, c), not {source.shape} and {target.shape}.")
    c = source.shape[1]
    paired = np.isfinite(source).all(axis=1) & np.isfinite(target).all(axis=1)
    if not paired.all():
        source, target = source[paired], target[paired]
    n = len(source)
    if n == 0:
        return Alignment(np.eye(c), 1.0, np.zeros(c))
    mean_a, mean_b = (np.zeros(c), np.zeros(c)) if about_origin else (center(source), center(target))
    cross, squares_a, squares_b = np.zeros((c, c)), 0.0, 0.0
    for block in blocks(n):
        a, b = source[block] - mean_a, target[block] - mean_b
        cross += a.T @ b
        squares_a += float(np.vdot(a, a))
        squares_b += float(np.vdot(b, b))
    size_a, size_b = np.sqrt(squares_a / n), np.sqrt(squares_b / n)
    # For equal rows only rounding errors of their distance to the origin remain, which have no meaningful direction.
    if size_a <= 1e-6 * np.abs(mean_a).max() or size_b <= 1e-6 * np.abs(mean_b).max():
        return Alignment(np.eye(c), 1.0, mean_b - mean_a)
    left, values, right = np.linalg.svd(cross)
    rotation = left @ right
    scale = 1.0
    if scaling:
        scale = float(values.sum() / squares_a) if scaling == "least_squares" else float(size_b / size_a)
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


def motion_bound(moved: NDArray[np.float32]) -> float:
    """Motion that 97.5% of ``(n,)`` rows that did not change do not exceed: the noise floor.

    The share is above 95% so that at least 95% of other unchanged rows are within the bound too. It is the order
    statistic that another row of the same kind does not exceed with this probability (Vovk, Gammerman and Shafer 2005,
    "Algorithmic Learning in a Random World"), or the largest of fewer than 39 rows.

    >>> motion_bound(np.arange(100, dtype=np.float32))
    98.0
    """
    rank = min(int(np.ceil(0.975 * (len(moved) + 1))), len(moved))
    return float(np.partition(moved, rank - 1)[rank - 1])


def draw_axes(
    coordinates: Points, axes: NDArray[np.floating[Any]] | None = None, *, margin: float = 0.15
) -> tuple[NDArray[np.float32], bool]:
    """Keep the axes of a run, or choose new ones if the layout no longer fits.

    A layout no longer fits if it leaves the axes, or is smaller than 0.4 of them. The unit has the same length on every
    axis, because distances in a map are isotropic.

    Parameters
    ----------
    coordinates
        ``(n, c)``; rows that are not finite are ignored.
    axes
        ``(c, 2)``: current lower and upper limits.
    margin
        Margin around the layout for new axes, as a fraction of its extent, for the growth of later frames.

    Returns
    -------
    The axes ``(c, 2)`` float32, and whether they are new.
    """
    if coordinates.ndim != 2:
        raise ValueError(f"coordinates must be (n, c), not of shape {coordinates.shape}.")
    c = coordinates.shape[1]
    if axes is not None and axes.shape != (c, 2):
        raise ValueError(f"axes must be ({c}, 2) for {c} components, not of shape {axes.shape}.")
    known = coordinates[np.isfinite(coordinates).all(axis=1)].astype(np.float64)
    if len(known) == 0:
        return (np.array([[-1.0, 1.0]] * c, np.float32), True) if axes is None else (axes.astype(np.float32), False)
    low, high = known.min(axis=0), known.max(axis=0)
    extent = float((high - low).max())
    if axes is not None:
        fits = bool((low >= axes[:, 0]).all() and (high <= axes[:, 1]).all())
        large_enough = extent >= _SMALLEST * float((axes[:, 1] - axes[:, 0]).max())
        # A single point, or equal points, have no extent that could be too small.
        if fits and (large_enough or extent == 0):
            return axes.astype(np.float32), False
    # Half an extent of 0 still requires distinct limits in float32.
    half = extent * (0.5 + margin) or max(1.0, float(np.abs(low).max()) * 1e-3)
    middle = (low + high) / 2
    return np.stack([middle - half, middle + half], axis=1).astype(np.float32), True
