"""Summary of a demo run, read from its run directory."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.models import open_model
from visualdl_embedding.store import open_run

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["DemoSummary", "group_purity", "print_summary", "summarize"]

OPPOSITES = ("positive", "negative")


@dataclass(frozen=True)
class DemoSummary:
    """Summary of a demo run.

    Attributes
    ----------
    log_dir
        Run directory.
    table, rows
        Name of the watched table, and number of its watched rows.
    steps, analyzed_steps
        Steps with a snapshot, and steps with an analysis.
    scalars
        Last value of each scalar of the table.
    neighbors
        Nearest neighbors of each watched word at the first and at the last step.
    purity
        `group_purity` of positive and negative words at the first and at the last step.
    chance_purity
        Expected purity if the groups were spread at random.
    held_out_accuracy, guessing_accuracy
        Accuracy after the last epoch, and of always predicting the more frequent class; 0 to 1.
    seconds
        Time from reading the corpus to the last picture.
    """

    log_dir: Path
    table: str
    rows: int
    steps: tuple[int, ...]
    analyzed_steps: tuple[int, ...]
    scalars: dict[str, float]
    neighbors: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
    purity: tuple[float, float]
    chance_purity: float
    held_out_accuracy: float
    guessing_accuracy: float
    seconds: float


def group_purity(vectors: NDArray[np.float32], groups: Sequence[str], *, n_neighbors: int = 15) -> tuple[float, float]:
    """Share of nearest neighbors in the same group, by cosine, averaged over the rows of ``(n, d)`` vectors.

    Also returns its expected value if the groups were spread at random; both 0 to 1, NaN for fewer than two rows.

    >>> points = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], dtype=np.float32)
    >>> purity, chance = group_purity(points, ["a", "a", "b", "b"], n_neighbors=1)
    >>> purity, round(chance, 3)
    (1.0, 0.333)
    """
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    n = len(codes)
    if n < 2:
        return math.nan, math.nan
    indices = nearest_neighbors(vectors, n_neighbors).indices
    purity = float((codes[indices] == codes[:, None]).mean())
    return purity, float((counts * (counts - 1)).sum() / (n * (n - 1)))


def summarize(
    log_dir: str | os.PathLike[str], *, held_out_accuracy: float, guessing_accuracy: float, seconds: float
) -> DemoSummary:
    """Summarize a run."""
    run = open_run(log_dir)
    table = run.tables()[0]
    steps = run.steps(table)
    models = [open_model(run, step=step).table(table) for step in (steps[0], steps[-1])]
    first, last = (model.snapshot() for model in models)
    groups = first.rows.columns["group"]
    chosen = [i for i, group in enumerate(groups) if group in OPPOSITES]
    (before, chance), (after, _) = (
        group_purity(snapshot.vectors[chosen], [groups[i] for i in chosen]) for snapshot in (first, last)
    )
    begin, end = (
        {word: tuple(match.label for match in model.closest(word, k=5)) for word in first.rows.watch}
        for model in models
    )
    return DemoSummary(
        log_dir=Path(log_dir),
        table=table,
        rows=len(first.rows),
        steps=tuple(steps),
        analyzed_steps=tuple(run.steps(table, analyzed=True)),
        scalars={key: values[max(values)] for key, values in run.scalars(table).items()},
        neighbors={word: (begin[word], end[word]) for word in begin},
        purity=(before, after),
        chance_purity=chance,
        held_out_accuracy=held_out_accuracy,
        guessing_accuracy=guessing_accuracy,
        seconds=seconds,
    )


def print_summary(summary: DemoSummary, console: Console) -> None:
    """Print a summary."""
    from rich.table import Table

    say = partial(console.print, soft_wrap=True, highlight=False, markup=False)
    say()
    say(
        f"Held-out accuracy {summary.held_out_accuracy:.1%} (most frequent class: {summary.guessing_accuracy:.1%}), "
        f"after {summary.steps[-1]:,} steps and {summary.seconds:.0f} s in all."
    )
    say(
        f"Table {summary.table!r}: {summary.rows} rows watched, {len(summary.steps)} snapshots, "
        f"{len(summary.analyzed_steps)} of them analyzed."
    )
    if len(summary.analyzed_steps) < len(summary.steps):
        say(f"To fill the gaps: visualdl-embedding analyze {summary.log_dir}")
    scalars = summary.scalars
    metrics = Table("projection", "trustworthiness", "noise floor", title="At the last step", title_justify="left")
    for method in ("pca", "tsne", "umap"):
        if f"{method}/trustworthiness" in scalars:
            values = (scalars.get(f"{method}/{name}", math.nan) for name in ("trustworthiness", "noise_floor"))
            metrics.add_row(method, *(f"{value:.3f}" for value in values))
    if metrics.row_count:
        console.print(metrics)
    for key, against in (("neighbor_overlap", "the previous snapshot"), ("neighbor_overlap_first", "step 0")):
        if key in scalars:
            console.print(f"Neighbor overlap with {against}: {scalars[key]:.2f} (1: equal neighbors).")
    before, after = summary.purity
    say(
        "Positive and negative words: of a word's 15 nearest neighbors among these words, "
        f"{before:.0%} belong to its own group before training and {after:.0%} after training "
        f"({summary.chance_purity:.0%} by chance)."
    )
    words = Table(
        "watched word", "nearest before training", "nearest after training", title="Neighbors", title_justify="left"
    )
    for word, (first, last) in summary.neighbors.items():
        words.add_row(word, " ".join(first), " ".join(last))
    console.print(words)
    try:
        # A relative path also works with VisualDL's own command.
        parent = os.path.relpath(summary.log_dir.parent)
    except ValueError:  # on another Windows drive
        parent = str(summary.log_dir.parent)
    say(
        "To view it:\n"
        f"  visualdl-embedding serve --logdir {parent}\n"
        "then open http://localhost:8040 with the pages\n"
        "  EMBEDDINGS        points that move over time, true neighbors, gained and lost\n"
        f"  SCALARS           embedding/{summary.table}/… beside train/loss\n"
        f"  HIGH DIMENSIONAL  {summary.table}/vectors/step_…, {summary.table}/tsne/step_…\n"
        f"  IMAGES            embedding/{summary.table}/tsne/map: move the slider through the steps"
    )
