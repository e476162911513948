"""Pairing of the rows of two snapshots by label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.pairing import pair_labels
from visualdl_embedding.core.snapshot import Snapshot

__all__ = ["Pairing", "pair_snapshots"]


@dataclass(frozen=True)
class Pairing:
    """Rows in both snapshots, in the order of the later one.

    Attributes
    ----------
    labels
        Labels of the n paired rows.
    before, after
        ``(n,)``: positions in the snapshots.
    left_out
        Number of labels left out, by reason.
    """

    labels: tuple[str, ...]
    before: NDArray[np.intp]
    after: NDArray[np.intp]
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.labels)


def pair_snapshots(before: Snapshot, after: Snapshot, *, distance: Distance = "cosine") -> Pairing:
    """Pair rows by label.

    Left out are labels in only one snapshot, rows with NaN or inf in either, and with cosine rows without a
    direction in either.

    Raises
    ------
    ValueError
        If no row is left, or the snapshots share no label.
    """
    j, i = pair_labels(after.labels, before.labels)
    if not len(j):
        raise ValueError(
            f"The snapshots share no label: {_some(before)} before, {_some(after)} after. Compare snapshots with "
            "labels of the same vocabulary."
        )
    finite: NDArray[np.bool_] = np.asarray(before.valid[i] & after.valid[j])
    keep = before.usable(distance)[i] & after.usable(distance)[j]
    reasons = {
        "only before": len(before.labels) - len(i),
        "only after": len(after.labels) - len(i),
        "not finite": int((~finite).sum()),
        "zero": int((finite & ~keep).sum()),
    }
    if not keep.any():
        raise ValueError(
            f"None of the {len(i)} shared rows can be compared: {reasons['not finite']} contain NaN or inf, "
            f"{reasons['zero']} are zero. Check the two snapshots individually."
        )
    i, j = i[keep], j[keep]
    labels = tuple(after.labels[row] for row in j)
    return Pairing(labels, i, j, {reason: count for reason, count in reasons.items() if count})


def _some(snapshot: Snapshot) -> str:
    named = ", ".join(map(repr, snapshot.labels[:3]))
    return f"{named}{', …' if len(snapshot.labels) > 3 else ''}" or "no rows"
