"""Density image for maps with very many points, with isolated points drawn on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_POINTS", "Density", "bin_points"]

MOST_POINTS = 20_000
"""Maximum number of dots on a map; more dots cover each other at any size."""
BINS = 360
ALONE = 3
"""Maximum number of points in a bin that are drawn as points."""
MOST_DRAWN = 6_000


@dataclass(frozen=True)
class Density:
    """Points of a plane, counted in a grid.

    Attributes
    ----------
    image
        ``(BINS, BINS, 4)`` float32, 0 to 1, lowest row first: the mean color of a bin's points; opacity grows with
        their number.
    sparse
        ``(m,)`` positions of isolated points, at most 6,000.
    """

    image: NDArray[np.float32]
    sparse: NDArray[np.intp]


def bin_points(points: NDArray[np.float64], axes: NDArray[np.float32], colors: NDArray[np.float32]) -> Density:
    """Count points in a grid over the axes.

    Parameters
    ----------
    points
        ``(n, 2)``, inside the axes.
    axes
        ``(2, 2)``: lower and upper limits.
    colors
        ``(n, 3)``, 0 to 1.
    """
    share = (points - axes[:, 0]) / (axes[:, 1] - axes[:, 0])
    across, up = np.clip((share * BINS).astype(np.intp), 0, BINS - 1).T
    bins = up * BINS + across
    counts = np.bincount(bins, minlength=BINS * BINS)
    sums = np.stack([np.bincount(bins, weights=channel, minlength=BINS * BINS) for channel in colors.T], axis=1)
    strength = np.log1p(counts) / np.log1p(max(counts.max(), 1))
    opacity = np.where(counts > 0, 0.12 + 0.88 * strength, 0.0)
    image = np.column_stack([sums / np.maximum(counts, 1)[:, None], opacity])
    alone = np.flatnonzero(counts[bins] <= ALONE)
    if len(alone) > MOST_DRAWN:
        alone = np.sort(np.random.default_rng(0).choice(alone, MOST_DRAWN, replace=False))
    return Density(image.reshape(BINS, BINS, 4).astype(np.float32), alone)
