"""Case study: the sense of a word changes in one week, and an alert reports it; see docs/case-studies.md.

pip install "visualdl-embedding[demo]"
python examples/case_drift.py [--size full|small] [--log-dir runs/case-drift] [--json drift.json] [--picture drift.png]
visualdl-embedding serve --logdir runs

The review classifier is trained on past reviews, and then on the reviews of one week after another. After each week,
`record_once` records its table and evaluates a rule. From one week on, 便宜 (cheap) acquires the sense of shoddy: it
replaces 差 (bad) in a share of the reviews that contain 差. A control run uses the unchanged reviews. The same rule is
also evaluated on p-values with earlier weeks as null pairs, which `record_once` does not use here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from _case_pictures import draw_drift
from numpy.typing import NDArray

from visualdl_embedding import Config, Rows, Snapshot, compare_snapshots
from visualdl_embedding.alerts import Alert, DriftTowards, History, replay
from visualdl_embedding.core.table import Table
from visualdl_embedding.demo import Corpus, ReviewClassifier, Reviews, load_corpus
from visualdl_embedding.drift import Direction, Pair, measure_pair
from visualdl_embedding.runs import record_once

WORD, DONOR, TOWARDS = "便宜", "差", "negative"
WATCH = (WORD, "满意", "失望")
TABLE = "embedding"
ALPHA = 0.05
FIRST_SEED = 101
"""Smaller seeds were used while this study was written."""


@dataclass(frozen=True)
class Size:
    """Sizes: past reviews, reviews of a week, weeks, week of the change, watched rows, seeds, changed shares."""

    past: int
    week: int
    weeks: int
    change: int
    rows: int
    seeds: int
    shares: tuple[float, ...]


SIZES = {"full": Size(5321, 1500, 8, 6, 2000, 10, (0.5, 1.0)), "small": Size(2000, 1500, 4, 4, 1000, 1, (1.0,))}


def all_reviews(corpus: Corpus, *, random_state: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All reviews in random order, as ids and labels."""
    words = np.concatenate([corpus.train_words, corpus.held_out_words])
    labels = np.concatenate([corpus.train_labels, corpus.held_out_labels])
    order = np.random.default_rng(random_state).permutation(len(words))
    return words[order], labels[order]


def change_sense(
    words: NDArray[np.int64], *, word: int, donor: int, share: float, random: np.random.Generator
) -> NDArray[np.int64]:
    """Replace `donor` by `word` in a share of the reviews that contain `donor`."""
    there = np.flatnonzero((words == donor).any(axis=1))
    chosen = random.choice(there, round(share * len(there)), replace=False)
    changed = words.copy()
    changed[chosen] = np.where(words[chosen] == donor, word, words[chosen])
    return changed


def rows_of(corpus: Corpus, count: int) -> Rows:
    """The most frequent words, with their columns."""
    ids = np.arange(2, 2 + count)
    columns = {name: tuple(str(values[i]) for i in ids) for name, values in corpus.columns.items()}
    return Rows(ids, tuple(corpus.vocabulary[i] for i in ids), columns, watch=WATCH, how=f"the {count} most frequent")


class Weeks:
    """One run: a model trained week by week, and the results of the rule. A share of 0 is the control."""

    def __init__(self, corpus: Corpus, size: Size, log_dir: Path, *, seed: int, share: float) -> None:
        shutil.rmtree(log_dir, ignore_errors=True)
        self.size, self.log_dir, self.seed, self.share = size, log_dir, seed, share
        self.word, self.donor = (corpus.vocabulary.index(word) for word in (WORD, DONOR))
        self.rows = rows_of(corpus, size.rows)
        # The false-alarm probability is divided equally among the evaluated weeks.
        self.rule = DriftTowards(TOWARDS, words=WATCH, alpha=ALPHA, looks=size.weeks)
        self.snapshots: list[Snapshot] = []
        self.pairs: list[Pair] = []
        self.alerts: list[Alert] = []
        self.with_word: list[int] = []
        self.directions: dict[str, dict[int, tuple[Direction, ...]]] = {"rows": {}, "null": {}}
        paddle.seed(seed)
        np.random.seed(seed)  # noqa: NPY002  Paddle's sampler shuffles with NumPy's global state.
        self.network = ReviewClassifier(len(corpus.vocabulary))
        self.model = paddle.Model(self.network)
        self.model.prepare(
            paddle.optimizer.Adam(1e-3, parameters=self.network.parameters()), paddle.nn.CrossEntropyLoss()
        )
        words, labels = all_reviews(corpus, random_state=seed)
        random = np.random.default_rng(seed)
        for week in range(size.weeks + 1):
            end = size.past + week * size.week
            part = slice(end - size.week if week else 0, end)
            read = words[part]
            if share and week >= size.change:
                read = change_sense(read, word=self.word, donor=self.donor, share=share, random=random)
            self.with_word.append(int((read == self.word).any(axis=1).sum()))
            self.model.fit(Reviews(read, labels[part]), batch_size=32, epochs=1 if week else 3, verbose=0)
            self.record(week)

    def record(self, week: int) -> None:
        """Record a week, and compare it with the previous week, also with earlier weeks as null pairs."""
        weight = self.network.embedding.weight
        snapshot = Snapshot(TABLE, week, self.rows, np.ascontiguousarray(weight.numpy()[self.rows.ids]))
        self.snapshots.append(snapshot)
        done = record_once(
            self.log_dir,
            snapshot,
            table=Table(TABLE, *weight.shape, padding_idx=0),
            # PCA only: this study does not use maps of the other methods.
            config=Config(methods=("pca",)),
            rules=[self.rule],
        )
        self.alerts += done.alerts
        self.directions["rows"][week] = done.analysis.directions
        if week:
            # Pairs of earlier weeks that share no week with each other or with the current pair.
            null = [self.pairs[earlier] for earlier in range(week - 3, -1, -2)]
            if null:
                drift = compare_snapshots(*self.snapshots[-2:], watch=WATCH, null=null)
                self.directions["null"][week] = drift.directions
            self.pairs.append(measure_pair(*self.snapshots[-2:]))

    def to_dict(self) -> dict[str, Any]:
        """Results of the run: alerts as (week, word), and the p-values towards the group."""
        weeks = range(self.size.weeks + 1)
        history = History.of(TABLE, {week: {} for week in weeks}, evidence=self.directions["null"])
        with_null = replay([self.rule], history)[0]
        return {
            "seed": self.seed,
            "share": self.share,
            "with_word": self.with_word,
            "alerts": {"rows": [brief(a) for a in self.alerts], "null": [brief(a) for a in with_null]},
            "messages": [alert.message for alert in (*self.alerts, *with_null)],
            "p_values": {
                how: {
                    word: {week: d.p_value for week, ds in by_week.items() for d in ds if is_towards(d, word)}
                    for word in WATCH
                }
                for how, by_week in self.directions.items()
            },
            "negative_share": {
                week: d.share_after for week, ds in self.directions["rows"].items() for d in ds if is_towards(d, WORD)
            },
        }


def is_towards(direction: Direction, word: str) -> bool:
    """Whether the direction is that of the rule, for the given word."""
    return direction.label == word and direction.group == TOWARDS


def brief(alert: Alert) -> tuple[int, str]:
    """Week and word of an alert."""
    return alert.step, str(alert.evidence["label"])


def summarize(size: Size, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts over seeds: alerts in the week of the change, later alerts, and runs with a false alarm."""
    summary: dict[str, Any] = {}
    for share in (*size.shares, 0.0):
        for how in ("rows", "null"):
            alerts = [run["alerts"][how] for run in runs if run["share"] == share]
            first = [min((week for week, word in found if word == WORD), default=None) for found in alerts]
            false = [any(not share or week < size.change or word != WORD for week, word in found) for found in alerts]
            summary[f"{share:g}/{how}"] = {
                "runs": len(alerts),
                "in_the_week": sum(week == size.change for week in first) if share else 0,
                "later": sum(week is not None and week > size.change for week in first) if share else 0,
                "runs_with_a_false_alarm": sum(false),
                "median_p_in_the_week": float(
                    np.median([run["p_values"][how][WORD][size.change] for run in runs if run["share"] == share])
                ),
            }
    return summary


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description="A word changes its sense in one week; does the alert fire?")
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--seeds", type=int, help="number of runs of each kind")
    parser.add_argument("--log-dir", type=Path, default=Path("runs/case-drift"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    size, corpus = SIZES[options.size], load_corpus("full")
    runs = [
        Weeks(corpus, size, options.log_dir / f"share-{share:g}-{seed}", seed=seed, share=share).to_dict()
        for seed in range(FIRST_SEED, FIRST_SEED + (options.seeds or size.seeds))
        for share in (*size.shares, 0.0)
    ]
    result = {
        "size": options.size,
        "change": size.change,
        "level": ALPHA / size.weeks / len(WATCH),
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "summary": summarize(size, runs),
        "runs": runs,
    }
    for name, found in result["summary"].items():
        print(f"share {name}: {found}")
    for run in runs:
        print(f"seed {run['seed']}, share {run['share']:g}: {' '.join(run['messages']) or 'no alert'}")
    if options.json:
        options.json.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", "utf-8")
    if options.picture:
        draw_drift(result, options.picture)


if __name__ == "__main__":
    main()
