"""Why was this item recommended? How near it is to each item of a user's history, against what is usual."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import has_direction, normalize
from visualdl_embedding.models._space import Space

__all__ = ["Explanation", "Relation", "explain"]

BINS = 2000
"""Of the histogram of cosines, each 0.001 wide: it bounds the error of the percentiles, and the memory."""


@dataclass(frozen=True)
class Relation:
    """How near the item is to one item of the history, or (`label` is ``""``) to all of them together.

    Attributes
    ----------
    label, row
        Of the item of the history; -1 where composed, or for all together.
    cosine
        Of the two, -1 to 1; for all together the mean.
    rank
        1 if no other item is nearer to that item of the history.
    num_items
        How many items were compared.
    usual, usual_p5, usual_p95
        Cosine that the middle one of all items has with it, and those that 5% stay below and 5% exceed; to 0.001.
    histogram
        ``(2000,)`` int64: items by their cosine with it, from -1 to 1.
    """

    label: str
    row: int
    cosine: float
    rank: int
    num_items: int
    usual: float
    usual_p5: float
    usual_p95: float
    histogram: NDArray[np.int64]

    @property
    def share_nearer(self) -> float:
        """Share of all other items that are nearer to it; 0 to 1."""
        return (self.rank - 1) / max(1, self.num_items - 1)

    @property
    def sentence(self) -> str:
        """The relation as a line that needs no mathematics."""
        return (
            f"Of {self.num_items:,} items it is number {self.rank:,} by nearness to {self._name} "
            f"(cosine {self.cosine:.2f}; usual is {self.usual:.2f})."
        )

    @property
    def sentence_zh(self) -> str:
        """The same in Chinese."""
        name = f"「{self.label}」" if self.label else "整个历史"
        return (
            f"在 {self.num_items:,} 个物品中，它与{name}的接近程度排第 {self.rank:,}"
            f"（余弦 {self.cosine:.2f}，通常为 {self.usual:.2f}）。"
        )

    @property
    def _name(self) -> str:
        return f"“{self.label}”" if self.label else "the history as a whole"


@dataclass(frozen=True)
class Explanation:
    """An item held against a history.

    Attributes
    ----------
    item
        Its label.
    relations
        To each item of the history, the nearest by rank first.
    overall
        To the history as a whole, by the mean of the cosines.
    """

    item: str
    relations: tuple[Relation, ...]
    overall: Relation

    @property
    def sentence(self) -> str:
        """The explanation in one or two sentences, for somebody who has never heard of cosines."""
        reasons = [relation for relation in self.relations if relation.share_nearer <= 0.05]
        if not reasons:
            best = self.relations[0]
            return (
                f"“{self.item}” is not especially near to anything in this history: nearest is “{best.label}”, to "
                f"which {best.share_nearer:.0%} of all items are nearer. Whatever recommended it, it was not nearness "
                "in this table."
            )
        named = _join([f"“{relation.label}” ({_of_all(relation)})" for relation in reasons[:3]], "and")
        rest = len(self.relations) - len(reasons)
        more = f" The other {rest} of the history {'tells' if rest == 1 else 'tell'} nothing." if rest else ""
        return f"“{self.item}” is near to {named}.{more}"

    @property
    def sentence_zh(self) -> str:
        """The same in Chinese."""
        reasons = [relation for relation in self.relations if relation.share_nearer <= 0.05]
        if not reasons:
            best = self.relations[0]
            return (
                f"「{self.item}」与这份历史中的任何物品都不算接近：最近的是「{best.label}」，"
                f"但有 {best.share_nearer:.0%} 的物品比它更近。推荐它的原因不在于这张表中的距离。"
            )
        named = "、".join(f"「{relation.label}」（第 {relation.rank:,} 近）" for relation in reasons[:3])
        rest = len(self.relations) - len(reasons)
        return f"「{self.item}」接近{named}。" + (f"其余 {rest} 个说明不了什么。" if rest else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; histograms are left out."""

        def plain(relation: Relation) -> dict[str, Any]:
            values = {name: value for name, value in asdict(relation).items() if name != "histogram"}
            return {**values, "share_nearer": relation.share_nearer}

        return {
            "item": self.item,
            "sentence": self.sentence,
            "sentence_zh": self.sentence_zh,
            "overall": plain(self.overall),
            "relations": [plain(relation) for relation in self.relations],
        }


def explain(
    space: Space,
    item: str | int,
    history: Sequence[str | int],
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Tell how near an item is to each item of a history, and what is usual for the items of this table.

    The table is read once, in blocks. Items of the history, and the item itself, are not among those that it is
    compared with.

    Parameters
    ----------
    space
        The table: `visualdl_embedding.models.open_space`.
    item
        Label or id of what was recommended.
    history
        Labels or ids of what the user knows; each once.
    on_progress
        Called with the number of rows done and of all rows.

    Raises
    ------
    ValueError
        Something is not there (the message names what is nearest), the history is empty or holds the item, or a vector
        is zero or not finite.
    """
    if not history:
        raise ValueError("The history is empty: name at least one item that the user knows.")
    target, past = space.rows([item]), space.rows(list(dict.fromkeys(history)))
    if target.labels[0] in past.labels:
        raise ValueError(f"{target.labels[0]!r} is in the history itself; explain an item that is not.")
    vectors = np.concatenate([rows.assemble(space.stored.read_rows(rows.gather_ids)) for rows in (target, past)])
    for label, directed in zip((*target.labels, *past.labels), has_direction(vectors), strict=True):
        if not directed:
            raise ValueError(f"{label!r} has a vector of zeros or with NaN, so nothing is near to it.")
    known = normalize(vectors[1:])
    own = known @ normalize(vectors[:1])[0]
    own = np.append(own, own.mean())
    counts = np.zeros((len(own), BINS), dtype=np.int64)
    nearer = np.zeros(len(own), dtype=np.int64)
    skipped = space.no_answer.copy()
    skipped[[row for row in (*target.ids.tolist(), *past.ids.tolist()) if row >= 0]] = True
    for start, block in space.stored.blocks():
        usable = ~skipped[start : start + len(block)] & has_direction(block)
        cosines = normalize(np.asarray(block[usable], dtype=np.float32)) @ known.T
        cosines = np.column_stack([cosines, cosines.mean(axis=1)])
        nearer += (cosines > own).sum(axis=0)
        bins = np.clip(((cosines + 1) * (BINS / 2)).astype(np.int64), 0, BINS - 1)
        for i, column in enumerate(bins.T):
            counts[i] += np.bincount(column, minlength=BINS)
        if on_progress is not None:
            on_progress(start + len(block), space.stored.table.num_rows)
    relations = [
        _relation(label, int(row), float(own[i]), int(nearer[i]) + 1, counts[i])
        for i, (label, row) in enumerate(zip((*past.labels, ""), (*past.ids, -1), strict=True))
    ]
    *each, overall = relations
    each.sort(key=lambda relation: (relation.rank, -relation.cosine))
    return Explanation(target.labels[0], tuple(each), overall)


def _relation(label: str, row: int, cosine: float, rank: int, histogram: NDArray[np.int64]) -> Relation:
    others = int(histogram.sum())
    if not others:
        raise ValueError("The table has no other items to compare with.")
    passed = np.cumsum(histogram) / others
    p5, middle, p95 = ((np.searchsorted(passed, q) + 0.5) * (2 / BINS) - 1 for q in (0.05, 0.5, 0.95))
    return Relation(label, row, cosine, rank, others + 1, float(middle), float(p5), float(p95), histogram)


def _of_all(relation: Relation) -> str:
    return "nothing is nearer to it" if relation.rank == 1 else f"number {relation.rank:,} of {relation.num_items:,}"


def _join(parts: Sequence[str], word: str) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"
