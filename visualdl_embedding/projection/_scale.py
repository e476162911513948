"""Scale of a layout with the lowest cost, applied before optimization."""

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
    """Find the factor by which a whole layout should be scaled.

    Alignment to the previous frame gives a layout that frame's size, but t-SNE and UMAP have a preferred size, which
    for t-SNE grows as a table gains structure. Gradient descent changes the size slowly; this function does it in one
    step.

    Parameters
    ----------
    points
        ``(n, c)``, n at least 2.
    edges
        Heads, tails and weights; `_SAMPLES` of them are sampled by weight.
    cost
        Function of the squared lengths of edges, sampled by weight, and of the squared distances of random pairs.
    random
        Generator for the samples.

    Returns
    -------
    The factor; 1 if the size is within a factor of 2 of the best.
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
    # In a layout from the previous frame, some edges are long only because rows have moved, which makes the layout look
    # too small. At the best scale, clusters shrink within wide gaps, and more so with each frame: a factor of 1.5 at
    # one frame became 16 ten frames later. Therefore scale to half of the best factor.
    if best > 2:
        return best / 2
    return 1.0 if best > 0.5 else best * 2
