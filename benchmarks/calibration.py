"""Calibration and power of the drift tests.

False alarms: pairs of real trainings (`_trainings.py`) that differ only by the bootstrap resample of their documents.
Every test is applied to every pair at a level of 0.05; aim: 0.02 to 0.08. "rows" ranks among the rows of the pair only,
"null" also uses null pairs. The rate of alarms of a single word is shown as quantiles over words. Groups are those of
the lexicon, random words, and coherent ones: clusters of another training (k-means). The same is measured for a second
kind of training, Paddle classifiers (`_classifiers.py`).

Power: the same, but in the later training a share of one word's occurrences is replaced by occurrences of a negative
word. Nothing else changes. "printed" is the share of these words among the ten that ``drift`` prints first, and for
comparison among the ten with the largest displacement relative to their neighbors.

For comparison, Evidently's detectors run on the same tables if installed (`pip install evidently`): mean distance,
domain classifier and MMD with their default thresholds, the first two also with their bootstrap at 0.95 (that of MMD
takes seconds per pair). They compare two clouds of vectors, so they run on the unchanged tables and after an orthogonal
alignment of the later table.
"""

from __future__ import annotations

import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from _common import parser, report
from _trainings import Change, Documents, load_documents, train
from rich.progress import track

from visualdl_embedding.core.distance import normalize
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Drift, Pair, compare_snapshots, measure_pair
from visualdl_embedding.projection import align

ALPHA = 0.05
WATCHED = 5
PRINTED = 10
SMALL_LEVELS = (0.01, 0.002, ALPHA / 52)
"""Levels of the tail; the last one is that of a rule for 52 weeks."""
CLUSTERS = 10
SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
Detector = Callable[[np.ndarray, np.ndarray], bool]
Alarms = dict[str, list[float]]


def evidently_detectors() -> dict[str, Detector]:
    """Detectors by name; empty if Evidently is not installed."""
    try:
        import pandas as pd
        from evidently.legacy.metrics.data_drift.embedding_drift_methods import distance, mmd, model
    except ImportError:
        return {}
    methods = {
        "Evidently distance, 0.2": distance(),
        "Evidently distance, bootstrap": distance(bootstrap=True),
        "Evidently classifier, 0.55": model(),
        "Evidently classifier, bootstrap": model(bootstrap=True),
        "Evidently MMD, 0.015": mmd(),
    }

    def ask(method: Any) -> Detector:
        return lambda before, after: bool(method(pd.DataFrame(after), pd.DataFrame(before))[1])

    return {name: ask(method) for name, method in methods.items()}


def ask_evidently(detectors: Mapping[str, Detector], before: Snapshot, after: Snapshot, alarms: Alarms) -> None:
    aligned = align(after.vectors, before.vectors, scaling=False).apply(after.vectors)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from its libraries
        for name, fires in detectors.items():
            alarms[f"{name}, as it is"].append(fires(before.vectors, after.vectors))
            alarms[f"{name}, aligned"].append(fires(before.vectors, aligned))


def ask_ours(drift: Drift, how: str, alarms: Alarms, *, counted: int) -> None:
    """Add the alarms of one comparison, for the first `counted` watched words."""
    asked = [word.label for word in drift.watched[:counted]]
    towards = [d for d in drift.directions if d.label in asked]
    if counted == 1:  # the changed word: only its own direction counts
        towards = [d for d in towards if d.group == "negative"]
    alarms[f"word, {how}"] += [w.p_value <= ALPHA for w in drift.watched[:counted]]
    alarms[f"any of {WATCHED} words (Holm), {how}"].append(min(w.p_corrected for w in drift.watched) <= ALPHA)
    alarms[f"direction, {how}"] += [d.p_value <= ALPHA for d in towards]
    some = any(d.p_corrected <= ALPHA for d in drift.directions)
    alarms[f"any of {len(drift.directions)} directions (Holm), {how}"].append(some)
    for name, p_value in drift.space_p_values.items():
        alarms[f"space: {name}"].append(p_value <= ALPHA)


def ask_groups(drift: Drift, kind: str, how: str, alarms: Alarms) -> None:
    # Without null pairs groups have no p-value.
    for group in (group for group in drift.groups if group.p_value == group.p_value):
        alarms[f"group of {kind}, {how}"].append(group.p_value <= ALPHA)


def false_alarms(
    pairs: list[tuple[Snapshot, Snapshot]], null: list[Pair], clusters: Mapping[str, str], *, n_null: int
) -> tuple[Alarms, dict[str, np.ndarray]]:
    """Alarms by test, and by kind of p-value each word's share of pairs with an alarm."""
    rng = np.random.default_rng(1)
    rows = pairs[0][0].rows
    words, groups = rows.labels, rows.columns["group"]
    lexicon = dict(zip(words, groups, strict=True))
    alarms: Alarms = defaultdict(list)
    by_word = {how: np.zeros(len(words)) for how in ("rows", "null")}
    for i in track(range(len(pairs)), description="Pairs without a change", transient=True):
        watch = [words[w] for w in rng.choice(len(words), WATCHED, replace=False)]
        others = [null[j] for j in rng.permutation([j for j in range(len(null)) if j != i])[:n_null]]
        shuffled = dict(zip(words, rng.permutation(np.array(groups)).tolist(), strict=True))
        for how, found in (("rows", None), ("null", others)):
            drift = compare_snapshots(*pairs[i], watch=watch, null=found, groups=lexicon)
            ask_ours(drift, how, alarms, counted=WATCHED)
            ask_groups(drift, "the lexicon", how, alarms)
            if found:
                ask_groups(compare_snapshots(*pairs[i], null=found, groups=shuffled), "random words", how, alarms)
                ask_groups(compare_snapshots(*pairs[i], null=found, groups=clusters), "a kind", how, alarms)
            by_word[how][[words.index(label) for label in drift.labels]] += drift.p_values <= ALPHA
            for level in SMALL_LEVELS:
                alarms[f"any row at {level:.2g}, {how}"] += (drift.p_values <= level).tolist()
    return alarms, {how: counts / len(pairs) for how, counts in by_word.items()}


def clusters_of(snapshot: Snapshot) -> dict[str, str]:
    """Groups of words of a kind."""
    from sklearn.cluster import KMeans

    codes = KMeans(CLUSTERS, n_init=3, random_state=0).fit_predict(normalize(snapshot.vectors))
    return dict(zip(snapshot.labels, map(str, codes), strict=True))


def classifier_alarms(pairs: int, words: int, *, n_null: int) -> Alarms:
    """False alarms for pairs of Paddle classifiers."""
    import _classifiers

    from visualdl_embedding.demo import load_corpus

    corpus = load_corpus("small")
    rows = _classifiers.rows_of(corpus, words)
    trained = [
        (_classifiers.train(corpus, rows, 2 * i), _classifiers.train(corpus, rows, 2 * i + 1, step=1))
        for i in track(range(pairs), description="Training classifiers", transient=True)
    ]
    clusters = clusters_of(_classifiers.train(corpus, rows, 1_000_000))
    return false_alarms(trained, [measure_pair(*pair) for pair in trained], clusters, n_null=n_null)[0]


def changes(documents: Documents, count: int) -> Iterator[tuple[int, int]]:
    """Yield words that are not negative, each with a negative donor that is frequent enough."""
    rng, frequency = np.random.default_rng(2), documents.frequency()
    negative = [i for i, group in enumerate(documents.groups) if group == "negative"]
    most = max(frequency[i] for i in negative)
    words = [i for i, g in enumerate(documents.groups) if g != "negative" and frequency[i] <= most]
    for word in rng.choice(words, count, replace=len(words) < count):
        yield int(word), int(rng.choice([i for i in negative if frequency[i] >= frequency[word]]))


def power(
    documents: Documents, null: list[Pair], *, share: float, count: int, detectors: Mapping[str, Detector], n_null: int
) -> Alarms:
    rng = np.random.default_rng(3)
    alarms: Alarms = defaultdict(list)
    asked = list(changes(documents, count))
    for i, (word, donor) in enumerate(track(asked, description=f"{share:.0%} of a word changed", transient=True)):
        before = train(documents, 1_000_000 + 2 * i)
        after = train(documents, 1_000_001 + 2 * i, change=Change(word, donor, share), step=1)
        rest = rng.permutation(np.delete(np.arange(len(documents.words)), word))[: WATCHED - 1]
        watch = [documents.words[w] for w in (word, *rest)]
        others = [null[j] for j in rng.permutation(len(null))[:n_null]]
        for how, found in (("rows", None), ("null", others)):
            drift = compare_snapshots(before, after, watch=watch, null=found)
            ask_ours(drift, how, alarms, counted=1)
            alarms[f"printed, {how}"].append(watch[0] in [moved.label for moved in drift.moved[:PRINTED]])
            assert drift.relative_displacement is not None
            farthest = np.argsort(-drift.relative_displacement)[:PRINTED]
            alarms["printed by displacement"].append(watch[0] in [drift.labels[row] for row in farthest])
        ask_evidently(detectors, before, after, alarms)
    return alarms


def rate(values: list[float] | None) -> float | None:
    return float(np.mean(values)) if values else None


def shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value >= 0.01 else f"{value:.5f}"


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--pairs", type=int, default=200, help="pairs without a change")
    options.add_argument("--null", type=int, default=20, help="null pairs for each of them")
    options.add_argument("--changes", type=int, default=40, help="changed words per size of change")
    options.add_argument("--classifiers", type=int, default=100, help="pairs of classifiers without a change")
    options.add_argument("--words", type=int, default=1_000)
    arguments = options.parse_args()
    limit, shares = None, SHARES
    if arguments.quick:
        arguments.pairs, arguments.null, arguments.changes, arguments.words = 4, 3, 2, 400
        arguments.classifiers = 2
        limit, shares = 2_000, (0.4, 1.0)
    start = time.perf_counter()
    documents = load_documents(arguments.words, limit)
    pairs = [
        (train(documents, 2 * i), train(documents, 2 * i + 1, step=1))
        for i in track(range(arguments.pairs), description="Training", transient=True)
    ]
    null = [measure_pair(*pair) for pair in track(pairs, description="Null pairs", transient=True)]
    seconds = {"training": time.perf_counter() - start}
    detectors = evidently_detectors()
    clusters = clusters_of(train(documents, 2_000_000))
    alarms, by_word = false_alarms(pairs, null, clusters, n_null=arguments.null)
    others = classifier_alarms(arguments.classifiers, arguments.words, n_null=arguments.null)
    for before, after in track(pairs if detectors else [], description="Evidently", transient=True):
        ask_evidently(detectors, before, after, alarms)
    seen = {
        share: power(documents, null, share=share, count=arguments.changes, detectors=detectors, n_null=arguments.null)
        for share in shares
    }
    seconds["all"] = time.perf_counter() - start
    lines = [
        [
            test,
            str(len(alarms.get(test, ()))),
            shown(rate(alarms.get(test))),
            *(shown(rate(seen[share].get(test))) for share in shares),
        ]
        for test in dict.fromkeys([*alarms, *seen[shares[-1]]])
    ]
    lines += [[f"classifiers: {test}", str(len(found)), shown(rate(found))] for test, found in others.items()]
    spread = {how: np.quantile(rates, (0.05, 0.5, 0.95, 1.0)).tolist() for how, rates in by_word.items()}
    lines += [
        [f"one word, {how}: 5%, 50%, 95%", "", " ".join(f"{q:.2f}" for q in found[:3])] for how, found in spread.items()
    ]
    lines = [[*line, *[""] * (3 + len(shares) - len(line))] for line in lines]
    report(
        f"Alarms at a level of {ALPHA}: {arguments.words:,} words, {arguments.pairs} pairs without a change, "
        f"{arguments.changes} words with a changed share",
        ["test", "asked", "no change", *(f"{share:.0%}" for share in shares)],
        lines,
        figures={
            "alpha": ALPHA,
            "words": arguments.words,
            "pairs": arguments.pairs,
            "null_pairs": arguments.null,
            "changes": arguments.changes,
            "false_alarms": {test: {"asked": len(found), "rate": rate(found)} for test, found in alarms.items()},
            "false_alarms_of_classifiers": {
                test: {"asked": len(found), "rate": rate(found)} for test, found in others.items()
            },
            "power": {
                str(share): {test: rate(found) for test, found in tests.items()} for share, tests in seen.items()
            },
            "rate_of_one_word": {
                how: dict(zip(("q05", "q50", "q95", "max"), q, strict=True)) for how, q in spread.items()
            },
            "evidently": version("evidently") if detectors else None,
            "seconds": seconds,
        },
        options=arguments,
    )


if __name__ == "__main__":
    main()
