"""Optimization of 2-D layouts, common to t-SNE and UMAP."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.projection._field import Field

__all__ = ["Graph", "Optimizer", "best_factor", "edge_rows"]

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
Lengths = NDArray[np.floating[Any]]
Graph = tuple[Ints, Ints, Floats]
"""Pointers ``(n + 1,)``, columns and weights of a symmetric CSR matrix."""

_SAMPLES = 20_000


class Optimizer(ABC):
    """State of a layout; subclasses define forces, cost and schedule.

    Attributes
    ----------
    points
        ``(n, 2)`` float32.
    iterations
        Iterations so far.
    budgets
        Iterations of a new layout, and of a layout that is rearranged.
    most_misplaced
        Share of misplaced rows above which a warm layout is rearranged from the start.
    scatter
        Standard deviation of the distance between a row and the neighbor that it jumps to.
    jump_limits
        Share of its cost that a jump must save, and squared length below which gradient descent is sufficient.
    """

    budgets: tuple[int, int]
    most_misplaced: float
    scatter: float
    jump_limits: tuple[float, float]

    def __init__(
        self,
        graph: Graph,
        neighbors: Neighbors,
        start: NDArray[np.float64],
        *,
        field: Field,
        curve: tuple[float, float] = (1.0, 1.0),
        random_state: int,
    ) -> None:
        rows, (_, columns, weights) = edge_rows(graph), graph
        once = columns > rows
        self.points = np.array(start, dtype=np.float32, order="C")
        self.iterations = 0
        self._graph = graph
        self._edges = (rows[once], columns[once], weights[once])
        self._curve = curve
        self._candidates = np.ascontiguousarray(neighbors.indices[:, :8])
        self._random = np.random.default_rng(random_state)
        self._field = field
        self._pull, self._push, self._updates = (np.zeros_like(self.points) for _ in range(3))
        self._levels = np.zeros(len(self.points), np.float32)

    def fit(self, *, warm: bool, max_iter: int | None) -> dict[str, Any]:
        """Optimize the layout, from the previous frame if `warm`; return a record for the parameters."""
        if not warm:
            self._arrange(max_iter or self.budgets[0])
            return {"iterations": self.iterations}
        # Alignment to earlier frames has changed the size.
        factor = best_factor(self.points, self._edges, self._cost, random=self._random)
        self.points *= np.float32(factor)
        before = self.points.copy()
        misplaced = self._jump()
        rearranged = misplaced > self.most_misplaced or not self._refine(max_iter)
        if rearranged:
            # With many misplaced rows, a position next to a neighbor is not meaningful.
            self.points = before
            self._stop(np.ones(len(before), np.bool_))
            self._arrange(max_iter or self.budgets[1])
        return {
            "rescaled": factor,
            "misplaced": misplaced,
            "rearranged": rearranged,
            "iterations": self.iterations,
        }

    @abstractmethod
    def _arrange(self, budget: int) -> None:
        """Optimize a new layout."""

    @abstractmethod
    def _refine(self, max_iter: int | None) -> bool:
        """Optimize a layout in which few rows are misplaced, in `max_iter` iterations, or until convergence.

        False if the layout must be rearranged instead, because too many rows are misplaced again.
        """

    @abstractmethod
    def _cost(self, near: Lengths, far: Lengths) -> float:
        """Cost of a layout as in `best_factor`."""

    @abstractmethod
    def _strengths(self) -> tuple[Floats, float]:
        """Factor of the potential in the cost of each row, and the potential of a row at its own place."""

    def _jump(self) -> float:
        """Move rows that are separated from their neighbors by other clusters; return their share.

        Gradient descent cannot move a row through a cluster that repels it. Early exaggeration can, but moves all other
        rows too. A jump moves only the row, to a position with lower cost.
        """
        from visualdl_embedding.projection._kernels import jump

        n, far = len(self.points), 3 * self.scatter
        strengths, own = self._strengths()
        self._field.solve(self.points)
        moved = jump(
            self._graph,
            self._curve,
            self._candidates,
            self.points,
            (self._field.origin, self._field.density, self._field.potential, own),
            strengths,
            self._random.permutation(n),
            self._random.normal(scale=self.scatter, size=(n, 2)).clip(-far, far).astype(np.float32),
            self.jump_limits,
        )
        self._stop(moved)
        return float(moved.mean())

    def _stop(self, moved: NDArray[np.bool_]) -> None:
        self._updates[moved] = 0


def edge_rows(graph: Graph) -> Ints:
    """Row of each edge of a graph."""
    pointers = graph[0]
    return np.repeat(np.arange(len(pointers) - 1, dtype=np.int32), np.diff(pointers))


def best_factor(
    points: Floats, edges: Graph, cost: Callable[[Lengths, Lengths], float], *, random: np.random.Generator
) -> float:
    """Find the factor by which a whole layout should be scaled; 1 within a factor of 2 of the best size.

    Alignment to the previous frame gives a layout that frame's size, but t-SNE and UMAP have a preferred size, which
    for t-SNE grows as a table gains structure. Gradient descent changes the size slowly; this function does it in one
    step.

    `edges` are heads, tails and weights. `cost` is a function of the squared lengths of edges, sampled by weight, and
    of the squared distances of random pairs.
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
