"""t-SNE on the shared neighbor graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.projection._field import Field
from visualdl_embedding.projection._optimizer import Floats, Graph, Lengths, Optimizer

__all__ = ["affinities", "fit_tsne"]

_EXAGGERATION = 12.0
_SPACING, _FINE_SPACING = 0.6, 0.35
"""Spacing of the grid in warm and in new layouts; the kernel has width 1. The error of forces is 6 % (root mean
square; 1.1 % at 0.35, 3.6 % at 0.5, 18 % at 1.0), measured on 10,000 points against the exact sum."""
_STILL = 0.001
"""Convergence threshold in nats: minimum gain over 20 iterations of a warm fit."""
_UNSETTLED = 0.02
"""Share of rows misplaced again after 20 iterations, above which a layout is rearranged: 0.027 in a frame that lagged
by 0.022 in trustworthiness, at most 0.007 where a tenth of the rows of a trained table was replaced."""
_SMALLEST = 0.01
"""Initial and minimum standard deviation of layouts."""
_EXACT_ROWS = 4000
"""Maximum number of rows for the exact sum, which is faster than the grid up to here (2 ms)."""


class _Tsne(Optimizer):
    """Optimization of t-SNE."""

    budgets = (750, 500)
    # At 0.3 the warm layout of a small training lags behind a new one by 0.044 in trustworthiness.
    most_misplaced = 0.12
    scatter = 0.3
    # Requiring a saving of 5 % lowers the trustworthiness by 0.007 within five frames of a training.
    jump_limits = (0.0, 4.0)

    def __init__(
        self, graph: Graph, neighbors: Neighbors, start: NDArray[np.float64], *, spacing: float, random_state: int
    ) -> None:
        field = Field(lambda distance: 1 / (1 + distance**2), spacing)
        super().__init__(graph, neighbors, start, field=field, random_state=random_state)
        self._gains = np.ones_like(self.points)

    def _repel(self) -> float:
        """Compute the unnormalized repulsion and return t-SNE's Z, the sum over all pairs."""
        from visualdl_embedding.projection._kernels import tsne_repel

        n = len(self.points)
        if n <= _EXACT_ROWS:
            tsne_repel(self.points, self._levels, self._push)
            return float(self._levels.sum(dtype=np.float64))
        self._field.read(self.points, self._levels, self._push)
        return float(self._levels.sum(dtype=np.float64)) - n

    def _run(self, iterations: int, *, exaggeration: float = 1.0, momentum: float = 0.8) -> None:
        from visualdl_embedding.projection._kernels import attract, step

        # Rate of Belkina et al. 2019, as in openTSNE. The lower rate of exaggeration, kept throughout, leaves the
        # divergence 8 % higher after 750 iterations of 5,000 rows.
        rate = max(200.0, len(self.points) / exaggeration)
        for i in range(iterations):
            if i % 25 == 0:
                self._keep_resolved()
            attract(*self._edges, self.points, self._pull)
            total = self._repel()
            self._pull *= exaggeration
            self._push /= 2 * total
            step(self.points, self._pull, self._push, self._updates, self._gains, (rate, momentum))
        self.iterations += iterations

    def _keep_resolved(self) -> None:
        """Scale up a layout that exaggeration has shrunk below float32 resolution of its repulsion.

        This occurs for tables at random initialization, where no structure keeps the rows apart.
        """
        size = float(self.points.std())
        if size < _SMALLEST:
            self.points *= np.float32(_SMALLEST / max(size, 1e-30))
            self._updates[:] = 0

    def _strengths(self) -> tuple[Floats, float]:
        return np.full(len(self.points), 1 / self._repel(), np.float32), 1.0

    def _stop(self, moved: NDArray[np.bool_]) -> None:
        super()._stop(moved)
        self._gains[moved] = 1

    def divergence(self) -> float:
        """Kullback-Leibler divergence in nats."""
        from visualdl_embedding.projection._kernels import edge_cost

        return float(edge_cost(*self._edges, self.points) + np.log(self._repel()))

    def _cost(self, near: Lengths, far: Lengths) -> float:
        pairs = float(len(self.points)) * (len(self.points) - 1)
        return float(np.log1p(near).mean() + np.log(pairs * (1 / (1 + far)).mean()))

    def _arrange(self, budget: int) -> None:
        self._run(budget // 3, exaggeration=_EXAGGERATION, momentum=0.5)
        for _ in range(3):
            self._run(budget // 8)
            self._jump()
        self._run(budget - self.iterations)

    def _refine(self, max_iter: int | None) -> bool:
        cost, budget = self.divergence(), max_iter or 200
        while self.iterations < budget:
            self._run(min(20, budget - self.iterations))
            before_jump = self.divergence()
            gain, cost = cost - before_jump, before_jump
            # From the fifth round on, the remaining gain is the last expansion, which does not change the arrangement.
            if max_iter is None and (gain < _STILL or (self.iterations >= 100 and gain < 10 * _STILL)):
                break
            if self.iterations <= 40 and self._jump() > _UNSETTLED and max_iter is None:
                return False
        return True


def affinities(neighbors: Neighbors, perplexity: float) -> Graph:
    """Convert a neighbor graph to t-SNE's symmetric probabilities, which sum to 1."""
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
    edges: Graph | None,
    warm: bool,
    perplexity: float,
    max_iter: int | None,
    random_state: int,
    n_jobs: int,
) -> tuple[Floats, dict[str, Any], float]:
    """Optimize a t-SNE layout on a graph that is at least three times the perplexity wide, if n allows it.

    `start` is ``(n, c)``: the previous frame if `warm`, else any layout of standard deviation 1. `edges` are the
    `affinities` for a layout in 2-D; in 3-D, openTSNE computes its own. The seed determines
    the order in which rows are processed; `n_jobs` is for 3-D.

    Returns
    -------
    Coordinates ``(n, c)`` float32, the parameters used, and the Kullback-Leibler divergence in nats.
    """
    graph = neighbors.first(max(1, int(np.ceil(3 * perplexity))))
    if edges is None:
        coordinates, parameters, divergence = _fit_by_tree(graph, start, warm, perplexity, max_iter, n_jobs)
    else:
        layout = _Tsne(
            edges,
            graph,
            start if warm else start * _SMALLEST,
            spacing=_SPACING if warm else _FINE_SPACING,
            random_state=random_state,
        )
        parameters = layout.fit(warm=warm, max_iter=max_iter)
        coordinates, divergence = layout.points, layout.divergence()
    return coordinates, {"perplexity": perplexity, **parameters}, divergence


def _fit_by_tree(
    graph: Neighbors,
    start: NDArray[np.float64],
    warm: bool,
    perplexity: float,
    max_iter: int | None,
    n_jobs: int,
) -> tuple[Floats, dict[str, Any], float]:
    """Fit in 3-D by openTSNE's Barnes-Hut, whose cost does not depend on the volume of the layout."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    given = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(graph.indices, graph.distances.astype(np.float64)),
        perplexity=perplexity,
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
    exaggeration, momentum = (3.0, 0.8) if warm else (_EXAGGERATION, 0.5)
    layout.optimize(n_iter=budget // 3, exaggeration=exaggeration, momentum=momentum, inplace=True)
    layout.optimize(n_iter=budget - budget // 3, momentum=0.8, inplace=True)
    return np.asarray(layout, dtype=np.float32), {"iterations": budget, "theta": 0.5}, float(layout.kl_divergence)
