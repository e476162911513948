"""Spaces with groups whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.metrics.groups import GroupStudy, study_groups

Floats = NDArray[np.float32]
NAMES = ("positive", "negative", "neutral")


def blobs(*sizes: int, d: int = 16, gap: float = 2.0, seed: int = 0) -> tuple[Floats, list[str]]:
    """One Gaussian blob for each group, each shifted along its own axis; rows shuffled."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    vectors = rng.normal(size=(len(codes), d))
    vectors[np.arange(len(codes)), codes] += gap
    return vectors.astype(np.float32), [NAMES[code] for code in codes]


def study(vectors: Floats, groups: list[str], *, distance: Any = "cosine", **settings: Any) -> GroupStudy:
    neighbors = nearest_neighbors(vectors, 15, distance=distance)
    return study_groups(vectors, neighbors, groups, **{"n_random": 19, **settings})
