"""Spaces for the tests of metrics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Distance

Floats = NDArray[np.float32]
DISTANCES: tuple[Distance, ...] = ("cosine", "euclidean")


def cloud(n: int, d: int, *, seed: int = 0, clusters: int = 5) -> Floats:
    """Clusters of unequal spread, away from the origin: a space whose two distances differ."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(clusters, d)) + 0.5
    scale = rng.uniform(0.3, 2.0, size=(n, 1))
    return ((centers[rng.integers(clusters, size=n)] + 0.5 * rng.normal(size=(n, d))) * scale).astype(np.float32)
