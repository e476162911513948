"""Motion of a map over frames in which a part of the rows is NaN.

Aim: when the rows come back, they are no further from their last place than in the same course without NaN. 300 rows
in six clusters drift slowly over five frames; in the third and fourth, random rows or whole clusters are NaN.
Measured is the motion of these rows from the second to the fifth frame (root mean square, in standard deviations of the
map): without NaN, with the rows' own last places, and with rows placed among their neighbors, as new rows are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from _common import parser, report

from visualdl_embedding.analysis import Analysis, Config, State, analyze
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.projection import motion

METHODS = ("tsne", "umap")
N, N_CLUSTERS, D = 300, 6, 16
AWAY = (2, 3)


def frames(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    centers = 2 * rng.normal(size=(N_CLUSTERS, D))
    start = centers[np.arange(N) % N_CLUSTERS] + rng.normal(size=(N, D))
    drift = rng.normal(size=start.shape)
    return [(start + 0.03 * t * drift).astype(np.float32) for t in range(5)]


def course(vectors: list[np.ndarray], away: np.ndarray, *, own: bool = True) -> list[Analysis]:
    """Analyze the frames; without `own`, the places of rows that are away are forgotten."""
    config = Config(methods=METHODS, noise_floor_every=0)
    rows = Rows(np.arange(N), tuple(f"word {i}" for i in range(N)))
    state, done = State(), []
    for t, matrix in enumerate(vectors):
        seen = matrix.copy()
        if t in AWAY:
            seen[away] = np.nan
        analysis, state = analyze(Snapshot("word", t, rows, seen), state, config)
        if not own and state.previous is not None:
            maps = {key: replace(p, places=None) for key, p in state.previous.analysis.projections.items()}
            state = replace(state, previous=replace(state.previous, analysis=replace(analysis, projections=maps)))
        done.append(analysis)
    return done


def jump(done: list[Analysis], method: str, away: np.ndarray) -> float:
    moved = motion(*(done[t].projections[method].coordinates for t in (1, 4)))[away]
    return float(np.sqrt(np.mean(np.square(moved, dtype=np.float64))))


def main() -> None:
    options = parser(__doc__ or "").parse_args()
    seeds = range(1 if options.quick else 3)
    shares = (1 / 3,) if options.quick else (0.1, 1 / 3, 0.5)
    figures, lines = {}, []
    for kind in ("random rows", "whole clusters"):
        for share in shares if kind == "random rows" else (1 / 6, 0.5):
            found: dict[str, list[list[float]]] = {"control": [], "own": [], "neighbors": []}
            for seed in seeds:
                if kind == "random rows":
                    away = np.random.default_rng(seed).permutation(N)[: int(share * N)]
                else:
                    away = np.flatnonzero(np.arange(N) % N_CLUSTERS < N_CLUSTERS * share)
                vectors = frames(seed)
                courses = {
                    "control": course(vectors, away[:0]),
                    "own": course(vectors, away),
                    "neighbors": course(vectors, away, own=False),
                }
                for name, done in courses.items():
                    found[name].append([jump(done, method, away) for method in METHODS])
            means = {name: np.mean(values, axis=0).tolist() for name, values in found.items()}
            figures[f"{kind}/{share:.2f}"] = means
            for i, method in enumerate(METHODS):
                lines.append([kind, f"{share:.0%}", method, *(f"{means[name][i]:.2f}" for name in found)])
    columns = ["away", "share", "map", "without NaN", "own last place", "among neighbors"]
    report("Rows that were NaN for two frames", columns, lines, figures=figures, options=options)


if __name__ == "__main__":
    main()
