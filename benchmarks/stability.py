"""Motion of a map when the table did not change.

The ring: three trainings (`_frames.py`) are analyzed frame by frame. After every frame, the next one is the same frame
again, or the same with 10% or 30% of the rows replaced by each other, exactly or with a noise of a thousandth on every
row, so that no row has equal bits. Counts the unchanged rows whose motion is within the noise floor that is drawn as a
ring, and the frames that are marked as redrawn. `--picture` draws the motion of all rows in the last frame with a ring.

Single fits: two cases, each for t-SNE and UMAP, on a checkpoint of a real training (`_checkpoints.py`):

- identical frames: the same vectors are projected twice. All motion is noise.
- a tenth moved: every tenth row gets the vector of a random other row. Motion of the other rows is noise as well,
  except for the small part caused by new neighbors.

Compares three ways to get comparable frames: ours (warm start from the previous frame, then registration), independent
fits from scratch with different seeds (then the same registration), and umap-learn's AlignedUMAP. Motion is in standard
deviations of the layout.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _checkpoints import load_checkpoints
from _common import parser, report
from _frames import TRAININGS, load_frames
from matplotlib.patches import Circle
from rich.progress import track

from visualdl_embedding.analysis import Config, State, analyze
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
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
            return UMAP(n_neighbors=16, metric="cosine", random_state=seed).fit_transform(vectors)

        return once(before, 1), once(after, 2)

    return fit


def aligned_umap(before: np.ndarray, after: np.ndarray) -> Pair:
    from umap import AlignedUMAP

    same = {i: i for i in range(len(before))}
    first, second = (
        AlignedUMAP(n_neighbors=16, metric="cosine", random_state=1).fit([before, after], relations=[same]).embeddings_
    )
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


CHANGES = {"same": (0.0, 0.0), "10%": (0.1, 0.0), "30%": (0.3, 0.0), "noise": (0.0, 1e-3), "10% + noise": (0.1, 1e-3)}
"""Share of the rows that are replaced, and noise of all rows in standard deviations of the table."""


def change(vectors: np.ndarray, share: float, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The changed table, and a mask of the unchanged rows."""
    replaced = rng.choice(len(vectors), size=int(share * len(vectors)), replace=False)
    after = vectors.copy()
    after[replaced] = vectors[rng.permutation(replaced)]
    still = (after == vectors).all(axis=1)
    after += (noise * vectors.std() * rng.normal(size=after.shape)).astype(np.float32)
    return after, still


def ring(training: str, rows: int, frames: int) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """By method and change, for every frame: share of the unchanged rows within the ring, and the ring."""
    watched = Rows(np.arange(rows), tuple(f"w{i}" for i in range(rows)))
    found: dict[str, dict[str, list[dict[str, Any]]]] = {m: {c: [] for c in CHANGES} for m in ("tsne", "umap")}
    state = State()
    for step, vectors in enumerate(load_frames(training, rows, frames)):
        _, state = analyze(Snapshot("word", step, watched, vectors), state, Config(methods=("tsne", "umap")))
        for name, (share, noise) in CHANGES.items():
            after, still = change(vectors, share, noise, np.random.default_rng([step, int(100 * share)]))
            # The floor of this step is made by the null step of the frame before.
            config = Config(methods=("tsne", "umap"), noise_floor_every=1_000)
            analysis, _ = analyze(Snapshot("word", step + 1, watched, after), state, config)
            for method, by_change in found.items():
                projection = analysis.projections[method]
                case = {"step": step, "inside": None, "ring": projection.noise_floor}
                if projection.noise_floor is not None:
                    lengths = analysis.row_metrics[f"{method}/motion"]
                    case["inside"] = float((lengths[still] <= projection.noise_floor).mean())
                    case["motion"] = shift(
                        state.previous.analysis.projections[method].coordinates, projection.coordinates, lengths
                    )
                    case["still"] = still
                by_change[name].append(case)
    return found


def shift(before: np.ndarray, after: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Motion of the rows on the map, ``(n, 2)`` in standard deviations of the layout."""
    moved = after - before
    far = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.divide(moved * lengths[:, None], far, out=np.zeros_like(moved), where=far > 0)


def draw_ring(path: Path, figures: dict[str, Any]) -> None:
    """Draw a panel for each training, method and change: unchanged rows blue, replaced rows red, and the ring."""
    from matplotlib.figure import Figure

    lines = [(training, method) for training in figures for method in figures[training]]
    figure = Figure(figsize=(2.6 * len(CHANGES), 2.8 * len(lines)), layout="constrained")
    for axes, (training, method, name) in zip(
        figure.subplots(len(lines), len(CHANGES)).flat,
        [(*line, name) for line in lines for name in CHANGES],
        strict=True,
    ):
        axes.set_title(f"{training}, {method}, {name}", fontsize=9)
        axes.set_aspect("equal")
        axes.tick_params(labelsize=7)
        if not (drawn := [case for case in figures[training][method][name] if case["ring"] is not None]):
            axes.text(0.5, 0.5, "redrawn at every frame", ha="center", transform=axes.transAxes, fontsize=8)
            continue
        case = drawn[-1]
        for rows, color in ((~case["still"], "tab:red"), (case["still"], "tab:blue")):
            axes.scatter(*case["motion"][rows].T, s=4, color=color, linewidths=0)
        axes.add_patch(Circle((0, 0), case["ring"], fill=False))
        far = 2.5 * case["ring"] + 0.05
        axes.set(xlim=(-far, far), ylim=(-far, far))
        axes.set_xlabel(f"step {case['step']}: {case['inside']:.3f} inside", fontsize=8)
    figure.savefig(path, dpi=90)


def report_ring(arguments: argparse.Namespace) -> dict[str, Any]:
    figures, lines = {}, []
    for training in track(TRAININGS, description="The ring", transient=True):
        figures[training] = ring(training, 300 if training == "demo" else arguments.ring_rows, arguments.ring_frames)
        for method, by_change in figures[training].items():
            for name, cases in by_change.items():
                drawn = [case for case in cases if case["ring"] is not None]
                shares = sorted(case["inside"] for case in drawn)
                radii = [case["ring"] for case in drawn]
                lines.append(
                    [
                        f"{training}, {method}, {name}",
                        f"{shares[0]:.3f}" if shares else "–",
                        f"{np.median(shares):.3f}" if shares else "–",
                        f"{sum(share >= 0.95 for share in shares)} of {len(drawn)}",
                        f"{np.median(radii):.2f} ({min(radii):.2f} to {max(radii):.2f})" if radii else "–",
                        str(len(cases) - len(drawn)),
                    ]
                )
    report(
        "Unchanged rows within the ring",
        ["training, method, change", "worst frame", "median", "frames with 95%", "ring: median (range)", "redrawn"],
        lines,
        figures=figures,
        options=argparse.Namespace(quick=arguments.quick, json=None),
    )
    if arguments.picture:
        draw_ring(arguments.picture, figures)
    for case in (c for by_method in figures.values() for of in by_method.values() for cs in of.values() for c in cs):
        case.pop("motion", None)
        case.pop("still", None)
    return figures


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=2_000)
    options.add_argument("--frames", type=int, default=31, help="checkpoints of the training; the last one is used")
    options.add_argument("--every", type=int, default=200, help="batches between checkpoints")
    options.add_argument("--ring-rows", type=int, default=600, help="rows of the trainings for the ring")
    options.add_argument("--ring-frames", type=int, default=10)
    options.add_argument("--only-ring", action="store_true")
    options.add_argument("--picture", type=Path, help="PNG file for a picture of the ring")
    arguments = options.parse_args()
    if arguments.quick:
        arguments.rows, arguments.frames, arguments.every = 300, 4, 20
        arguments.ring_rows, arguments.ring_frames = 100, 2
    rings = report_ring(arguments)
    if arguments.only_ring:
        if arguments.json:
            arguments.json.write_text(json.dumps({"ring": rings}, indent=2) + "\n", "utf-8")
        return
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
        figures={"rows": len(before), "ways": figures, "ring": rings},
        options=arguments,
    )


if __name__ == "__main__":
    main()
