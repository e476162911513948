"""Findings on tables without defects.

Kinds of tables, each drawn or trained again with every seed:

- isotropic: a Gaussian with equal axes.
- anisotropic: a Gaussian with unequal axes: spectra that fall as a power of the rank, log-normal ones, and that of the
  word vectors below.
- topics: a mixture of Gaussians with at least 15 rows each. Unless topics overlap, the first one is a group, so that
  groups are visible; the other rows have shuffled groups.
- word vectors: `_trainings.train` on bootstrap samples of the documents.
- classifier: the embedding of a topic classifier, trained by Paddle on documents that contain every word.

Frequencies follow Zipf's law and are shuffled over the rows, and so are groups, except those of the classifier: its
groups are the words' topics. Whatever a finding says about frequencies, or about rows among another group, is chance.

Two statements are true of some of these tables and counted separately: shuffled groups *are* not visible
(`mixed_groups`), and an isotropic table *is* what an initializer draws (`untrained_table`).

Aim: findings above `info` in at most 5% of the tables, and each kind of finding in at most 2%.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
from _common import parser, report
from _trainings import Documents, load_documents, train
from rich.progress import track

from visualdl_embedding.analysis import Config, analyze
from visualdl_embedding.core.distance import DISTANCES
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.findings import find

GROUPS = ("red", "green", "blue")
TRUE = {
    "isotropic": {"mixed_groups", "untrained_table"},
    "anisotropic": {"mixed_groups"},
    "topics": {"mixed_groups"},
    "word vectors": {"mixed_groups"},
    "classifier": set(),
}
"""Kinds of findings that are true by construction, by kind of table."""
Table = tuple[np.ndarray, list[str]]
"""Vectors and groups."""


@cache
def documents(quick: bool) -> Documents:
    return load_documents(300 if quick else 800, 2_000 if quick else None)


def shuffled_groups(rng: np.random.Generator, n: int) -> list[str]:
    return rng.choice(GROUPS, n).tolist()


def isotropic(rng: np.random.Generator, seed: int, quick: bool) -> Table:
    n, d = ((500, 64), (1_000, 32), (300, 128), (2_000, 16))[seed % 4]
    return rng.normal(size=(n, d)) * rng.uniform(0.01, 1), shuffled_groups(rng, n)


def anisotropic(rng: np.random.Generator, seed: int, quick: bool) -> Table:
    n, d = ((500, 64), (1_000, 32), (600, 128), (1_500, 50))[seed % 4]
    rank = np.arange(1, d + 1)
    word_vectors = np.linalg.svd(train(documents(quick), 999).vectors, compute_uv=False)
    spectrum = (
        rank**-0.5,
        rank**-0.75,
        rank**-1.0,
        np.exp(rng.normal(size=d)),
        np.interp(np.linspace(0, 1, d), np.linspace(0, 1, len(word_vectors)), word_vectors),
    )[seed % 5]
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return (rng.normal(size=(n, d)) * spectrum) @ rotation, shuffled_groups(rng, n)


def topics(rng: np.random.Generator, seed: int, quick: bool) -> Table:
    n, d = ((500, 64), (1_000, 32), (600, 128), (1_500, 50))[seed % 4]
    n_topics = 8 + seed % 5 * 2
    some = rng.choice(n_topics, n - 15 * n_topics, p=rng.dirichlet(np.full(n_topics, 3.0)))
    topic = rng.permutation(np.r_[np.repeat(np.arange(n_topics), 15), some])
    apart = (0.5, 1.0, 1.5, 2.0)[seed // 5 % 4]
    groups = np.array(shuffled_groups(rng, n))
    if apart >= 1:
        groups[topic == 0] = "topic"
    return apart * rng.normal(size=(n_topics, d))[topic] + rng.normal(size=(n, d)), groups.tolist()


def word_vectors(rng: np.random.Generator, seed: int, quick: bool) -> Table:
    vectors = train(documents(quick), 10_000 + seed).vectors
    return vectors, shuffled_groups(rng, len(vectors))


def classifier(rng: np.random.Generator, seed: int, quick: bool) -> Table:
    """Train a linear classifier of the mean of a document's words."""
    import paddle

    n, d, n_topics, length = 500, (32, 64)[seed % 2], 6, 20
    topic = rng.integers(0, n_topics, n)
    frequency = rng.permutation(1 / np.arange(50, n + 50))
    # A word occurs ten times as often in documents of its own topic as in documents of another one.
    chance = frequency * np.where(topic == np.arange(n_topics)[:, None], 10, 1)
    chance /= chance.sum(axis=1, keepdims=True)
    labels = rng.integers(0, n_topics, 500 if quick else 10_000)
    words = np.stack([rng.choice(n, length, p=chance[label]) for label in labels])
    assert len(np.unique(words)) == n or quick
    paddle.seed(seed)
    network = paddle.nn.Sequential(paddle.nn.Embedding(n, d), paddle.nn.Linear(d, n_topics))
    adam = paddle.optimizer.Adam(0.01, parameters=network.parameters())
    for _ in range(2 if quick else 6):
        for batch in np.array_split(rng.permutation(len(words)), len(words) // 100):
            scores = network[1](network[0](paddle.to_tensor(words[batch])).mean(axis=1))
            paddle.nn.functional.cross_entropy(scores, paddle.to_tensor(labels[batch])).backward()
            adam.step()
            adam.clear_grad()
    return network[0].weight.numpy(), [f"topic {t}" for t in topic]


KINDS: dict[str, Callable[[np.random.Generator, int, bool], Table]] = {
    "isotropic": isotropic,
    "anisotropic": anisotropic,
    "topics": topics,
    "word vectors": word_vectors,
    "classifier": classifier,
}


def look(kind: str, seed: int, *, distance: str, quick: bool) -> Counter[str]:
    """Findings of one table above `info`."""
    rng = np.random.default_rng([seed, *kind.encode()])
    vectors, groups = KINDS[kind](rng, seed, quick)
    n = len(vectors)
    frequency = rng.permutation((1e6 / np.arange(1, n + 1)).astype(int) + 1)
    columns = {"group": tuple(groups), "frequency": tuple(map(str, frequency))}
    rows = Rows(np.arange(n), tuple(f"词{i}" for i in range(n)), columns)
    snapshot = Snapshot("word", 1, rows, vectors.astype(np.float32))
    analysis, _ = analyze(snapshot, None, Config(methods=("pca",), distance=distance))
    return Counter({finding.kind for finding in find(snapshot, analysis) if finding.severity != "info"})


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--tables", type=int, default=20, help="tables of each kind")
    options.add_argument("--distance", choices=DISTANCES, default="cosine")
    arguments = options.parse_args()
    if arguments.quick:
        arguments.tables = 2
    start = time.perf_counter()
    counts = {kind: Counter[str]() for kind in KINDS}
    for kind, found in counts.items():
        for seed in track(range(arguments.tables), description=kind, transient=True):
            here = look(kind, seed, distance=arguments.distance, quick=arguments.quick)
            found.update(here)
            found["any"] += bool(set(here) - TRUE[kind])
    seconds = time.perf_counter() - start
    total = len(KINDS) * arguments.tables
    false, true = Counter[str](), Counter[str]()
    for kind, found in counts.items():
        false.update({name: count for name, count in found.items() if name not in TRUE[kind]})
        true.update({name: count for name, count in found.items() if name in TRUE[kind]})
    lines = [
        [
            name,
            *(str(counts[kind][name] if name not in TRUE[kind] else 0) for kind in KINDS),
            f"{false[name] / total:.3f}",
        ]
        for name in ["any", *sorted(set(false) - {"any"})]
    ]
    lines += [
        [f"{name} (true)", *(str(counts[kind][name]) if name in TRUE[kind] else "" for kind in KINDS), ""]
        for name in sorted(true)
    ]
    report(
        f"Tables without defects with a finding above info, of {arguments.tables} of each kind, {arguments.distance}",
        ["finding", *KINDS, "share"],
        lines,
        figures={
            "tables": arguments.tables,
            "distance": arguments.distance,
            "counts": {kind: dict(found) for kind, found in counts.items()},
            "share": {name: count / total for name, count in false.items()},
            "true": {name: count / total for name, count in true.items()},
            "seconds": seconds,
        },
        options=arguments,
    )


if __name__ == "__main__":
    main()
