"""UMAP by umap-learn, on the shared neighbour graph."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.neighbors import Neighbors

__all__ = ["fit_umap"]


def fit_umap(
    neighbors: Neighbors,
    start: NDArray[np.float64],
    *,
    warm: bool,
    n_neighbors: int,
    min_dist: float,
    max_iter: int | None,
    random_state: int,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Optimise a UMAP layout; always on one thread, for several make it irreproducible."""
    with warnings.catch_warnings():
        # umap tells at import that its neural variant needs TensorFlow, which we do not use.
        warnings.filterwarnings("ignore", category=ImportWarning)
        from umap.layouts import optimize_layout_euclidean
        from umap.umap_ import find_ab_params, fuzzy_simplicial_set, make_epochs_per_sample

    n = len(start)
    # As in umap-learn, the row itself counts as one of its neighbours.
    graph = neighbors.first(max(1, n_neighbors - 1))
    indices = np.column_stack([np.arange(n, dtype=np.int32), graph.indices])
    distances = np.column_stack([np.zeros(n, np.float32), graph.distances])
    random = np.random.RandomState(random_state)
    # Of the data only their number is read when neighbours are given.
    edges = fuzzy_simplicial_set(
        start, indices.shape[1], random, "precomputed", knn_indices=indices, knn_dists=distances
    )[0].tocoo()
    epochs = max_iter or (50 if warm else 500 if n <= 10_000 else 200)
    edges.data[edges.data < edges.data.max() / max(epochs, 10)] = 0.0
    edges.eliminate_zeros()
    a, b = find_ab_params(1.0, min_dist)
    if not warm:
        low, high = start.min(axis=0), start.max(axis=0)
        start = 10 * (start - low) / np.where(high > low, high - low, 1.0)
    layout = np.array(start, dtype=np.float32, order="C")
    layout = optimize_layout_euclidean(
        layout,
        layout,
        edges.row,
        edges.col,
        epochs,
        n,
        make_epochs_per_sample(edges.data, epochs),
        a,
        b,
        random.randint(np.iinfo(np.int32).min, np.iinfo(np.int32).max, 3).astype(np.int64),
        initial_alpha=0.1 if warm else 1.0,
        move_other=True,
    )
    parameters = {"n_neighbors": indices.shape[1], "min_dist": min_dist, "iterations": epochs}
    return np.asarray(layout, dtype=np.float32), parameters
