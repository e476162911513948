"""Pairing of the rows of two snapshots by label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import Distance, enough_rows
from visualdl_embedding.core.snapshot import Snapshot

__all__ = ["are_comparable", "pair_labels", "pair_rows", "positions_of"]

Positions = NDArray[np.intp]


def positions_of(labels: Iterable[str]) -> dict[str, int]:
    """Return the position of each label; the first position for labels that repeat.

    >>> positions_of(["雨", "高兴", "雨"])
    {'雨': 0, '高兴': 1}
    """
    where: dict[str, int] = {}
    for position, label in enumerate(labels):
        where.setdefault(label, position)
    return where


def pair_labels(a: Sequence[str], b: Sequence[str]) -> tuple[Positions, Positions]:
    """Return the positions of the shared labels in `a` and in `b`, in the order of `a`; each label is paired once.

    >>> [found.tolist() for found in pair_labels(["高兴", "悲伤", "雨"], ["雨", "高兴"])]
    [[0, 2], [1, 0]]
    """
    in_b = positions_of(b)
    pairs = [(position, in_b[label]) for label, position in positions_of(a).items() if label in in_b]
    paired = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return paired[:, 0], paired[:, 1]


def pair_rows(a: Snapshot, b: Snapshot, distance: Distance) -> tuple[Positions, Positions]:
    """Return the positions of the shared labels whose rows are usable in both snapshots, in the order of `a`."""
    in_a, in_b = pair_labels(a.labels, b.labels)
    usable = a.usable(distance)[in_a] & b.usable(distance)[in_b]
    return in_a[usable], in_b[usable]


def are_comparable(then: Snapshot, now: Snapshot, distance: Distance) -> bool:
    """Whether enough shared rows are usable in both snapshots to measure a change, see `enough_rows`.

    Expected are the shared labels whose rows are not zero in the earlier snapshot.
    """
    in_then, _ = pair_labels(then.labels, now.labels)
    return enough_rows(len(pair_rows(then, now, distance)[0]), int((~then.zero(distance)[in_then]).sum()))
