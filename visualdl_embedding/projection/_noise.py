"""Motion of a projection between two fits of the same data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.projection._align import align, motion
from visualdl_embedding.projection._project import Layout, project

__all__ = ["noise_floor"]


def noise_floor(
    vectors: NDArray[np.float32],
    layout: Layout,
    *,
    neighbors: Neighbors,
    random_state: int = 42,
    n_jobs: int = 1,
    **parameters: Any,
) -> float:
    """Refit the same frame, warm and with another seed, and measure the motion.

    Motions between frames below this value are not significant.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32 vectors of the layout.
    layout
        Result of `project`; its coordinates may have been aligned since.
    neighbors
        Neighbor graph of the layout.
    random_state
        Seed of the layout; the refit uses the next one.
    n_jobs
        Number of threads.
    **parameters
        Parameters passed to `project`: ``perplexity``, ``n_neighbors``, ``min_dist``.

    Returns
    -------
    Root mean square motion in standard deviations of the layout; 0 for PCA, which is a fixed linear map.
    """
    method = layout.parameters["method"]
    if method == "pca":
        return 0.0
    again = project(
        vectors,
        method=method,
        n_components=layout.coordinates.shape[1],
        init=layout.coordinates,
        neighbors=neighbors,
        random_state=random_state + 1,
        n_jobs=n_jobs,
        **parameters,
    )
    moved = motion(layout.coordinates, align(again.coordinates, layout.coordinates).apply(again.coordinates))
    return float(np.sqrt(np.mean(np.square(moved, dtype=np.float64))))
