"""The size at which a layout costs least, before it is optimized further."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_factor"]

Floats = NDArray[np.floating[Any]]

_SAMPLES = 50_000


def best_factor(
    points: NDArray[np.float32],
    edges: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]],
    cost: Callable[[Floats, Floats], float],
    *,
    random: np.random.Generator,
) -> float:
    """Find by how much a layout should be blown up or shrunk as a whole.

    Registering a layout to the frame before gives it that frame's size, while t-SNE and UMAP have sizes that suit
    them, and t-SNE's grows while a table gains structure. Descent changes the size of a layout slowly; this does it
    at once.

    Parameters
    ----------
    points
        ``(n, c)``, n at least 2.
    edges
        Heads, tails and weights; `_SAMPLES` of them are looked at, drawn by weight.
    cost
        Of the squared lengths of edges, drawn by weight, and the squared distances of random pairs.
    random
        Draws the samples.

    Returns
    -------
    A factor; 1 where the size is right to within a factor of 2.
    """
    heads, tails, weights = edges
    ladder = np.cumsum(weights, dtype=np.float64)
    drawn = np.searchsorted(ladder, random.random(_SAMPLES) * ladder[-1]).clip(max=len(heads) - 1)
    near = np.square(points[heads[drawn]] - points[tails[drawn]], dtype=np.float64).sum(axis=1)
    i = random.integers(len(points), size=_SAMPLES)
    j = (i + random.integers(1, len(points), size=_SAMPLES)) % len(points)
    far = np.square(points[i] - points[j], dtype=np.float64).sum(axis=1)
    best = 1.0
    for factors in (2.0 ** np.arange(-4, 5), 2.0 ** (np.arange(-3, 4) / 4), 2.0 ** (np.arange(-1, 2) / 8)):
        trials = best * factors
        costs = [cost(near * f**2, far * f**2) for f in trials]
        best = float(trials[int(np.argmin(costs))])
    # A layout of the frame before has edges that are long only because rows have moved; they make it look too small.
    # Blown up to the best, clumps shrink in wide gaps, and from frame to frame they shrink more: measured, a factor
    # of 1.5 at one frame had become 16 ten frames later. So it stays a factor of 2 below.
    if best > 2:
        return best / 2
    return 1.0 if best > 0.5 else best * 2
