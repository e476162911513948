"""Quality of new and of warm t-SNE maps.

New maps: divergence and trustworthiness of scikit-learn's 1,797 digits, compared with openTSNE. Warm maps: three
trainings (`_frames.py`) are followed frame by frame; the trustworthiness of each warm map is compared with that of a
new maps of the same frame. Without structure, new maps differ by up to 0.03 between seeds, so the mean of several seeds
is compared.
"""

from __future__ import annotations

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
        lines.append([f"digits, {name}", f"KL {kl:.3f}", f"trust {trust:.4f}", f"{seconds:.2f}"])
    lags = {}
    for training in TRAININGS:
        rows = arguments.rows // 2 if training == "demo" else arguments.rows
        frames = load_frames(training, rows, arguments.frames)
        lags[training] = [lag(frames, seed) for seed in seeds]
        new = np.array([found["new"] for found in lags[training]])
        gaps = np.array([found["warm"] for found in lags[training]]) - new.mean(axis=0)
        worst = ", ".join(f"{gap:+.4f}" for gap in gaps.min(axis=1))
        mean = float(gaps.mean())
        seconds = float(np.median([found["seconds"] for found in lags[training]]))
        lines.append([f"{training}, warm minus new", f"worst frame {worst}", f"mean {mean:+.4f}", f"{seconds:.2f}"])
    report(
        f"New and warm t-SNE maps, {arguments.seeds} seeds",
        ["data", "", "", "processor s"],
        lines,
        figures={"digits": digits, "lag": lags},
        options=arguments,
    )


if __name__ == "__main__":
    main()
