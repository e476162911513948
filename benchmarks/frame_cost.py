"""Cost and quality of a warm frame, compared with projecting every snapshot from scratch.

Frames are checkpoints of a real training from random initialization (`_checkpoints.py`). "Ours" is the whole `analyze`
of a frame on one thread, as in the worker: neighbors, PCA, t-SNE, UMAP, alignment, noise floors,
and all metrics. "Theirs" is scikit-learn's TSNE and umap-learn's UMAP with a seed. Times are processor times on one
thread, because on a busy machine, threads that wait for each other distort the times of both. Both sides use the cosine
distance, and the same function measures the trustworthiness of both.
"""

from __future__ import annotations

import statistics
import time
import warnings
from typing import Any

import numpy as np
from _checkpoints import load_checkpoints
from _common import parser, report
from rich.progress import track
from threadpoolctl import threadpool_limits

from visualdl_embedding.analysis import Config, State, analyze
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.metrics import trustworthiness


def from_scratch(vectors: np.ndarray) -> dict[str, tuple[float, float]]:
    """Processor seconds and trustworthiness of scikit-learn's t-SNE and umap-learn's UMAP."""
    from sklearn.manifold import TSNE
    from umap import UMAP

    found = {}
    makers = {
        "tsne": lambda: TSNE(metric="cosine", random_state=42),
        "umap": lambda: UMAP(n_neighbors=16, metric="cosine", random_state=42),
    }
    for method, make in makers.items():
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            coordinates = make().fit_transform(vectors).astype(np.float32)
        seconds = time.process_time() - start
        found[method] = (seconds, trustworthiness(vectors, coordinates))
    return found


def measure(steps: list[int], frames: np.ndarray, rows: int, compared: list[int]) -> dict[str, Any]:
    """Analyze all frames in order, and also project the compared frames from scratch."""
    watched = Rows(np.arange(rows), tuple(f"w{i}" for i in range(rows)))
    state, ours, theirs = State(), [], {}
    for i, step in track(list(enumerate(steps)), description=f"{rows:,} rows", transient=True):
        vectors = np.ascontiguousarray(frames[i, :rows])
        start = time.process_time()
        analysis, state = analyze(Snapshot("word", step, watched, vectors), state, Config())
        seconds = time.process_time() - start
        trust = {m: analysis.scalars[f"{m}/trustworthiness"] for m in ("tsne", "umap")}
        ours.append({"step": step, "seconds": seconds, "parts": dict(analysis.seconds), **trust})
        if i in compared:
            theirs[step] = from_scratch(vectors)
    warm = [frame["seconds"] for frame in ours[1:]]
    scratch = [tsne[0] + umap[0] for tsne, umap in (f.values() for f in theirs.values())]
    by_step = {frame["step"]: frame for frame in ours}
    differences = {
        method: [by_step[step][method] - found[method][1] for step, found in theirs.items()]
        for method in ("tsne", "umap")
    }
    return {
        "first_frame_seconds": ours[0]["seconds"],
        "warm_seconds_mean": statistics.mean(warm),
        "warm_seconds_median": statistics.median(warm),
        "scratch_seconds_median": statistics.median(scratch),
        "ratio": statistics.median(scratch) / statistics.mean(warm),
        "trustworthiness_minus_theirs": differences,
        "ours": ours,
        "theirs": {str(step): found for step, found in theirs.items()},
    }


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--frames", type=int, default=31, help="checkpoints; the first is taken before training")
    options.add_argument("--every", type=int, default=200, help="batches between checkpoints")
    options.add_argument("--rows", type=int, nargs="+", default=[500, 2_000, 10_000])
    options.add_argument("--compared", type=int, default=4, help="checkpoints that are also projected from scratch")
    arguments = options.parse_args()
    if arguments.quick:
        arguments.frames, arguments.every, arguments.rows = 4, 20, [300]
    steps, frames = load_checkpoints(arguments.frames, arguments.every)
    last = len(steps) - 1
    compared = sorted({round(last * (i + 1) / arguments.compared) for i in range(arguments.compared)})
    # A worker compiles once, so compile before measuring.
    with threadpool_limits(1):
        measure(steps[:2], frames, 200, [1])
    figures, lines = {}, []
    for rows in arguments.rows:
        with threadpool_limits(1):
            found = figures[str(rows)] = measure(steps, frames, rows, compared)
        worst = {m: min(d) for m, d in found["trustworthiness_minus_theirs"].items()}
        lines.append(
            [
                f"{rows:,}",
                f"{found['scratch_seconds_median']:.2f}",
                f"{found['first_frame_seconds']:.2f}",
                f"{found['warm_seconds_median']:.2f}",
                f"{found['warm_seconds_mean']:.2f}",
                f"{found['ratio']:.1f}",
                *(f"{worst[m]:+.4f}" for m in ("tsne", "umap")),
            ]
        )
    report(
        f"Warm frames and frames from scratch: {len(steps)} checkpoints, compared at {[steps[i] for i in compared]}",
        ["rows", "scratch s", "first s", "warm median s", "warm mean s", "times faster", "t-SNE trust", "UMAP trust"],
        lines,
        figures=figures,
        options=arguments,
    )
    print("trust: trustworthiness of ours minus theirs, at the worst of the compared checkpoints (aim: -0.005).")


if __name__ == "__main__":
    main()
