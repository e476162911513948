"""Motion of a map when the table did not change.

Two cases, each for t-SNE and UMAP, on a checkpoint of a real training (`_checkpoints.py`):

- identical frames: the same vectors are projected twice. All motion is noise.
- a tenth moved: every tenth row gets the vector of a random other row. Motion of the other rows is noise as well,
  except for the small part caused by new neighbors.

Compares three ways to get comparable frames: ours (warm start from the previous frame, then registration), independent
fits from scratch with different seeds (then the same registration), and umap-learn's AlignedUMAP. Motion is in standard
deviations of the layout.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from _checkpoints import load_checkpoints
from _common import parser, report
from rich.progress import track

from visualdl_embedding.metrics import trustworthiness
from visualdl_embedding.projection import align, motion, project

Pair = tuple[np.ndarray, np.ndarray]


def ours(method: str) -> Callable[[np.ndarray, np.ndarray], Pair]:
    def fit(before: np.ndarray, after: np.ndarray) -> Pair:
        first = project(before, method=method, random_state=1).coordinates
        return first, project(after, method=method, init=first, random_state=2).coordinates

    return fit


def independent(method: str) -> Callable[[np.ndarray, np.ndarray], Pair]:
    def fit(before: np.ndarray, after: np.ndarray) -> Pair:
        from sklearn.manifold import TSNE
        from umap import UMAP

        def once(vectors: np.ndarray, seed: int) -> np.ndarray:
            # With its default initialization, the principal components, t-SNE does not depend on the seed, but a swap
            # of two components flips the whole map.
            if method == "tsne":
                return TSNE(metric="cosine", init="random", random_state=seed).fit_transform(vectors)
            return UMAP(metric="cosine", random_state=seed).fit_transform(vectors)

        return once(before, 1), once(after, 2)

    return fit


def aligned_umap(before: np.ndarray, after: np.ndarray) -> Pair:
    from umap import AlignedUMAP

    same = {i: i for i in range(len(before))}
    first, second = AlignedUMAP(metric="cosine", random_state=1).fit([before, after], relations=[same]).embeddings_
    return np.asarray(first), np.asarray(second)


WAYS: dict[tuple[str, str], Callable[[np.ndarray, np.ndarray], Pair]] = {
    ("tsne", "warm + registered"): ours("tsne"),
    ("tsne", "independent + registered"): independent("tsne"),
    ("umap", "warm + registered"): ours("umap"),
    ("umap", "independent + registered"): independent("umap"),
    ("umap", "AlignedUMAP"): aligned_umap,
}


def measure(fit: Callable[[np.ndarray, np.ndarray], Pair], before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Motion of the rows whose vectors are the same in both frames."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        # umap-learn warns that a seed implies one thread, and scikit-learn's t-SNE that its defaults will change.
        warnings.simplefilter("ignore")
        first, second = (np.asarray(layout, dtype=np.float32) for layout in fit(before, after))
    seconds = time.perf_counter() - start
    still = (before == after).all(axis=1)
    moved = motion(first, align(second, first).apply(second))[still]
    return {
        "rms": float(np.sqrt(np.mean(np.square(moved, dtype=np.float64)))),
        "median": float(np.median(moved)),
        "seconds": seconds,
        "trustworthiness": float(trustworthiness(after, second)),
    }


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=2_000)
    options.add_argument("--frames", type=int, default=31, help="checkpoints of the training; the last one is used")
    options.add_argument("--every", type=int, default=200, help="batches between checkpoints")
    arguments = options.parse_args()
    if arguments.quick:
        arguments.rows, arguments.frames, arguments.every = 300, 4, 20
    _, frames = load_checkpoints(arguments.frames, arguments.every)
    before = np.ascontiguousarray(frames[-1][: arguments.rows])
    rng = np.random.default_rng(0)
    moved = rng.choice(len(before), size=len(before) // 10, replace=False)
    after = before.copy()
    after[moved] = before[rng.permutation(moved)]
    for method in ("tsne", "umap"):  # compile before measuring
        ours(method)(before[:200], after[:200])
    figures, lines = [], []
    for (method, way), fit in track(list(WAYS.items()), description=f"{len(before):,} rows", transient=True):
        identical, tenth = measure(fit, before, before), measure(fit, before, after)
        figures.append({"method": method, "way": way, "identical": identical, "a_tenth_moved": tenth})
        lines.append(
            [
                f"{method}, {way}",
                *(f"{found[name]:.3f}" for found in (identical, tenth) for name in ("rms", "median")),
                f"{tenth['trustworthiness']:.4f}",
                f"{identical['seconds'] + tenth['seconds']:.1f}",
            ]
        )
    report(
        f"Motion of rows that did not move, in layout deviations: {len(before):,} rows",
        ["way", "identical: rms", "median", "a tenth moved: rms", "median", "trust", "s"],
        lines,
        figures={"rows": len(before), "ways": figures},
        options=arguments,
    )


if __name__ == "__main__":
    main()
