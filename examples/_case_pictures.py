"""The pictures of the case studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from visualdl_embedding.figures import cjk_font

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
        "untaught_wrong_side": "Those of them that the\nremedy never saw",
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
        said = f"{word['word']} {sign}  ({reviews}):  {' '.join(word['neighbors'])}"
        axes[3].text(0, 1 - (i + 1) / 13, said, fontsize=8.5, family=[font] if font else None)
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
