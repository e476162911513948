"""UMAP on the shared neighbor graph."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.projection._field import Field
from visualdl_embedding.projection._optimizer import Floats, Graph, Lengths, Optimizer, edge_rows

__all__ = ["fit_umap", "fuzzy_graph"]

_NEGATIVES = 5
"""Number of negative samples of umap-learn per edge."""
_STEEPEST = 4.0
"""Gradient clipping limit of umap-learn."""
_SPACING = 0.05
"""Spacing of the grid, for a layout about 10 wide."""
_EXACT_ROWS = 2000
"""Maximum number of rows for the exact sum, which is as fast as the grid up to here."""
_FINE = 0.005
"""Spacing of the table for the exact sum."""
_MOMENTUM = 0.9
_REACH = 0.25
"""Maximum motion of a row per iteration."""


def _repulsion_table(a: float, b: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Potential of umap-learn's repulsion by distance up to 100; it decreases as distance to the -2b."""
    distance = np.concatenate([np.arange(0, 1, 0.001), np.geomspace(1, 100, 1000)])
    slope = 2 * b * distance / ((0.001 + distance**2) * (1 + a * distance ** (2 * b)))
    slope = np.minimum(slope, _STEEPEST)
    pieces = (slope[1:] + slope[:-1]) / 2 * np.diff(distance)
    return distance, np.concatenate([np.cumsum(pieces[::-1])[::-1], [0.0]])


class _Umap(Optimizer):
    """Optimization of the expected loss of umap-learn's sampling.

    umap-learn samples edge (i, j) with a frequency proportional to its weight, and 5 random rows that repel i per edge.
    So row i is attracted by twice its edges' weights (each is sampled from both ends), and repelled by 5 / n times its
    total weight by every row (Damrich and Hamprecht 2021, "On UMAP's true loss function"). Summing instead of sampling
    avoids sampling noise: at 10,000 rows, 25 iterations raise the trustworthiness of umap-learn's layout from 0.811 to
    0.822 in 0.13 s.
    """

    budgets = (500, 250)
    most_misplaced = 0.2
    scatter = 0.05
    jump_limits = (0.05, 0.25)

    def __init__(
        self,
        graph: Graph,
        neighbors: Neighbors,
        start: NDArray[np.float64],
        curve: tuple[float, float],
        random_state: int,
    ) -> None:
        distances, table = _repulsion_table(*curve)

        def potential(distance: Lengths) -> NDArray[np.float64]:
            return np.interp(distance, distances, table)

        pointers, columns, weights = graph
        doubled, field = (pointers, columns, 2 * weights), Field(potential, _SPACING)
        super().__init__(doubled, neighbors, start, field=field, curve=curve, random_state=random_state)
        degrees = np.bincount(edge_rows(graph), weights=weights, minlength=len(start))
        self._strength = (_NEGATIVES * degrees / len(start)).astype(np.float32)
        # The stiffness of a row is its total weight; with the common rate, hubs would oscillate.
        self._rates = np.minimum(0.02, 0.08 / np.maximum(degrees, 1e-6)).astype(np.float32)[:, None]
        self._fine_table = potential(np.arange(0, 100 + 2 * _FINE, _FINE)).astype(np.float32)

    def _run(self, iterations: int, *, last: float = 1.0) -> None:
        """Run gradient descent with a rate that changes linearly to `last` times the usual one."""
        from visualdl_embedding.projection._kernels import table_repel, umap_attract

        for rate in np.linspace(1.0, last, iterations, dtype=np.float32):
            umap_attract(*self._edges, self._curve, self.points, self._pull)
            if len(self.points) <= _EXACT_ROWS:
                table_repel(self.points, self._fine_table, _FINE, self._push)
            else:
                self._field.read(self.points, self._levels, self._push)
            self._push *= self._strength[:, None]
            self._updates *= np.float32(_MOMENTUM)
            self._updates += rate * self._rates * (self._pull + self._push)
            np.clip(self._updates, -_REACH, _REACH, out=self._updates)
            self.points += self._updates
        self.iterations += iterations

    def _strengths(self) -> tuple[Floats, float]:
        return self._strength, float(self._fine_table[0])

    def _cost(self, near: Lengths, far: Lengths) -> float:
        a, b = self._curve
        pull = float(self._edges[2].sum())
        # Strengths are per pair: the sum over ordered pairs is n times the sum over rows, halved to count each pair
        # once.
        push = float(self._strength.sum()) * len(self.points) / 2
        return float(pull * np.log1p(a * near**b).mean() + push * self._fine_potential(far).mean())

    def _fine_potential(self, squared: Lengths) -> Floats:
        """Look up the potential at squared distances; interpolation takes ten times as long."""
        places = np.minimum(np.sqrt(squared) / _FINE, len(self._fine_table) - 1)
        return self._fine_table[places.astype(np.intp)]

    def _arrange(self, budget: int) -> None:
        for _ in range(4):
            self._run(budget // 5)
            self._jump()
        self._run(budget - self.iterations, last=0.1)

    def _refine(self, max_iter: int | None) -> bool:
        budget = max_iter or 80
        self._run(budget * 3 // 8)
        self._jump()
        self._run(budget - self.iterations, last=0.1)
        return True


def fuzzy_graph(neighbors: Neighbors, n_neighbors: int) -> Graph:
    """Convert a neighbor graph to UMAP's fuzzy simplicial set; the largest weight is 1."""
    with warnings.catch_warnings():
        # At import, umap warns that its neural variant requires TensorFlow, which is not used here.
        warnings.filterwarnings("ignore", category=ImportWarning)
        from umap.umap_ import fuzzy_simplicial_set

    n = len(neighbors.indices)
    # umap-learn takes the row itself as the first of its neighbors; here n_neighbors counts other rows only.
    graph = neighbors.first(max(1, n_neighbors))
    indices = np.column_stack([np.arange(n, dtype=np.int32), graph.indices])
    distances = np.column_stack([np.zeros(n, np.float32), graph.distances])
    # If neighbors are passed, only the number of data points is used, and nothing is random.
    edges = fuzzy_simplicial_set(
        indices, indices.shape[1], np.random.RandomState(0), "precomputed", knn_indices=indices, knn_dists=distances
    )[0].tocsr()
    # umap-learn drops edges that would be sampled less than once in 500 epochs.
    edges.data[edges.data < edges.data.max() / 500] = 0.0
    edges.eliminate_zeros()
    edges.sort_indices()
    weights = (edges.data / edges.data.max()).astype(np.float32)
    return edges.indptr.astype(np.int32), edges.indices.astype(np.int32), weights


def fit_umap(
    neighbors: Neighbors,
    start: NDArray[np.float64],
    *,
    edges: Graph,
    warm: bool,
    n_neighbors: int,
    min_dist: float,
    max_iter: int | None,
    random_state: int,
) -> tuple[Floats, dict[str, Any]]:
    """Optimize a UMAP layout on the `edges` of a neighbor graph, as returned by `fuzzy_graph`.

    `start` is ``(n, c)``: the previous frame if `warm`, else any layout of standard deviation 1. The seed determines
    the order in which rows are processed, in 3-D the sampling.

    Returns
    -------
    Coordinates ``(n, c)`` float32, and the parameters used.
    """
    from umap.umap_ import find_ab_params

    a, b = (float(v) for v in find_ab_params(1.0, min_dist))
    if not warm:
        low, extent = start.min(axis=0), np.ptp(start, axis=0)
        start = 10 * (start - low) / np.where(extent > 0, extent, 1.0)
    if start.shape[1] > 2:
        coordinates, parameters = _fit_by_sampling(edges, (a, b), start, warm, max_iter, random_state)
    else:
        layout = _Umap(edges, neighbors, start, (a, b), random_state)
        parameters = layout.fit(warm=warm, max_iter=max_iter)
        coordinates = layout.points
    return coordinates, {"n_neighbors": min(n_neighbors, len(start) - 1), "min_dist": min_dist, **parameters}


def _fit_by_sampling(
    graph: Graph,
    curve: tuple[float, float],
    start: NDArray[np.float64],
    warm: bool,
    max_iter: int | None,
    random_state: int,
) -> tuple[Floats, dict[str, Any]]:
    """Fit in 3-D by umap-learn's sampling, on one thread, because several threads are not reproducible."""
    from umap.layouts import optimize_layout_euclidean
    from umap.umap_ import make_epochs_per_sample

    n = len(start)
    epochs = max_iter or (100 if warm else 500 if n <= 10_000 else 200)
    layout = np.array(start, dtype=np.float32, order="C")
    seeds = np.random.RandomState(random_state).randint(-(2**31), 2**31 - 1, 3).astype(np.int64)
    layout = optimize_layout_euclidean(
        layout,
        layout,
        edge_rows(graph),
        graph[1],
        epochs,
        n,
        make_epochs_per_sample(graph[2], epochs),
        *curve,
        seeds,
        initial_alpha=0.2 if warm else 1.0,
        move_other=True,
    )
    return np.asarray(layout, dtype=np.float32), {"iterations": epochs}
