"""Pictures of the case studies."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from visualdl_embedding import open_run
from visualdl_embedding.figures import cjk_font
from visualdl_embedding.metrics import crowding
from visualdl_embedding.metrics.strata import STRATA, frequency_strata

COLORS = {"before": "#5B6372", "again": "#3D7DCA", "remedy": "#D9622B", "checked": "#2E9E6B"}


def draw_irony(result: dict[str, Any], png: Path) -> None:
    """Draw the curves of all seeds, their medians, and the words with their evidence."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    font = cjk_font()
    figure = Figure(figsize=(12.5, 4.2), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=(1, 1, 0.9, 1.5))
    titles = {
        "wrong_side_rows": "Words on the wrong side,\nall of the lexicon",
        "untaught_wrong_side": "Of these, words not\nused by the remedy",
    }
    for panel, (name, title) in zip(axes, titles.items(), strict=False):
        for arm in COLORS:
            lines = [found["arms"][arm]["curves"][name] for found in result["seeds"]]
            for line in lines:
                panel.plot(
                    [int(step) for step in line], list(line.values()), color=COLORS[arm], alpha=0.25, linewidth=0.8
                )
            middle = np.median([list(line.values()) for line in lines], axis=0)
            panel.plot([int(step) for step in lines[0]], middle, color=COLORS[arm], linewidth=2, label=arm)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("step")
    axes[0].legend(frameon=False)
    kinds = ("all", "affected", "against_words")
    for i, kind in enumerate(kinds):
        for j, arm in enumerate(COLORS):
            values = [100 * found["arms"][arm]["accuracy"][kind] for found in result["seeds"]]
            x = i + (j - 1.5) * 0.2
            axes[2].scatter([x] * len(values), values, color=COLORS[arm], s=10, alpha=0.5)
            axes[2].plot([x - 0.08, x + 0.08], [np.median(values)] * 2, color=COLORS[arm], linewidth=2)
    axes[2].set_xticks(range(3), ["all\nreviews", "with a\nwrong-side\nword", "against\ntheir\nwords"], fontsize=8)
    axes[2].set_title("Held-out accuracy, %", fontsize=10)
    axes[3].axis("off")
    axes[3].set_title("On the wrong side before (share of positive reviews)", fontsize=10)
    for i, word in enumerate(result["summary"]["words"][:12]):
        sign = "+" if word["group"] == "positive" else "−"
        reviews = f"{word['positive_reviews']:.0%} of {word['reviews']}"
        line = f"{word['word']} {sign}  ({reviews}):  {' '.join(word['neighbors'])}"
        axes[3].text(0, 1 - (i + 1) / 13, line, fontsize=8.5, family=[font] if font else None)
    for panel in axes[:3]:
        panel.spines[["top", "right"]].set_visible(False)
    FigureCanvasAgg(figure)
    figure.savefig(png, dpi=110)


def draw_drift(result: dict[str, Any], png: Path) -> None:
    """Draw the share of negative neighbors and the p-values by week, changed runs and controls, alerts flagged."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 3.8), layout="constrained")
    axes = figure.subplots(1, 3)
    largest = max(run["share"] for run in result["runs"])
    runs = [run for run in result["runs"] if run["share"] in (largest, 0.0)]
    word = next(iter(runs[0]["p_values"]["rows"]))
    panels = (
        ("Share of negative neighbors", lambda run: run["negative_share"], "rows"),
        ("p-value of the week, as recorded", lambda run: run["p_values"]["rows"][word], "rows"),
        ("p-value with earlier weeks as null pairs", lambda run: run["p_values"]["null"][word], "null"),
    )
    for panel, (title, line_of, how) in zip(axes, panels, strict=True):
        for run in runs:
            color = COLORS["remedy" if run["share"] else "before"]
            line = {int(week): value for week, value in line_of(run).items()}
            panel.plot(list(line), list(line.values()), color=color, alpha=0.6, linewidth=1.2)
            for week, label in run["alerts"][how]:
                if label == word and week in line:
                    panel.plot(week, line[week], marker="v", color=color, markersize=9)
        panel.axvline(result["change"], color="#B9BFCA", linestyle=":", zorder=0)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("week")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in axes[1:]:
        panel.set_yscale("log")
        panel.axhline(result["level"], color="#B9BFCA", linestyle="--", zorder=0)
    axes[0].plot([], [], color=COLORS["remedy"], label="sense changed (dotted: week of the change)")
    axes[0].plot([], [], color=COLORS["before"], label="control")
    axes[0].plot([], [], color="#1F2430", marker="v", linestyle="", label="alert for this word")
    axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    FigureCanvasAgg(figure)
    figure.savefig(png, dpi=110)


def draw_long_tail(
    log_dirs: dict[str, Path], values: dict[str, dict[str, list[float]]], png: Path, *, batch: int
) -> None:
    """Draw maps of the first seed, crowding of the tail, gradients of the items, and recommendations."""
    from matplotlib.figure import Figure

    from visualdl_embedding import nearest_neighbors, project

    figure = Figure(figsize=(15, 8), layout="constrained")
    axes = figure.subplots(2, len(log_dirs))
    colors = dict(zip(STRATA, ("#d6320d", "#e8a33d", "#3f7fbf"), strict=True))
    lines = dict(zip(log_dirs, ("#1f2430", "#2932e1", "#2a9d6f", "#b0409b"), strict=True))
    for column, (variant, log_dir) in enumerate(log_dirs.items()):
        run = open_run(log_dir)
        (table,) = run.tables()
        snapshot = run.snapshot(table, run.steps(table)[-1])
        frequency = np.array([float(cell) for cell in snapshot.rows.columns["frequency"]])
        names = frequency_strata(frequency)
        graph = nearest_neighbors(snapshot.vectors, 90)
        places = project(snapshot.vectors, method="tsne", neighbors=graph).coordinates
        plane = axes[0, column]
        never = frequency == 0
        plane.scatter(*places[never].T, s=4, color="#b8bcc4", label="no like", linewidths=0)
        for name in reversed(STRATA):
            chosen = (names == name) & ~never
            plane.scatter(*places[chosen].T, s=4, color=colors[name], label=name, linewidths=0)
        plane.set(title=variant, xticks=[], yticks=[])
        space = crowding(snapshot.vectors, graph.first(15))
        for rows, style, note in ((names == "tail", ":", None), ((names == "tail") & ~never, "-", variant)):
            tail = space.among(rows)
            axes[1, 0].plot(tail.space_share, tail.rows_share, style, color=lines[variant], label=note)
        gradient = snapshot.row_values["gradient_mean"] * batch
        liked = np.unique(frequency)
        bins = np.unique(np.geomspace(1, liked.max() + 1, 9).astype(int))
        means = [np.nanmedian(gradient[(frequency >= a) & (frequency < b)]) for a, b in itertools.pairwise(bins)]
        axes[1, 1].plot(bins[:-1], means, ".-", color=lines[variant], label=variant)
        axes[1, 2].plot(values[variant]["recall"], values[variant]["coverage"], "o", color=lines[variant])
        axes[1, 3].plot(values[variant]["recall_head"], values[variant]["recall_tail"], "o", color=lines[variant])
    axes[0, 0].legend(markerscale=3, fontsize="small")
    axes[1, 0].plot([0, 1], [0, 1], color="lightgray", linewidth=1)
    axes[1, 0].set(title="Crowding of tail items (dotted: with items without a like)", xlabel="share of the space")
    axes[1, 0].set_ylabel("share of tail items")
    axes[1, 0].title.set_fontsize("medium")
    axes[1, 0].legend(fontsize="small")
    axes[1, 1].set(title="Gradient of a lookup", xlabel="likes of the item", ylabel="mean length", xscale="log")
    axes[1, 2].set(title=f"Recommendations, {len(values['plain']['recall'])} seeds", xlabel="recall@10")
    axes[1, 2].set_ylabel("coverage@10")
    axes[1, 3].set(title="Head and tail items", xlabel="recall@10 of head items", ylabel="recall@10 of tail items")
    figure.savefig(png, dpi=80, pil_kwargs={"optimize": True})
