"""Quality of new and of warm t-SNE maps.

New maps: divergence and trustworthiness of scikit-learn's 1,797 digits, compared with openTSNE. Warm maps: three
trainings (`_frames.py`) are followed frame by frame; the trustworthiness of each warm map is compared with that of the
new map of the same frame and seed, and with the mean of the new maps of all seeds. For scale, new maps are
compared with this mean as well.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from _common import parser, report
from _frames import TRAININGS, load_frames

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.metrics import trustworthiness
from visualdl_embedding.projection import align, project

PERPLEXITY = 30


def new_maps(limit: int | None, seed: int) -> dict[str, Any]:
    """Divergence, trustworthiness and processor seconds of openTSNE's map of the digits and of ours."""
    from openTSNE import TSNE
    from sklearn.datasets import load_digits

    vectors = load_digits().data[:limit].astype(np.float32)
    graph = nearest_neighbors(vectors, 3 * PERPLEXITY, distance="euclidean")
    start = time.process_time()
    theirs = TSNE(perplexity=PERPLEXITY, metric="euclidean", random_state=seed, n_jobs=1).fit(vectors)
    between = time.process_time()
    ours = project(vectors, method="tsne", neighbors=graph, perplexity=PERPLEXITY, random_state=seed)
    end = time.process_time()

    def trust(layout: np.ndarray) -> float:
        return trustworthiness(vectors, np.asarray(layout, dtype=np.float32), distance="euclidean")

    return {
        "openTSNE": {"kl": float(theirs.kl_divergence), "trust": trust(theirs), "seconds": between - start},
        "ours": {"kl": ours.kl_divergence, "trust": trust(ours.coordinates), "seconds": end - between},
    }


def lag(frames: np.ndarray, seed: int) -> dict[str, Any]:
    """Trustworthiness of warm and of new maps, frame by frame, and processor seconds of the warm ones."""
    layout, trust, new, seconds = None, [], [], 0.0
    for vectors in frames:
        graph = nearest_neighbors(vectors, 3 * PERPLEXITY)
        options: dict[str, Any] = {"method": "tsne", "neighbors": graph, "random_state": seed}
        start = time.process_time()
        found = project(vectors, init=layout, **options).coordinates
        seconds += time.process_time() - start
        if layout is None:
            layout = found
            continue
        layout = align(found, layout).apply(found)
        fresh = project(vectors, **options).coordinates
        trust.append(trustworthiness(vectors, layout))
        new.append(trustworthiness(vectors, fresh))
    return {"warm": trust, "new": new, "seconds": seconds}


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=600, help="rows of each training; the demo's are half as many")
    options.add_argument("--frames", type=int, default=10)
    options.add_argument("--seeds", type=int, default=3)
    arguments = options.parse_args()
    limit = None
    if arguments.quick:
        arguments.rows, arguments.frames, arguments.seeds, limit = 200, 2, 1, 300
    seeds = range(1, arguments.seeds + 1)
    digits = [new_maps(limit, seed) for seed in seeds]
    lines = []
    for name in ("openTSNE", "ours"):
        kl, trust, seconds = (float(np.median([d[name][of] for d in digits])) for of in ("kl", "trust", "seconds"))
        lines.append([name, f"{kl:.4f}", f"{trust:.4f}", f"{seconds:.2f}"])
    lags, warm_lines = {}, []
    for training in TRAININGS:
        rows = arguments.rows // 2 if training == "demo" else arguments.rows
        frames = load_frames(training, rows, arguments.frames)
        lags[training] = [lag(frames, seed) for seed in seeds]
        warm, new = (np.array([found[which] for found in lags[training]]) for which in ("warm", "new"))
        mean = new.mean(axis=0)
        gaps = [warm - new, warm - mean, new - mean]
        worst = [", ".join(f"{gap:+.4f}" for gap in gap.min(axis=1)) for gap in gaps]
        seconds = float(np.median([found["seconds"] for found in lags[training]]))
        warm_lines.append([training, *worst, f"{gaps[0].mean():+.4f}", f"{seconds:.2f}"])
    report(
        f"Warm minus new t-SNE maps, {arguments.seeds} seeds: trustworthiness in the worst frame of each seed",
        ["training", "same seed", "mean of seeds", "new minus mean", "mean of all frames", "processor s"],
        warm_lines,
        figures={},
        options=argparse.Namespace(quick=arguments.quick, json=None),
    )
    report(
        f"New t-SNE maps of the digits, median of {arguments.seeds} seeds",
        ["map", "KL", "trust", "processor s"],
        lines,
        figures={"digits": digits, "lag": lags},
        options=arguments,
    )


if __name__ == "__main__":
    main()
