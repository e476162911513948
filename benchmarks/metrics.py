"""Cost of every metric of a snapshot, relative to the neighbor graph.

Aim: all metrics together take less time than the graph. The quality of maps, which ranks all rows around each row and
so repeats the work of the graph, is counted separately. The table has clusters of words in a space of decreasing
variances, with power-law frequencies. The previous snapshot is a rotated copy with small noise. Each metric is called
as in `analyze`, on one thread, and measured separately: median of CPU time, which depends less on other processes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from _common import parser, report
from threadpoolctl import threadpool_limits

from visualdl_embedding import metrics
from visualdl_embedding.analysis import Analysis, Config, State, analyze
from visualdl_embedding.core.neighbors import nearest_neighbors, normalize
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import cka, compare_snapshots
from visualdl_embedding.drift._towards import watched_directions
from visualdl_embedding.findings import find
from visualdl_embedding.metrics.groups import encode_groups, study_groups, wrong_side
from visualdl_embedding.metrics.groups._cohesion import measure_cohesion
from visualdl_embedding.metrics.groups._probe import probe_scores
from visualdl_embedding.metrics.groups._purity import measure_purity
from visualdl_embedding.metrics.groups._silhouette import measure_silhouette
from visualdl_embedding.metrics.strata import frequency_strata, study_strata
from visualdl_embedding.projection import fit_basis, project

N_NEIGHBORS = 15
GROUPS = ("positive", "negative", "neutral")
N_WATCHED = 5
SAMPLED = 2_500
"""Number of rows in a sampled quality of maps."""


@dataclass(frozen=True)
class Case:
    """Two snapshots of n rows, as two steps of one training."""

    n: int
    d: int

    @cached_property
    def vectors(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        scale = np.arange(1, self.d + 1) ** -0.5
        centers = rng.standard_normal((50, self.d)) * scale
        own = rng.standard_normal((self.n, self.d)) * scale
        return (centers[rng.integers(0, 50, self.n)] + own).astype(np.float32)

    @cached_property
    def before(self) -> np.ndarray:
        rng = np.random.default_rng(1)
        turn = np.linalg.qr(rng.standard_normal((self.d, self.d)))[0]
        moved = self.vectors + 0.1 * rng.standard_normal(self.vectors.shape)
        return (moved @ turn).astype(np.float32)

    @cached_property
    def rows(self) -> Rows:
        groups = np.random.default_rng(2).choice(["", *GROUPS], self.n, p=[0.4, 0.2, 0.2, 0.2])
        frequency = (1e6 / np.arange(1, self.n + 1)).astype(int)
        labels = tuple(f"word{i}" for i in range(self.n))
        columns = {"group": tuple(map(str, groups)), "frequency": tuple(map(str, frequency))}
        return Rows(np.arange(self.n), labels, columns, watch=labels[:N_WATCHED])

    def snapshots(self) -> tuple[Snapshot, Snapshot]:
        return Snapshot("word", 0, self.rows, self.before), Snapshot("word", 1, self.rows, self.vectors)


def timed(repeats: int, call: Callable[[], Any]) -> tuple[float, Any]:
    """Median CPU seconds of several calls after a warm-up call, and the result of the last call."""
    result = call()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = call()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), result


def measure(case: Case, repeats: int) -> dict[str, Any]:
    vectors, before = case.vectors, case.before
    first, second = case.snapshots()
    width = min(90, case.n - 1)
    graph_seconds, graph = timed(repeats, lambda: nearest_neighbors(vectors, width))
    near, near_before = graph.first(N_NEIGHBORS), nearest_neighbors(before, N_NEIGHBORS)
    spectrum = metrics.spectrum(vectors)
    groups = case.rows.columns["group"]
    codes, names = encode_groups(groups)
    unit, g = normalize(vectors), len(names)
    frequency = np.array(case.rows.columns["frequency"], dtype=float)
    crowded = metrics.crowding(vectors, near)
    overlap = metrics.neighbor_overlap(near_before, near)
    moved = metrics.aligned_displacement(before, vectors)
    strata_of = frequency_strata(frequency)
    basis = fit_basis(vectors, n_components=2)
    pca = project(vectors, method="pca", basis=basis).coordinates
    # As many maps as in `analyze`. The time does not depend on how they were made.
    maps = {f"map {i}": pca + np.float32(i) * vectors[:, i : i + 2] for i in range(3)}
    calls: dict[str, Callable[[], object]] = {
        "norms": lambda: metrics.norms(vectors),
        "mean_cosine": lambda: metrics.mean_cosine(vectors),
        "spectrum": lambda: metrics.spectrum(vectors),
        "effective_rank and isoscore of the spectrum": lambda: (
            metrics.effective_rank(spectrum),
            metrics.isoscore(spectrum),
        ),
        "hubness": lambda: metrics.hubness(near, vectors),
        "neighbor_overlap": lambda: metrics.neighbor_overlap(near_before, near, vectors=(before, vectors)),
        "displacement": lambda: metrics.aligned_displacement(before, vectors),
        "cka": lambda: cka(before, vectors),
        "unchanged": lambda: metrics.unchanged(before, vectors),
        "crowding": lambda: metrics.crowding(vectors, near),
        "strata": lambda: study_strata(
            vectors, near, strata_of, frequency=frequency, overlap=overlap, update=moved, crowding=crowded
        ),
        "group purity, with intervals": lambda: measure_purity(near.indices, codes, g),
        "group silhouette": lambda: measure_silhouette(unit, codes, g, cosine=True),
        "group probe": lambda: probe_scores(unit, codes, g),
        "group cohesion": lambda: measure_cohesion(unit, codes, g),
        "wrong side": lambda: wrong_side(near, codes, names, limit=20),
        "directions of watched words": lambda: watched_directions(first, second, case.rows.watch),
    }
    parts = {name: timed(repeats, call)[0] for name, call in calls.items()}
    quality, exact = timed(repeats, lambda: metrics.projection_quality(vectors, maps, graph))
    sample = min(SAMPLED, case.n)
    sampled, guessed = timed(repeats, lambda: metrics.projection_quality(vectors, maps, graph, max_rows=sample))
    groups_seconds, _ = timed(repeats, lambda: study_groups(vectors, near, groups))
    frames = [_frame(first, second) for _ in range(repeats)]
    frame, diagnosis = frames[-1], statistics.median(frame.seconds["diagnosis"] for frame in frames)
    findings, _ = timed(1, lambda: find(second, frame))
    compared, _ = timed(
        repeats, lambda: compare_snapshots(first, second, watch=case.rows.watch, neighbors=(near_before, near))
    )
    return {
        "rows": case.n,
        "columns": case.d,
        "graph_seconds": graph_seconds,
        "graph_width": width,
        "parts": parts,
        "total_seconds": sum(parts.values()),
        "ratio": sum(parts.values()) / graph_seconds,
        "quality_of_three_maps_seconds": quality,
        "ratio_with_quality": (sum(parts.values()) + quality) / graph_seconds,
        "sampled_quality_seconds": sampled,
        "sampled_quality_error": max(abs(guessed[m].trustworthiness - exact[m].trustworthiness) for m in maps),
        "study_groups_seconds": groups_seconds,
        "diagnose_seconds": diagnosis,
        "findings_seconds": findings,
        "compare_snapshots_seconds": compared,
    }


def _frame(first: Snapshot, second: Snapshot) -> Analysis:
    config = Config(methods=("pca",))
    _, state = analyze(first, State(), config)
    return analyze(second, state, config)[0]


def main() -> None:
    options = parser(str(__doc__).splitlines()[0])
    options.add_argument("--rows", type=int, default=10_000)
    options.add_argument("--columns", type=int, default=128)
    options.add_argument("--repeats", type=int, default=5)
    chosen = options.parse_args()
    case = Case(500, 16) if chosen.quick else Case(chosen.rows, chosen.columns)
    with threadpool_limits(1):
        found = measure(case, 1 if chosen.quick else chosen.repeats)
    graph = found["graph_seconds"]

    def line(name: str, seconds: float) -> list[str]:
        return [name, f"{1000 * seconds:.1f} ms", f"{100 * seconds / graph:.1f}%"]

    table = [line(f"the graph, {found['graph_width']} neighbors", graph)]
    table += [line(name, s) for name, s in sorted(found["parts"].items(), key=lambda item: -item[1])]
    table += [
        line("total", found["total_seconds"]),
        line("quality of three maps", found["quality_of_three_maps_seconds"]),
        line("total with quality", found["total_seconds"] + found["quality_of_three_maps_seconds"]),
        line(f"separately: quality from {SAMPLED:,} rows", found["sampled_quality_seconds"]),
        line("separately: findings, for a report", found["findings_seconds"]),
        line("separately: compare_snapshots, for a weekly check", found["compare_snapshots_seconds"]),
    ]
    report(
        f"Metrics of {case.n:,} x {case.d}",
        ["metric", "median", "share of the graph"],
        table,
        figures=found,
        options=chosen,
    )


if __name__ == "__main__":
    main()
