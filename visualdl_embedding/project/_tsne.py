"""t-SNE by openTSNE, on the shared neighbour graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.neighbors import Neighbors

__all__ = ["fit_tsne"]


def fit_tsne(
    neighbors: Neighbors,
    start: NDArray[np.float64],
    *,
    warm: bool,
    perplexity: float,
    max_iter: int | None,
    random_state: int,
    n_jobs: int,
) -> tuple[NDArray[np.float32], dict[str, Any], float]:
    """Optimise a t-SNE layout."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    n, n_components = start.shape
    width = min(neighbors.n_neighbors, max(1, int(3 * perplexity)))
    graph = neighbors.first(width)
    affinities = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(graph.indices, graph.distances.astype(np.float64)),
        perplexity=perplexity,
        n_jobs=n_jobs,
    )
    method = "fft" if n_components < 3 and n > 3_000 else "bh"
    if not warm:
        start = start * 1e-4
    layout = TSNEEmbedding(
        start,
        affinities,
        negative_gradient_method=method,
        n_jobs=n_jobs,
        learning_rate="auto",
        random_state=random_state,
    )
    if warm:
        iterations = max_iter or 50
        layout = layout.optimize(n_iter=iterations, momentum=0.8, inplace=True)
    else:
        iterations = max_iter or 750
        early = min(250, iterations // 3)
        layout = layout.optimize(n_iter=early, exaggeration=12, momentum=0.5, inplace=True)
        layout = layout.optimize(n_iter=iterations - early, momentum=0.8, inplace=True)
    parameters = {"perplexity": perplexity, "iterations": iterations, "negative_gradient_method": method}
    return np.asarray(layout, dtype=np.float32), parameters, float(layout.kl_divergence)
