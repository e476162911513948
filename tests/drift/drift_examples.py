"""Snapshots to compare, small and made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ortho_group

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot

Floats = NDArray[np.floating]


def space(n: int = 300, d: int = 8, *, seed: int = 0) -> NDArray[np.float32]:
    """Rows that do not stand around the origin, so that a shift matters, with a spread that differs by column."""
    rng = np.random.default_rng([seed, 11])
    return (rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -0.5 + 0.5).astype(np.float32)


def snapshot(
    vectors: Floats,
    *,
    labels: Sequence[str] | None = None,
    columns: Mapping[str, Sequence[object]] | None = None,
    step: int = 0,
) -> Snapshot:
    names = tuple(labels or (f"词{i}" for i in range(len(vectors))))
    cells = {name: tuple(map(str, values)) for name, values in (columns or {}).items()}
    return Snapshot("word", step, Rows(np.arange(len(vectors)), names, cells), np.asarray(vectors, dtype=np.float32))


def noisy(vectors: Floats, noise: float, *, seed: int) -> NDArray[np.float32]:
    """The same space trained anew: turned, and every row a little elsewhere."""
    n, d = vectors.shape
    moved = vectors + noise * np.random.default_rng([seed, 13]).normal(size=(n, d))
    return (moved @ ortho_group.rvs(d, random_state=seed)).astype(np.float32)


def seed_pair(n: int = 300, *, seed: int, noise: float = 0.15) -> tuple[Snapshot, Snapshot]:
    """Two trainings of one space."""
    truth = space(n)
    return snapshot(noisy(truth, noise, seed=2 * seed)), snapshot(noisy(truth, noise, seed=2 * seed + 1), step=1)
