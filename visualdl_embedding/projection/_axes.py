"""Axes shared by all pictures of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_axes"]


def draw_axes(
    coordinates: NDArray[np.floating[Any]],
    axes: NDArray[np.floating[Any]] | None = None,
    *,
    margin: float = 0.15,
    smallest: float = 0.4,
) -> tuple[NDArray[np.float32], bool]:
    """Keep the axes of a run, or choose new ones if the layout no longer fits.

    The unit has the same length on every axis, because distances in a map are isotropic.

    Parameters
    ----------
    coordinates
        ``(n, c)``; rows that are not finite are ignored.
    axes
        ``(c, 2)``: current lower and upper limits.
    margin
        Margin around the layout for new axes, as a fraction of its extent, for the growth of later frames.
    smallest
        New axes are chosen if the layout is smaller than this fraction of the axes.

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
        large_enough = extent >= smallest * float((axes[:, 1] - axes[:, 0]).max())
        # A single point, or equal points, have no extent that could be too small.
        if fits and (large_enough or extent == 0):
            return axes.astype(np.float32), False
    # Half an extent of 0 still requires distinct limits in float32.
    half = extent * (0.5 + margin) or max(1.0, float(np.abs(low).max()) * 1e-3)
    middle = (low + high) / 2
    return np.stack([middle - half, middle + half], axis=1).astype(np.float32), True
