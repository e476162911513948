"""Gaussian with the mean and the covariance of a table: the reference for what unequal axes explain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import unit_scale
from visualdl_embedding.metrics import norms

__all__ = ["Gaussian", "beside_gaussian"]

_LONGEST = 3.0
"""Norm relative to the median above which a row is shortened, so that single long rows do not determine the axes."""
_EXACT_AXES = 16
"""Axes whose squares are drawn one by one for norms; the sum over the others is drawn from a gamma distribution."""

_SAMPLE = 2000
"""Maximum number of rows for which Gaussian tables are drawn."""
_TABLES = 5

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Gaussian:
    """Gaussian in its own axes: ``(d,)`` means and standard deviations, largest deviation first."""

    means: Doubles
    deviations: Doubles

    @classmethod
    def like(cls, vectors: NDArray[np.float32]) -> Gaussian:
        """Return the Gaussian with the mean and covariance of ``(n, d)`` rows, up to rotation and scale."""
        points = (vectors / np.float32(unit_scale(vectors))).astype(np.float64)
        lengths = norms(points.astype(np.float32)).astype(np.float64)
        limit = _LONGEST * np.median(lengths)
        points *= np.minimum(1.0, limit / np.maximum(lengths, limit))[:, None]
        mean = points.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(points.T, ddof=0).reshape(len(mean), -1))
        return cls((mean @ axes)[::-1], np.sqrt(np.maximum(variances, 0))[::-1])

    def rows(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw rows, ``(count, d)`` float32."""
        drawn = rng.standard_normal((count, len(self.means)), dtype=np.float32)
        return drawn * self.deviations.astype(np.float32) + self.means.astype(np.float32)

    def norms(self, count: int, rng: np.random.Generator) -> Doubles:
        """Draw norms of rows, ``(count,)``, at a cost that does not depend on d."""
        first = Gaussian(self.means[:_EXACT_AXES], self.deviations[:_EXACT_AXES])
        squared = np.square(first.rows(count, rng)).sum(axis=1, dtype=np.float64)
        variances, squares = self.deviations[_EXACT_AXES:] ** 2, self.means[_EXACT_AXES:] ** 2
        expected = float((variances + squares).sum())
        spread = float((2 * variances**2 + 4 * variances * squares).sum())
        if spread > 0:
            squared += rng.gamma(expected**2 / spread, spread / expected, count)
        else:
            squared += expected
        return np.asarray(np.sqrt(squared))


def beside_gaussian(
    vectors: NDArray[np.float32],
    statistic: Callable[[NDArray[np.float32]], Doubles],
    *,
    first: NDArray[np.intp] | None = None,
    random_state: int = 42,
) -> tuple[Doubles, float]:
    """Compute a statistic of a table, and its largest value in five Gaussian tables of the same size and covariance.

    More than 2,000 rows are represented by a random sample of 2,000, which begins with the rows `first`.
    """
    rng = np.random.default_rng(random_state)
    chosen = np.zeros(0, dtype=np.intp) if first is None else first
    others = np.setdiff1d(np.arange(len(vectors)), chosen)
    n_others = min(len(others), max(_SAMPLE - len(chosen), 0))
    sample = vectors[np.concatenate([chosen, np.sort(rng.choice(others, n_others, replace=False))])]
    like = Gaussian.like(sample)
    most = max(float(statistic(like.rows(len(sample), rng)).max()) for _ in range(_TABLES))
    return statistic(sample / np.float32(unit_scale(sample))), most
