"""How much a projection moves when nothing has moved."""

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
    """Fit the identical frame once more, warm and with another seed, and measure the motion that is left.

    What moves less than this between two frames did not move.

    Parameters
    ----------
    vectors
        ``(n, d)`` float32, those of the layout.
    layout
        What `project` made of them; its coordinates may have been registered since.
    neighbors
        The same graph.
    random_state
        The layout's seed; the fit uses the next one.
    n_jobs
        Threads.
    **parameters
        Those that `project` was given: ``perplexity``, ``n_neighbors``, ``min_dist``.

    Returns
    -------
    Root mean square motion in standard deviations of the layout, from 0; 0 for PCA, which is a fixed linear map.
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
