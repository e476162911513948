"""t-SNE on the shared neighbor graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.projection._field import Field
from visualdl_embedding.projection._scale import best_factor

__all__ = ["affinities", "fit_tsne"]

Floats = NDArray[np.float32]
Graph = tuple[NDArray[np.int32], NDArray[np.int32], Floats]

_EXAGGERATION = 12.0
_SPACING = 0.6
"""Of the grid; the kernel is 1 wide. Forces err by 6 % (root mean square; 1.1 % at 0.35, 3.6 % at 0.5, 18 % at 1.0),
measured on 10,000 points against the exact sum."""
_STILL = 0.001
"""Nats; a warm fit that gains less in 20 iterations has arrived."""
_SMALLEST = 0.01
"""Standard deviation at which layouts start, and below which they never fall."""
_EXACT_ROWS = 1500
"""Up to here the exact sum is as fast as the grid."""
_REARRANGED = 0.3
"""Share of rows that want to be elsewhere, above which the map is drawn up anew from where it stands."""


class _Optimizer:
    """A layout on its way down."""

    def __init__(self, graph: Graph, candidates: NDArray[np.int32], points: Floats, random_state: int) -> None:
        pointers, columns, weights = graph
        n = len(points)
        rows = np.repeat(np.arange(n, dtype=np.int32), np.diff(pointers))
        once = columns > rows
        self.points = points
        self.iterations = 0
        # Belkina et al. 2019 for the early phase; kept throughout, for n itself leaves the layout trembling: measured,
        # trustworthiness of 0.863 instead of 0.874 after 750 iterations.
        self.rate = max(200.0, n / _EXAGGERATION)
        self._graph = graph
        self._edges = (rows[once], columns[once], weights[once])
        self._candidates = candidates
        self._random = np.random.default_rng(random_state)
        self._field = Field(lambda distance: 1 / (1 + distance**2), _SPACING)
        self._pull, self._push = np.zeros_like(points), np.zeros_like(points)
        self._updates, self._gains = np.zeros_like(points), np.ones_like(points)
        self._levels = np.zeros(n, np.float32)

    def _repel(self) -> float:
        """Fill the unscaled repulsion and return t-SNE's Z, the sum over all pairs."""
        from visualdl_embedding.projection._kernels import tsne_repel

        n = len(self.points)
        if n <= _EXACT_ROWS:
            tsne_repel(self.points, self._levels, self._push)
            return float(self._levels.sum(dtype=np.float64))
        self._field.read(self.points, self._levels, self._push)
        return float(self._levels.sum(dtype=np.float64)) - n

    def run(self, iterations: int, *, exaggeration: float = 1.0, momentum: float = 0.8) -> None:
        """Descend along the gradient."""
        from visualdl_embedding.projection._kernels import attract, step

        for i in range(iterations):
            if i % 25 == 0:
                self._keep_resolved()
            attract(*self._edges, self.points, self._pull)
            total = self._repel()
            self._pull *= exaggeration
            self._push /= 2 * total
            step(self.points, self._pull, self._push, self._updates, self._gains, (self.rate, momentum))
        self.iterations += iterations

    def _keep_resolved(self) -> None:
        """Blow up a layout that exaggeration has shrunk so far that float32 cannot tell its repulsion from rounding.

        So it goes with a table at random initialization: there is no structure that would hold the rows apart.
        """
        size = float(self.points.std())
        if size < _SMALLEST:
            self.points *= np.float32(_SMALLEST / max(size, 1e-30))
            self._updates[:] = 0

    def jump(self) -> float:
        """Let rows jump that are walled off from their neighbors; return their share.

        Gradient descent cannot take a row through a cluster that repels it. Early exaggeration can, but shifts all
        others as well; this moves the row alone, to where the very cost that is minimized is lower.
        """
        from visualdl_embedding.projection._kernels import jump

        n = len(self.points)
        total = self._repel()
        self._field.solve(self.points)
        moved = jump(
            self._graph,
            (1.0, 1.0),
            self._candidates,
            self.points,
            (self._field.origin, self._field.density, self._field.potential, 1.0),
            np.full(n, 1 / total, np.float32),
            self._random.permutation(n),
            self._random.normal(scale=0.3, size=(n, 2)).clip(-0.9, 0.9).astype(np.float32),
            # Asking for a saving of 5 % cost 0.007 of trustworthiness within five frames of a training.
            (0.0, 4.0),
        )
        self._updates[moved] = 0
        self._gains[moved] = 1
        return float(moved.mean())

    def divergence(self) -> float:
        """Kullback-Leibler divergence in nats."""
        from visualdl_embedding.projection._kernels import edge_cost

        return float(edge_cost(*self._edges, self.points) + np.log(self._repel()))

    def rescale(self) -> float:
        """Give the layout the size that suits it best, for registration to older frames changed it."""
        pairs = float(len(self.points)) * (len(self.points) - 1)

        def cost(near: NDArray[Any], far: NDArray[Any]) -> float:
            return float(np.log1p(near).mean() + np.log(pairs * (1 / (1 + far)).mean()))

        factor = best_factor(self.points, self._edges, cost, random=self._random)
        self.points *= np.float32(factor)
        return factor


def affinities(neighbors: Neighbors, perplexity: float) -> Graph:
    """Turn a neighbor graph into t-SNE's symmetric probabilities.

    Returns
    -------
    Pointers ``(n + 1,)`` int32, columns and probabilities of a sparse matrix by rows; they sum to 1.
    """
    from scipy.sparse import csr_matrix

    from visualdl_embedding.projection._kernels import calibrate

    n, k = neighbors.indices.shape
    # Only ratios within a row count, so distances whose squares would overflow are divided by the row's largest.
    reach = neighbors.distances.max(axis=1, initial=0.0, keepdims=True)
    distances = neighbors.distances / np.where(reach > 1e15, reach, np.float32(1))
    chances = calibrate(np.square(distances), float(perplexity))
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
    """Optimize a t-SNE layout.

    Parameters
    ----------
    neighbors
        At least three times the perplexity wide, where n allows it.
    start
        ``(n, c)``: the frame before where `warm`, else any layout of standard deviation 1.
    warm
        Go on from `start`, or only take its arrangement.
    perplexity
        Effective number of neighbors.
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
        np.array(start if warm else start * _SMALLEST, dtype=np.float32, order="C"),
        random_state,
    )
    if warm:
        parameters["rescaled"] = optimizer.rescale()
        parameters["rearranged"] = _fit_warm(optimizer, max_iter)
    else:
        _fit_cold(optimizer, max_iter or 750)
    divergence = optimizer.divergence()
    return optimizer.points, {**parameters, "iterations": optimizer.iterations}, divergence


def _fit_cold(optimizer: _Optimizer, budget: int) -> None:
    optimizer.run(budget // 3, exaggeration=_EXAGGERATION, momentum=0.5)
    part = budget // 8
    for _ in range(3):
        optimizer.run(part)
        optimizer.jump()
    optimizer.run(budget - optimizer.iterations)


def _fit_warm(optimizer: _Optimizer, max_iter: int | None) -> float:
    """Return the share of rows that had to be elsewhere."""
    before = optimizer.points.copy()
    share = optimizer.jump()
    if share > _REARRANGED:
        # With so many rows out of place, a place beside a neighbor means little.
        optimizer.points = before
        _fit_cold(optimizer, max_iter or 500)
        return share
    chunk = max(1, (max_iter or 100) // 5)
    cost = optimizer.divergence()
    while optimizer.iterations < (max_iter or 200):
        optimizer.run(chunk)
        before_jump = optimizer.divergence()
        gain, cost = cost - before_jump, before_jump
        # From the fifth chunk on, what is still gained is the last expansion, which arranges nothing.
        if gain < _STILL or (optimizer.iterations >= 5 * chunk and gain < 10 * _STILL):
            break
        if optimizer.iterations <= 2 * chunk:
            optimizer.jump()
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

    given = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(graph.indices, graph.distances.astype(np.float64)),
        perplexity=parameters["perplexity"],
        n_jobs=n_jobs,
    )
    layout = TSNEEmbedding(
        start if warm else start * 1e-4,
        given,
        negative_gradient_method="bh",
        learning_rate=max(200.0, len(start) / _EXAGGERATION),
        n_jobs=n_jobs,
    )
    budget = max_iter or (150 if warm else 750)
    early = budget // 3
    exaggeration, momentum = (3.0, 0.8) if warm else (_EXAGGERATION, 0.5)
    layout.optimize(n_iter=early, exaggeration=exaggeration, momentum=momentum, inplace=True)
    layout.optimize(n_iter=budget - early, momentum=0.8, inplace=True)
    made_by = {**parameters, "iterations": budget, "theta": 0.5}
    return np.asarray(layout, dtype=np.float32), made_by, float(layout.kl_divergence)
