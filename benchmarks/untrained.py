"""Rows that training never used, in tables whose trained rows have norms like theirs.

Planted: 12 tables of four kinds and three sizes, in which a tenth of the rows are random directions with the norms of
other rows. Trained: small Paddle classifiers of documents, in which a tenth of 1,000 words never occurs; aim: found in
8 of 8, and no wrong word. Wide: the same with N(0, 1) initializers, whose trained rows look random too; aim: silence.
Clean: 100 tables of five kinds without such rows; aim: at most 2 findings. (An isotropic table of small values is not
clean: that is how an initializer leaves it.)

AUC is that of uᵀS⁻¹u, where S is the covariance of the directions of the trained rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
from _common import parser, report
from paddle.nn import initializer
from rich.progress import track
from sklearn.metrics import roc_auc_score

from visualdl_embedding.findings import untrained_rows

Draw = Callable[[int, int, np.random.Generator], np.ndarray]
WORDS, DIM, CLASSES, DOCUMENTS, LENGTH = 1000, 64, 8, 4000, 20
SIZES = ((150, 300), (500, 64), (1000, 128))
INITIALIZERS = {
    "XavierUniform": initializer.XavierUniform(),
    "XavierNormal": initializer.XavierNormal(),
    "Normal(0, 0.1)": initializer.Normal(0, 0.1),
    "Uniform(-0.1, 0.1)": initializer.Uniform(-0.1, 0.1),
}
WIDE = {"Normal(0, 1)": initializer.Normal(0, 1)}


def anisotropic(decay: float) -> Draw:
    return lambda n, d, rng: rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -decay


def topics(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    return rng.dirichlet(np.full(10, 0.2), n) @ rng.normal(size=(10, d)) + 0.3 * rng.normal(size=(n, d))


def low_rank(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    noise = 0.3 * rng.normal(size=(n, d)) * np.exp(rng.normal(size=(n, 1)))
    return rng.normal(size=(n, 8)) @ rng.normal(size=(8, d)) + noise


def off_center(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    return anisotropic(0.5)(n, d, rng) + rng.normal(size=d)


def ppmi(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Singular vectors of the positive pointwise mutual information of words in documents of 12 topics."""
    words, common = rng.dirichlet(np.full(n, 0.05), 12), 1 / np.arange(1, n + 1)
    counts = np.zeros((2000, n))
    for row, mixture in zip(counts, rng.dirichlet(np.full(12, 0.15), 2000), strict=True):
        chances = 0.8 * mixture @ words + 0.2 * common / common.sum()
        np.add.at(row, rng.choice(n, LENGTH, p=chances / chances.sum()), 1)
    together = counts.T @ counts
    np.fill_diagonal(together, 0)
    used = together.sum(axis=1) > 0
    together = together[np.ix_(used, used)]
    sums = together.sum(axis=1)
    ratio = together * sums.sum() / np.outer(sums, sums)
    left, values, _ = np.linalg.svd(np.log(np.maximum(ratio, 1)))
    return left[:, :d] * np.sqrt(values[:d])


def plant(vectors: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Replace a tenth of the rows by random directions with the norms of any rows."""
    n, d = vectors.shape
    planted = np.arange(n) < n // 10
    random = rng.normal(size=(planted.sum(), d))
    norms = rng.permutation(np.linalg.norm(vectors, axis=1))[: len(random)]
    vectors = vectors.copy()
    vectors[planted] = random * (norms / np.linalg.norm(random, axis=1))[:, None]
    return vectors, planted


class Classifier(paddle.nn.Layer):
    def __init__(self, initial: Any, *, hidden: bool) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(WORDS, DIM, weight_attr=paddle.ParamAttr(initializer=initial))
        parts = [paddle.nn.Linear(DIM, 64), paddle.nn.ReLU(), paddle.nn.Linear(64, CLASSES)]
        self.head = paddle.nn.Sequential(*parts) if hidden else paddle.nn.Linear(DIM, CLASSES)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.head(self.word(ids).mean(axis=1))


def train(initial: Any, *, hidden: bool, seed: int, unused: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Train 8 epochs with Adam at 0.002. Returns the table, and which words never occur."""
    paddle.seed(seed)
    rng = np.random.default_rng(seed)
    used = rng.permutation(WORDS)[int(unused * WORDS) :]
    common, affinity = 1 / np.arange(1, len(used) + 1), rng.dirichlet(np.full(CLASSES, 0.3), len(used))
    classes, ids = rng.integers(0, CLASSES, DOCUMENTS), np.empty((DOCUMENTS, LENGTH), dtype=np.int64)
    for i in range(CLASSES):
        chances = common * (0.1 / CLASSES + affinity[:, i])
        mine = np.flatnonzero(classes == i)
        ids[mine] = used[rng.choice(len(used), (len(mine), LENGTH), p=chances / chances.sum())]
    network = Classifier(initial, hidden=hidden)
    optimizer = paddle.optimizer.Adam(0.002, parameters=network.parameters())
    for _ in range(8):
        for batch in np.array_split(rng.permutation(DOCUMENTS), DOCUMENTS // 64):
            scores = network(paddle.to_tensor(ids[batch]))
            paddle.nn.functional.cross_entropy(scores, paddle.to_tensor(classes[batch])).backward()
            optimizer.step()
            optimizer.clear_grad()
    return network.word.weight.numpy(), ~np.isin(np.arange(WORDS), ids)


def separation(vectors: np.ndarray, untrained: np.ndarray) -> float:
    """AUC between untrained and other rows, each measured without its own part in the covariance."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    others = units[~untrained]
    n, d = others.shape
    share = 0.9 * d / n
    values = np.einsum("ij,jk,ik->i", units, np.linalg.inv(share * others.T @ others + 0.1 * np.eye(d)), units)
    values[~untrained] /= 1 - share * values[~untrained]
    return float(roc_auc_score(untrained, values))


def measure(name: str, vectors: np.ndarray, untrained: np.ndarray) -> dict[str, Any]:
    found = untrained_rows(vectors.astype(np.float32))
    rows = found.rows if found is not None else np.zeros(0, dtype=int)
    return {
        "name": name,
        "rows": len(vectors),
        "untrained": int(untrained.sum()),
        "auc": separation(vectors, untrained) if untrained.any() else float("nan"),
        "found": int(untrained[rows].sum()),
        "wrong": int((~untrained[rows]).sum()),
    }


def main() -> None:
    options = parser("Untrained rows with the norms of trained ones.").parse_args()
    sizes, repeats = (SIZES[1:2], 1) if options.quick else (SIZES, 20)
    kinds: dict[str, Draw] = {
        "anisotropic": anisotropic(1.0),
        "topics": topics,
        "low rank": low_rank,
        "off center": off_center,
    }
    figures: dict[str, list[dict[str, Any]]] = {"planted": [], "trained": [], "wide": [], "clean": []}
    for name, draw in track(kinds.items(), "planted"):
        for n, d in sizes:
            rng = np.random.default_rng([n, d])
            figures["planted"].append(measure(f"{name}, {n} x {d}", *plant(draw(n, d, rng), rng)))
    for group, initializers in (("trained", INITIALIZERS), ("wide", WIDE)):
        for name, initial in track(list(initializers.items())[: 1 if options.quick else None], group):
            for hidden in (False, True):
                table = train(initial, hidden=hidden, seed=2)
                figures[group].append(measure(f"{name}, {'hidden layer' if hidden else 'linear'}", *table))
    clean: dict[str, Draw] = {
        "isotropic": anisotropic(0.0),
        "anisotropic": anisotropic(0.5),
        "topics": topics,
        "PPMI": ppmi,
    }
    for seed in track(range(repeats), "clean"):
        n, d = SIZES[1]
        for name, draw in clean.items():
            vectors = draw(n, d, np.random.default_rng(seed))
            figures["clean"].append(measure(name, vectors, np.zeros(len(vectors), dtype=bool)))
        table, _ = train(initializer.XavierUniform(), hidden=bool(seed % 2), seed=seed, unused=0.0)
        figures["clean"].append(measure("classifier", table, np.zeros(len(table), dtype=bool)))
    lines = [
        [group, found["name"], f"{found['auc']:.4f}", f"{found['found']} of {found['untrained']}", str(found["wrong"])]
        for group in ("planted", "trained", "wide")
        for found in figures[group]
    ]
    for name in dict.fromkeys(found["name"] for found in figures["clean"]):
        alarms = [found["wrong"] > 0 for found in figures["clean"] if found["name"] == name]
        lines.append(["clean", name, "", "", f"{sum(alarms)} of {len(alarms)} tables"])
    columns = ("tables", "kind", "AUC", "untrained rows found", "wrong")
    report("Untrained rows", columns, lines, figures=figures, options=options)


if __name__ == "__main__":
    main()
