"""Spaces in clusters, and their analyses one after another."""

from __future__ import annotations

import numpy as np

from visualdl_embedding.analysis import Analysis, Config, State, analyze
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot

FAST = Config(methods=("pca", "tsne"), perplexity=5, n_neighbors=5)
MAPS = Config(methods=("tsne", "umap"), n_neighbors=7)


def rows_of(n: int, *, prefix: str = "w", watch: tuple[str, ...] = ()) -> Rows:
    return Rows(np.arange(n), tuple(f"{prefix}{i}" for i in range(n)), watch=watch)


def clusters(n: int = 60, d: int = 8, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centers = 4 * rng.normal(size=(4, d))
    return (centers[np.arange(n) % 4] + rng.normal(size=(n, d))).astype(np.float32)


def course(*frames: np.ndarray, config: Config = FAST, rows: Rows | None = None) -> list[Analysis]:
    state, done = State(), []
    for i, vectors in enumerate(frames):
        analysis, state = analyze(Snapshot("word", 10 * i, rows or rows_of(len(vectors)), vectors), state, config)
        done.append(analysis)
    return done
