"""Made spaces for the tests of projections."""

from __future__ import annotations

import numpy as np


def clusters(n: int = 300, d: int = 16, *, centers: int = 6, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middles = 3 * rng.normal(size=(centers, d))
    return (middles[np.arange(n) % centers] + rng.normal(size=(n, d))).astype(np.float32)
