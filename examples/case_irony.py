"""Case study: words on the wrong side, a remedy from a lexicon, and its effect; see docs/case-studies.md.

pip install "visualdl-embedding[demo]"
python examples/case_irony.py [--size full|small] [--log-dir runs/case-irony] [--json irony.json] [--picture irony.png]
visualdl-embedding serve --logdir runs

For every seed, the review classifier is trained four times. "before" is the plain training. "again" is the plain
training with another seed, which shows the effect of retraining alone. "remedy" adds a loss term that pulls words of
one group of the lexicon together and pushes the two groups apart. "checked" is the remedy without those words that the
labels of the training reviews contradict. The remedy uses half of the lexicon's words. It is evaluated on the other
half, and on the held-out reviews that contain a word that was on the wrong side before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from _case_pictures import draw_irony
from numpy.typing import NDArray

from visualdl_embedding import EmbeddingCallback, open_run
from visualdl_embedding.demo import Corpus, ReviewClassifier, Reviews, load_corpus
from visualdl_embedding.metrics.groups import Misplaced, encode_groups, wrong_side

ARMS = ("before", "again", "remedy", "checked")
TABLE = "embedding"
OTHER_SEED = 1000
"""Offset of the seed for "again"."""
WATCH = ("讽刺", "便宜", "失望")


@dataclass(frozen=True)
class Size:
    """Sizes: watched rows, epochs, seeds, snapshots."""

    rows: int
    epochs: int
    seeds: int
    snapshots: int


SIZES = {"full": Size(600, 3, 5, 8), "small": Size(200, 2, 2, 2)}


class PullByLexicon(paddle.nn.Layer):
    """Cross-entropy plus a term that pulls words of one group together and pushes the two groups apart.

    The term is `weight` times the mean of 1 - cosine over pairs of one group, plus the mean over pairs of both of the
    cosine where it is positive, among `sample` words of the lexicon: Hadsell, Chopra and LeCun 2006, "Dimensionality
    reduction by learning an invariant mapping", with cosines instead of distances.
    """

    def __init__(
        self,
        embedding: paddle.nn.Embedding,
        words: NDArray[np.int64],
        positive: NDArray[np.bool_],
        *,
        weight: float,
        random_state: int,
        sample: int = 128,
    ) -> None:
        super().__init__()
        self.table, self.words, self.positive = embedding.weight, words, positive
        self.weight, self.sample = weight, min(sample, len(words))
        self.random = np.random.default_rng(random_state)
        self.cross_entropy = paddle.nn.CrossEntropyLoss()

    def forward(self, logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        """Loss of a batch of reviews."""
        chosen = self.random.choice(len(self.words), self.sample, replace=False)
        units = paddle.nn.functional.normalize(paddle.gather(self.table, paddle.to_tensor(self.words[chosen])))
        cosine = units @ units.T
        same = self.positive[chosen][:, None] == self.positive[chosen]
        pull = paddle.to_tensor((same & ~np.eye(len(same), dtype=bool)).astype("float32"))
        push = paddle.to_tensor((~same).astype("float32"))
        apart = ((1 - cosine) * pull).sum() / pull.sum() + (cosine.clip(min=0) * push).sum() / push.sum()
        return self.cross_entropy(logits, labels) + self.weight * apart


@dataclass(frozen=True)
class Training:
    """Results of a training: its run, and whether each held-out review was classified correctly."""

    log_dir: Path
    right: NDArray[np.bool_]


def polar_groups(corpus: Corpus) -> tuple[str, ...]:
    """Group of each word: positive, negative, or none. Neutral words have no side."""
    return tuple(group if group in ("positive", "negative") else "" for group in corpus.columns["group"])


def signs(corpus: Corpus) -> NDArray[np.int64]:
    """``(V,)``: 1 for a positive word of the lexicon, -1 for a negative one, 0 for all others."""
    return np.array([{"positive": 1, "negative": -1}.get(group, 0) for group in polar_groups(corpus)])


def lexicon_words(corpus: Corpus) -> list[str]:
    """Words with a side, most frequent first. Only these are watched, so that all neighbors of a word have a side."""
    return [word for word, group in zip(corpus.vocabulary, polar_groups(corpus), strict=True) if group]


def taught_half(corpus: Corpus, *, random_state: int) -> NDArray[np.bool_]:
    """``(V,)``: random half of the lexicon's words, used by the remedy."""
    grouped = np.flatnonzero(signs(corpus))
    taught = np.zeros(len(corpus.vocabulary), dtype=bool)
    taught[np.random.default_rng(random_state).permutation(grouped)[: len(grouped) // 2]] = True
    return taught


def train(
    corpus: Corpus, size: Size, log_dir: Path, *, seed: int, taught: NDArray[np.bool_] | None, weight: float
) -> Training:
    """Train the demo's classifier, with the remedy if words are given, and record its table."""
    shutil.rmtree(log_dir, ignore_errors=True)
    paddle.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  Paddle's sampler shuffles with NumPy's global state.
    network = ReviewClassifier(len(corpus.vocabulary))
    loss: Any = paddle.nn.CrossEntropyLoss()
    if taught is not None:
        words = np.flatnonzero(taught)
        positive = signs(corpus)[words] > 0
        loss = PullByLexicon(network.embedding, words, positive, weight=weight, random_state=seed)
    model = paddle.Model(network)
    model.prepare(paddle.optimizer.Adam(5e-4, parameters=network.parameters()), loss)
    steps = size.epochs * -(-len(corpus.train_words) // 32)
    model.fit(
        Reviews(corpus.train_words, corpus.train_labels),
        batch_size=32,
        epochs=size.epochs,
        verbose=0,
        callbacks=[
            EmbeddingCallback(
                log_dir,
                vocabulary=corpus.vocabulary,
                metadata={**corpus.columns, "group": polar_groups(corpus)},
                rows=lexicon_words(corpus)[: size.rows],
                watch=[word for word in WATCH if word in corpus.vocabulary],
                every_n_steps=-(-steps // size.snapshots),
                # In the foreground, so that every snapshot of this short training is analyzed.
                methods=("pca",),
                background=False,
                alerts=(),
                on_error="raise",
            )
        ],
    )
    network.eval()
    with paddle.no_grad():
        logits = network(paddle.to_tensor(corpus.held_out_words)).numpy()
    return Training(log_dir, logits.argmax(axis=1) == corpus.held_out_labels)


def misplaced(log_dir: Path, step: int) -> tuple[Misplaced, ...]:
    """All words on the wrong side at a step, most certain first."""
    run = open_run(log_dir)
    rows = run.rows(TABLE)
    codes, names = encode_groups(rows.columns["group"])
    return wrong_side(run.analysis(TABLE, step).neighbors, codes, names, labels=rows.labels, limit=None)


def curves(log_dir: Path, taught: set[str]) -> dict[str, dict[int, float]]:
    """By name and step: purity and words on the wrong side, for all words of the lexicon and for those not taught."""
    run = open_run(log_dir)
    labels, groups = run.rows(TABLE).labels, run.rows(TABLE).columns["group"]
    untaught = np.array([bool(group) and label not in taught for label, group in zip(labels, groups, strict=True)])
    scalars = run.scalars(TABLE)
    found: dict[str, dict[int, float]] = {name: scalars[name] for name in ("group_purity", "wrong_side_rows")}
    found |= {"untaught_purity": {}, "untaught_wrong_side": {}}
    for step in run.steps(TABLE, analyzed=True):
        purity = run.analysis(TABLE, step).row_metrics["group_purity"][untaught]
        found["untaught_purity"][step] = float(np.nanmean(purity))
        found["untaught_wrong_side"][step] = float(sum(word.label not in taught for word in misplaced(log_dir, step)))
    return found


def last(curve: dict[int, float]) -> float:
    """Return the value at the last step."""
    return curve[max(curve)]


def contains(corpus: Corpus, words: set[str]) -> NDArray[np.bool_]:
    """Mask of the held-out reviews that contain one of the words."""
    ids = [i for i, word in enumerate(corpus.vocabulary) if word in words]
    return np.isin(corpus.held_out_words, ids).any(axis=1)


def against_words(corpus: Corpus) -> NDArray[np.bool_]:
    """Mask of the held-out reviews that contradict most of their words in the lexicon: irony, negation, a "but"."""
    balance = signs(corpus)[corpus.held_out_words].sum(axis=1)
    return balance * np.where(corpus.held_out_labels == 1, 1, -1) < 0


def praised(corpus: Corpus, word: str) -> tuple[float, int]:
    """Share of positive reviews among the training reviews with a word, and the number of those reviews."""
    there = (corpus.train_words == corpus.vocabulary.index(word)).any(axis=1)
    return float(corpus.train_labels[there].mean()) if there.any() else float("nan"), int(there.sum())


def contradicted(corpus: Corpus) -> NDArray[np.bool_]:
    """``(V,)``: words that occur more in training reviews of the other side than in reviews of their own side."""
    present = np.zeros((len(corpus.train_words), len(corpus.vocabulary)), dtype=bool)
    present[np.arange(len(present))[:, None], corpus.train_words] = True
    positive = present[corpus.train_labels == 1].sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    return np.asarray(signs(corpus) * (positive - corpus.train_labels.mean()) < 0)


def study_seed(corpus: Corpus, size: Size, folder: Path, *, seed: int, weight: float) -> dict[str, Any]:
    """Train each arm once, and compare the arms."""
    taught = taught_half(corpus, random_state=seed)
    taught_words = {word for word, known in zip(corpus.vocabulary, taught, strict=True) if known}
    lessons = {"remedy": taught, "checked": taught & ~contradicted(corpus)}
    trained = {
        arm: train(
            corpus,
            size,
            folder / f"{arm}-{seed}",
            seed=seed + OTHER_SEED if arm == "again" else seed,
            taught=lessons.get(arm),
            weight=weight,
        )
        for arm in ARMS
    }
    steps = open_run(trained["before"].log_dir).steps(TABLE)
    wrong = misplaced(trained["before"].log_dir, steps[-1])
    wrong_words = {word.label for word in wrong}
    affected = contains(corpus, wrong_words)
    found: dict[str, Any] = {
        "seed": seed,
        "wrong_side": [describe(corpus, word) for word in wrong],
        "affected_reviews": int(affected.sum()),
        "reviews_against_their_words": int(against_words(corpus).sum()),
        "arms": {},
    }
    for arm, training in trained.items():
        by_step = curves(training.log_dir, taught_words)
        still = {word.label for word in misplaced(training.log_dir, steps[-1])}
        found["arms"][arm] = {
            "curves": by_step,
            "last": {name: last(curve) for name, curve in by_step.items()},
            "untaught_still_wrong": len((wrong_words & still) - taught_words),
            "accuracy": {
                "all": float(training.right.mean()),
                "affected": float(training.right[affected].mean()) if affected.any() else float("nan"),
                "against_words": float(training.right[against_words(corpus)].mean()),
            },
        }
    found["untaught_wrong"] = len(wrong_words - taught_words)
    return found


def describe(corpus: Corpus, word: Misplaced) -> dict[str, Any]:
    """A word on the wrong side, its neighbors as evidence, and the labels of its reviews."""
    share, count = praised(corpus, word.label)
    return {
        "word": word.label,
        "group": word.group,
        "share_of_other_group": word.share,
        "by_chance": word.chance,
        "neighbors": [near.label for near in word.evidence],
        "positive_reviews": share,
        "reviews": count,
    }


def summarize(corpus: Corpus, size: Size, seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over seeds, and number of seeds in which a value rose or fell relative to "before"."""

    def of(arm: str, part: str, name: str) -> list[float]:
        return [found["arms"][arm][part][name] for found in seeds]

    summary: dict[str, Any] = {}
    for part, names in (
        ("last", seeds[0]["arms"]["before"]["last"]),
        ("accuracy", ("all", "affected", "against_words")),
    ):
        for name in names:
            before = np.array(of("before", part, name))
            summary[f"{part}/{name}"] = {
                arm: {
                    "median": float(np.median(values := np.array(of(arm, part, name)))),
                    "change": float(np.median(values - before)),
                    "rose": int((values > before).sum()),
                    "fell": int((values < before).sum()),
                }
                for arm in ARMS
            }
    often = Counter(word["word"] for found in seeds for word in found["wrong_side"])
    by_word = {word["word"]: word for found in reversed(seeds) for word in found["wrong_side"]}
    always = [{**by_word[word], "seeds": many} for word, many in often.items() if many > len(seeds) / 2]
    summary["words"] = sorted(
        always, key=lambda word: (-word["seeds"], -word["share_of_other_group"], -word["reviews"])
    )
    wrong = {word["word"] for word in always}
    against = {word for word, no in zip(corpus.vocabulary, contradicted(corpus), strict=True) if no}
    right = set(lexicon_words(corpus)[: size.rows]) - wrong
    summary["labels_against_lexicon"] = {
        "on_the_wrong_side": {"words": len(wrong), "contradicted": len(wrong & against)},
        "others": {"words": len(right), "contradicted": len(right & against)},
    }
    return summary


def nearest(log_dir: Path, word: str, count: int = 8) -> list[str]:
    """Neighbors of a watched word at the last step."""
    run = open_run(log_dir)
    labels = run.rows(TABLE).labels
    if word not in labels:
        return []
    indices = run.analysis(TABLE, run.steps(TABLE)[-1]).neighbors.indices
    return [labels[i] for i in indices[labels.index(word), :count]]


def print_figures(result: dict[str, Any]) -> None:
    """Print the figures."""
    summary = result["summary"]
    for name in (name for name in summary if "/" in name):
        print(f"{name}, median of {len(result['seeds'])} seeds:")
        for arm, found in summary[name].items():
            print(f"  {arm}: {found['median']:.3f} ({found['change']:+.3f}; {found['rose']} up, {found['fell']} down)")
    for side, counts in summary["labels_against_lexicon"].items():
        print(
            f"{side.replace('_', ' ')}: the labels of the training reviews contradict the lexicon for "
            f"{counts['contradicted']} of {counts['words']} words"
        )
    for word in summary["words"][:10]:
        praised_in = f"{word['positive_reviews']:.0%} of {word['reviews']} reviews positive"
        print(f"  {word['word']} ({word['group']}, {praised_in}): {' '.join(word['neighbors'])}")
    for arm, near in result["irony"].items():
        print(f"讽刺, {arm}: {' '.join(near) or 'not in the vocabulary'}")


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description="Words on the wrong side, a remedy, and its effect.")
    parser.add_argument("--size", choices=list(SIZES), default="full")
    parser.add_argument("--seeds", type=int, help="number of trainings of each kind")
    parser.add_argument("--weight", type=float, default=1.0, help="weight of the remedy in the loss")
    parser.add_argument("--log-dir", type=Path, default=Path("runs/case-irony"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    size, corpus = SIZES[options.size], load_corpus(options.size)
    seeds = [
        study_seed(corpus, size, options.log_dir, seed=seed, weight=options.weight)
        for seed in range(1, (options.seeds or size.seeds) + 1)
    ]
    result = {
        "size": options.size,
        "weight": options.weight,
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "seeds": seeds,
        "summary": summarize(corpus, size, seeds),
        "irony": {arm: nearest(options.log_dir / f"{arm}-1", "讽刺") for arm in ("before", "remedy")},
    }
    print_figures(result)
    if options.json:
        options.json.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", "utf-8")
    if options.picture:
        draw_irony(result, options.picture)


if __name__ == "__main__":
    main()
