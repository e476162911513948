"""Spaces with nothing to find, and spaces with one thing to find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import metrics
from visualdl_embedding.analysis import Analysis
from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.core.rows import COMPOSED, Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.findings import Finding, find

Floats = NDArray[np.float32]


def snapshot(
    vectors: NDArray[np.floating],
    *,
    labels: Sequence[str] | None = None,
    columns: Mapping[str, Sequence[object]] | None = None,
    pieces: Mapping[int, tuple[int, ...]] | None = None,
) -> Snapshot:
    n = len(vectors)
    ids = np.arange(n, dtype=np.int64)
    ids[list(pieces or {})] = COMPOSED
    rows = Rows(
        ids,
        tuple(labels or (f"词{i}" for i in range(n))),
        {name: tuple(map(str, values)) for name, values in (columns or {}).items()},
        dict(pieces or {}),
    )
    return Snapshot("word", 3, rows, np.asarray(vectors, dtype=np.float32))


def analysis(of: Snapshot, *, distance: str = "cosine") -> Analysis:
    """As `analyze` makes it, without projections."""
    vectors = of.vectors[of.usable(distance)]  # type: ignore[arg-type]
    scalars = {}
    if len(vectors) > 1:
        scalars = {
            "mean_cosine": metrics.mean_cosine(vectors),
            "effective_rank": metrics.effective_rank(vectors),
        }
    graph = nearest_neighbors(vectors, 15, distance=distance)  # type: ignore[arg-type]
    return Analysis(of.table, of.step, None, of.step, 0, graph, {}, scalars, {})


def look(vectors: NDArray[np.floating], *, distance: str = "cosine", **known: object) -> dict[str, Finding]:
    """Findings by kind; of scripts the last one."""
    shot = snapshot(vectors, **known)  # type: ignore[arg-type]
    return {finding.kind: finding for finding in find(shot, analysis(shot, distance=distance))}


def gaussian(n: int, d: int, *, seed: int = 0, decay: float = 0.5) -> Floats:
    """A Gaussian space whose deviations fall as a power, so that it has structure: trained, and nothing wrong."""
    scale = np.arange(1, d + 1) ** -decay
    # A stream of its own: a test that draws from default_rng(0), too, would plant copies of these rows.
    return (np.random.default_rng([seed, 7]).normal(size=(n, d)) * scale).astype(np.float32)


def blobs(n: int, d: int, *, n_blobs: int, seed: int = 0, apart: float = 1.0) -> tuple[Floats, NDArray[np.intp]]:
    rng = np.random.default_rng(seed)
    member = rng.integers(0, n_blobs, n)
    return (rng.normal(size=(n, d)) + apart * rng.normal(size=(n_blobs, d))[member]).astype(np.float32), member


def null_spaces(n: int, d: int, seed: int) -> Iterator[tuple[str, Floats]]:
    """Gaussian spaces of several shapes, in which nothing is wrong."""
    rng = np.random.default_rng(seed)
    yield "power law", gaussian(n, d, seed=seed)
    yield "shifted", gaussian(n, d, seed=seed) + (np.arange(1, d + 1) ** -0.5).astype(np.float32)
    turned = gaussian(n, d, seed=seed, decay=1.0) @ np.linalg.qr(rng.normal(size=(d, d)))[0].astype(np.float32)
    yield "steep", turned + gaussian(n, d, seed=seed + 1, decay=0.0) * np.float32(0.1)
    yield "uneven", (rng.normal(size=(n, d)) * np.exp(0.5 * rng.normal(size=d))).astype(np.float32)
