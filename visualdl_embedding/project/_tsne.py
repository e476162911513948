"""t-SNE on the shared neighbour graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.neighbors import Neighbors
from visualdl_embedding.project._field import Field

__all__ = ["fit_tsne"]

Floats = NDArray[np.float32]

_EXAGGERATION = 12.0
_REARRANGED = 0.2
"""Share of rows that want to be elsewhere, above which the map is drawn up anew from where it stands."""
_WORTH = 0.05
"""Share of its cost that a row must save by jumping; less, and rows would hop to and fro between frames."""


@dataclass
class _Optimizer:
    """A layout on its way down."""

    graph: tuple[NDArray[np.int32], NDArray[np.int32], Floats]
    candidates: NDArray[np.int32]
    points: Floats
    random: np.random.Generator
    iterations: int = 0
    field: Field = field(default_factory=Field)

    def __post_init__(self) -> None:
        pointers, columns, weights = self.graph
        rows = np.repeat(np.arange(len(self.points), dtype=np.int32), np.diff(pointers))
        once = columns > rows
        self.edges = (rows[once], columns[once], weights[once])
        self.rate = max(200.0, len(self.points) / _EXAGGERATION)
        self._pull, self._push = np.zeros_like(self.points), np.zeros_like(self.points)
        self._updates, self._gains = np.zeros_like(self.points), np.ones_like(self.points)

    def run(self, iterations: int, *, exaggeration: float = 1.0, momentum: float = 0.8) -> None:
        """Descend along the gradient."""
        from visualdl_embedding.project._kernels import attract, step

        for _ in range(iterations):
            attract(*self.edges, self.points, self._pull)
            total = self.field.repel(self.points, self._push)
            self._pull *= exaggeration
            self._push /= total
            step(self.points, self._pull, self._push, self._updates, self._gains, (self.rate, momentum))
        self.iterations += iterations

    def jump(self) -> float:
        """Let rows jump that are walled off from their neighbours; return their share."""
        from visualdl_embedding.project._kernels import jump

        total = self.field.repel(self.points, self._push)
        self.field.solve(self.points)
        field = self.field.origin, self.field.density, self.field.potential, total
        offsets = self.random.normal(scale=0.3, size=self.points.shape).clip(-0.9, 0.9).astype(np.float32)
        order = self.random.permutation(len(self.points))
        moved = jump(self.graph, self.candidates, self.points, field, order, offsets, _WORTH)
        self._updates[moved] = 0
        self._gains[moved] = 1
        return float(moved.mean())

    def divergence(self) -> float:
        """Kullback-Leibler divergence in nats."""
        from visualdl_embedding.project._kernels import edge_cost

        total = self.field.repel(self.points, self._push)
        return float(edge_cost(*self.edges, self.points) + np.log(total))

    def rescale(self) -> float:
        """Give the layout the size that suits it best, for alignment to older frames has changed it; return the factor."""
        from visualdl_embedding.project._kernels import edge_cost

        original = self.points
        best, chosen = np.inf, 1.0
        for factor in np.geomspace(0.5, 4.0, 13):
            self.points = original * np.float32(factor)
            total = self.field.repel(self.points, self._push)
            cost = float(edge_cost(*self.edges, self.points) + np.log(total))
            if cost < best:
                best, chosen = cost, float(factor)
        self.points = original * np.float32(chosen)
        return chosen


def affinities(neighbors: Neighbors, perplexity: float) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """Turn a neighbour graph into t-SNE's symmetric probabilities.

    Returns
    -------
    Pointers ``(n + 1,)`` int32, columns and probabilities of a sparse matrix by rows; they sum to 1.
    """
    from scipy.sparse import csr_matrix

    from visualdl_embedding.project._kernels import calibrate

    n, k = neighbors.indices.shape
    chances = calibrate(np.square(neighbors.distances), float(perplexity))
    one_way = csr_matrix(
        (chances.ravel(), neighbors.indices.ravel(), np.arange(0, n * k + 1, k, dtype=np.int32)), shape=(n, n)
    )
    both = (one_way + one_way.T).tocsr()
    both.sort_indices()
    return both.indptr.astype(np.int32), both.indices.astype(np.int32), (both.data / (2 * n)).astype(np.float32)


def fit_tsne(
    neighbors: Neighbors,
    start: NDArray[np.float64],
    *,
    warm: bool,
    perplexity: float,
    max_iter: int | None,
    random_state: int,
    n_jobs: int,
) -> tuple[Floats, dict[str, Any], float]:
    """Optimise a t-SNE layout.

    Parameters
    ----------
    neighbors
        At least three times the perplexity wide, where n allows it.
    start
        ``(n, c)``: the frame before where `warm`, else any layout of standard deviation 1.
    warm
        Go on from `start`, or only take its arrangement.
    perplexity
        Effective number of neighbours.
    max_iter
        Iterations; None for as many as it takes.
    random_state
        Of the order in which rows are looked at.
    n_jobs
        Threads, in 3-D.

    Returns
    -------
    Coordinates ``(n, c)`` float32, the parameters used, and the Kullback-Leibler divergence in nats.
    """
    graph = neighbors.first(max(1, int(np.ceil(3 * perplexity))))
    parameters: dict[str, Any] = {"perplexity": perplexity}
    if start.shape[1] > 2:
        return _fit_by_tree(graph, start, warm, parameters, max_iter, n_jobs)
    optimizer = _Optimizer(
        affinities(graph, perplexity),
        np.ascontiguousarray(graph.indices[:, :8]),
        np.array(start if warm else start * 1e-4, dtype=np.float32, order="C"),
        np.random.default_rng(random_state),
    )
    if warm:
        parameters["rescaled"] = optimizer.rescale()
        parameters["rearranged"] = _fit_warm(optimizer, max_iter)
    else:
        _fit_cold(optimizer, max_iter)
    divergence = optimizer.divergence()
    return optimizer.points, {**parameters, "iterations": optimizer.iterations}, divergence


def _fit_cold(optimizer: _Optimizer, max_iter: int | None) -> None:
    budget = max_iter or 750
    early = budget // 3
    optimizer.run(early, exaggeration=_EXAGGERATION, momentum=0.5)
    part = (budget - early) // 5
    optimizer.run(budget - early - 4 * part)
    for _ in range(4):
        optimizer.jump()
        optimizer.run(part)


def _fit_warm(optimizer: _Optimizer, max_iter: int | None) -> float:
    before = optimizer.points.copy()
    share = optimizer.jump()
    if share > _REARRANGED:
        # So many rows are out of place that their neighbours' places mean little.
        optimizer.points = before
        budget = max_iter or 350
        early = budget * 2 // 7
        optimizer.run(early, exaggeration=_EXAGGERATION, momentum=0.5)
        part = (budget - early) // 5
        optimizer.run(budget - early - 3 * part)
        for _ in range(3):
            optimizer.jump()
            optimizer.run(part)
        return share
    budget = max_iter or 100
    for _ in range(2):
        optimizer.run(min(20, budget // 5))
        optimizer.jump()
    optimizer.run(max(0, budget - optimizer.iterations))
    return share


def _fit_by_tree(
    graph: Neighbors,
    start: NDArray[np.float64],
    warm: bool,
    parameters: dict[str, Any],
    max_iter: int | None,
    n_jobs: int,
) -> tuple[Floats, dict[str, Any], float]:
    """Three dimensions: openTSNE's Barnes-Hut, whose cost does not grow with the volume of the layout."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    n = len(start)
    given = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(graph.indices, graph.distances.astype(np.float64)),
        perplexity=parameters["perplexity"],
        n_jobs=n_jobs,
    )
    layout = TSNEEmbedding(
        start if warm else start * 1e-4,
        given,
        negative_gradient_method="bh",
        learning_rate=max(200.0, n / _EXAGGERATION),
        n_jobs=n_jobs,
    )
    budget = max_iter or (150 if warm else 750)
    early = budget // 3
    exaggeration, momentum = (3.0, 0.8) if warm else (_EXAGGERATION, 0.5)
    layout.optimize(n_iter=early, exaggeration=exaggeration, momentum=momentum, inplace=True)
    layout.optimize(n_iter=budget - early, momentum=0.8, inplace=True)
    made_by = {**parameters, "iterations": budget, "theta": 0.5}
    return np.asarray(layout, dtype=np.float32), made_by, float(layout.kl_divergence)
