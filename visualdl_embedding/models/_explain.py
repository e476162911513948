"""Nearness of a recommended item to the items of a user's history, compared with all items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import has_direction, normalize
from visualdl_embedding.models._table import ModelTable

__all__ = ["Explanation", "Relation", "explain"]

BINS = 2000
"""Bins of the histogram of cosines, each 0.001 wide; they bound the error of the percentiles, and the memory."""
NEAR_SHARE = 0.05


@dataclass(frozen=True)
class Relation:
    """Nearness of the item to one item of the history, or to all of them together (`label` is ``""``).

    Attributes
    ----------
    label, row
        Item of the history. `row` is -1 for a composed word and for all together.
    cosine
        Cosine of the two, -1 to 1; for all together the mean.
    rank
        1 if no other item is nearer to the item of the history.
    num_items
        Number of items in the comparison.
    usual, usual_p5, usual_p95
        Median, 5th and 95th percentile of the cosines of all items with it; accurate to 0.001.
    histogram
        ``(2000,)`` int64: number of items by cosine with it, from -1 to 1.
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
        """Description of the relation in plain words."""
        name = f"“{self.label}”" if self.label else "the history as a whole"
        return (
            f"Rank {self.rank:,} of {self.num_items:,} items by nearness to {name} "
            f"(cosine {self.cosine:.2f}; median {self.usual:.2f})."
        )

    @property
    def sentence_zh(self) -> str:
        """`sentence` in Chinese."""
        name = f"「{self.label}」" if self.label else "整个历史"
        return (
            f"在 {self.num_items:,} 个物品中，它与{name}的接近程度排第 {self.rank:,}"
            f"（余弦 {self.cosine:.2f}，通常为 {self.usual:.2f}）。"
        )


@dataclass(frozen=True)
class Explanation:
    """Nearness of an item to a history.

    Attributes
    ----------
    item
        Label of the item.
    relations
        One for each item of the history, by rank.
    overall
        Relation to the whole history, by the mean of the cosines.
    """

    item: str
    relations: tuple[Relation, ...]
    overall: Relation

    @property
    def _reasons(self) -> list[Relation]:
        return [relation for relation in self.relations if relation.share_nearer <= NEAR_SHARE]

    @property
    def sentence(self) -> str:
        """Explanation in one or two sentences, without mathematics."""
        if not self._reasons:
            best = self.relations[0]
            return (
                f"“{self.item}” is not especially near to any item of this history: {best.share_nearer:.0%} of all "
                f"items are nearer to “{best.label}”, the best match. Nearness in this table does not explain the "
                "recommendation."
            )
        named = [
            f"“{r.label}” ({'nothing is nearer to it' if r.rank == 1 else f'number {r.rank:,} of {r.num_items:,}'})"
            for r in self._reasons[:3]
        ]
        joined = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
        rest = len(self.relations) - len(self._reasons)
        more = f" It is not especially near to the other {rest} of the history." if rest else ""
        return f"“{self.item}” is near to {joined}.{more}"

    @property
    def sentence_zh(self) -> str:
        """`sentence` in Chinese."""
        if not self._reasons:
            best = self.relations[0]
            return (
                f"「{self.item}」与这份历史中的任何物品都不算接近：最近的是「{best.label}」，"
                f"但有 {best.share_nearer:.0%} 的物品比它更近。推荐它的原因不在于这张表中的距离。"
            )
        named = "、".join(f"「{relation.label}」（第 {relation.rank:,} 近）" for relation in self._reasons[:3])
        rest = len(self.relations) - len(self._reasons)
        return f"「{self.item}」接近{named}。" + (f"与其余 {rest} 个不算接近。" if rest else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without histograms."""
        overall, *relations = (
            {name: value for name, value in asdict(relation).items() if name != "histogram"}
            | {"share_nearer": relation.share_nearer}
            for relation in (self.overall, *self.relations)
        )
        sentences = {"sentence": self.sentence, "sentence_zh": self.sentence_zh}
        return {"item": self.item, **sentences, "overall": overall, "relations": relations}


def explain(
    table: ModelTable,
    item: str | int,
    history: Sequence[str | int],
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Measure how near an item is to each item of a history, compared with the other items of the table.

    The table is read once, in blocks. The comparison excludes the item itself and the items of the history.

    Parameters
    ----------
    table
        Table from `visualdl_embedding.models.open_model`.
    item
        Label or id of the recommended item.
    history
        Labels or ids of items that the user knows; repetitions are ignored.
    on_progress
        Called with the number of rows done and the number of all rows.

    Raises
    ------
    ValueError
        If a word is missing (the message names the nearest ones), the history is empty or contains the item, or a
        vector is zero or not finite.
    """
    if not history:
        raise ValueError("The history is empty; give at least one item that the user knows.")
    target, past = table.find(item), table.find(list(dict.fromkeys(history)))
    if target.labels[0] in past.labels:
        raise ValueError(f"{target.labels[0]!r} is in the history itself; explain an item that is not.")
    vectors = np.concatenate([table.vectors_of(rows) for rows in (target, past)])
    for label, directed in zip((*target.labels, *past.labels), has_direction(vectors), strict=True):
        if not directed:
            raise ValueError(
                f"{label!r} has a vector of zeros or with NaN, which has no cosine; use items with finite vectors."
            )
    known = normalize(vectors[1:])
    own = known @ normalize(vectors[:1])[0]
    own = np.append(own, own.mean())
    counts = np.zeros((len(own), BINS), dtype=np.int64)
    nearer = np.zeros(len(own), dtype=np.int64)
    skipped = table.no_answer.copy()
    skipped[[row for row in (*target.ids.tolist(), *past.ids.tolist()) if row >= 0]] = True
    for start, block in table.blocks():
        usable = ~skipped[start : start + len(block)] & has_direction(block)
        cosines = normalize(np.asarray(block[usable], dtype=np.float32)) @ known.T
        cosines = np.column_stack([cosines, cosines.mean(axis=1)])
        nearer += (cosines > own).sum(axis=0)
        bins = np.clip(((cosines + 1) * (BINS / 2)).astype(np.int64), 0, BINS - 1)
        for i, column in enumerate(bins.T):
            counts[i] += np.bincount(column, minlength=BINS)
        if on_progress is not None:
            on_progress(start + len(block), table.num_rows)
    *each, overall = (
        _relation(label, table.id_of(int(row)), float(own[i]), int(nearer[i]) + 1, counts[i])
        for i, (label, row) in enumerate(zip((*past.labels, ""), (*past.ids, -1), strict=True))
    )
    each.sort(key=lambda relation: (relation.rank, -relation.cosine))
    return Explanation(target.labels[0], tuple(each), overall)


def _relation(label: str, row: int, cosine: float, rank: int, histogram: NDArray[np.int64]) -> Relation:
    others = int(histogram.sum())
    if not others:
        raise ValueError("The table has no other items for comparison; explain items of a larger table.")
    passed = np.cumsum(histogram) / others
    p5, median, p95 = ((np.searchsorted(passed, q) + 0.5) * (2 / BINS) - 1 for q in (0.05, 0.5, 0.95))
    return Relation(label, row, cosine, rank, others + 1, float(median), float(p5), float(p95), histogram)
