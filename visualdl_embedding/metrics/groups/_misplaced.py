"""Rows on the wrong side: rows with most of their neighbors in another group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.metrics.groups._encode import NO_GROUP, validate_codes

__all__ = ["Misplaced", "OtherNeighbor", "count_wrong_side", "wrong_side"]

_VOTES_AT_A_TIME = 4_000_000


@dataclass(frozen=True, slots=True)
class OtherNeighbor:
    """Neighbor from the other group.

    Attributes
    ----------
    row, label
        Row number and label.
    distance
        Distance in the graph.
    cosine
        -1 to 1; NaN if the graph is Euclidean.
    """

    row: int
    label: str
    distance: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Misplaced:
    """Row with most of its neighbors in another group.

    Attributes
    ----------
    row, label
        Row number and label.
    group, other
        Its own group, and the group of most of its neighbors.
    share, own_share
        Shares of the other group and of its own group among its grouped neighbors, 0 to 1.
    chance
        Share of the other group among all other grouped rows: the expected share by chance.
    n_known
        Number of its neighbors with a group.
    evidence
        Nearest neighbors from the other group.
    """

    row: int
    label: str
    group: str
    other: str
    share: float
    own_share: float
    chance: float
    n_known: int
    evidence: tuple[OtherNeighbor, ...]


def wrong_side(
    neighbors: Neighbors,
    codes: NDArray[np.int32],
    names: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    min_share: float = 0.5,
    k_evidence: int = 5,
    limit: int | None = 100,
) -> tuple[Misplaced, ...]:
    """List the rows with most of their neighbors in one other group.

    Neighbors without a group are ignored. With groups of unequal size, members of a small group have many neighbors
    from a large one by chance: compare a row's share with its `chance`.

    Parameters
    ----------
    neighbors
        Graph of n rows.
    codes
        ``(n,)`` int32: group of each row, or -1 for none, from `encode_groups`.
    names
        Group names.
    labels
        n labels; row numbers if None.
    min_share
        Minimum share of the other group among a row's grouped neighbors, 0 to 1. It must also exceed the share of the
        row's own group.
    k_evidence
        Number of neighbors to return as evidence.
    limit
        Maximum number of rows; None for all.

    Returns
    -------
    Most certain first: by the lower end of Wilson's 95% interval of the share, so that 14 of 15 precedes 1 of 1.

    Raises
    ------
    ValueError
        If codes or labels do not match the rows of the graph, or a number is out of range.

    References
    ----------
    Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    n = len(neighbors.indices)
    validate_codes(codes, n, len(names))
    if labels is not None and len(labels) != n:
        raise ValueError(f"labels must have one entry per row ({n:,}), not {len(labels):,}.")
    if not 0 <= min_share <= 1:
        raise ValueError(f"min_share must be from 0 to 1, not {min_share}.")
    if k_evidence < 0 or (limit is not None and limit < 0):
        raise ValueError(f"k_evidence and limit must be at least 0, not {k_evidence} and {limit}.")
    found = _find(neighbors.indices, codes, len(names), min_share)
    sizes = np.bincount(codes[codes != NO_GROUP], minlength=len(names))
    names_of_rows = list(map(str, range(n))) if labels is None else labels

    def evidence(row: int, other: int) -> tuple[OtherNeighbor, ...]:
        places = np.flatnonzero(codes[neighbors.indices[row]] == other)[:k_evidence]
        near = zip(neighbors.indices[row, places].tolist(), neighbors.distances[row, places].tolist(), strict=True)
        cosine = neighbors.distance == "cosine"
        return tuple(OtherNeighbor(i, names_of_rows[i], far, 1 - far if cosine else float("nan")) for i, far in near)

    return tuple(
        Misplaced(
            row=row,
            label=names_of_rows[row],
            group=names[codes[row]],
            other=names[other],
            share=votes / known,
            own_share=own_votes / known,
            chance=float(sizes[other] / (sizes.sum() - 1)),
            n_known=known,
            evidence=evidence(row, other),
        )
        for row, other, votes, own_votes, known in _surest_first(found)[:limit].tolist()
    )


def count_wrong_side(
    indices: NDArray[np.int32], codes: NDArray[np.int32], n_groups: int, *, min_share: float = 0.5
) -> int:
    """Count the rows that `wrong_side` lists without a limit."""
    return len(_find(indices, codes, n_groups, min_share))


def _find(indices: NDArray[np.int32], codes: NDArray[np.int32], n_groups: int, min_share: float) -> NDArray[np.intp]:
    """Rows on the wrong side, ``(w, 5)``: row, strongest other group, its votes, own votes, and known neighbors."""
    grouped = np.flatnonzero(codes != NO_GROUP)
    size = max(1, _VOTES_AT_A_TIME // (n_groups + 1))
    found = [np.zeros((0, 5), np.intp)]
    for start in range(0, len(grouped), size):
        counted = _vote(indices, codes, grouped[start : start + size], n_groups)
        votes, own_votes, known = counted[:, 2:].T
        share = np.divide(votes, known, out=np.zeros(len(votes)), where=known > 0)
        found.append(counted[(votes > own_votes) & (share >= min_share)])
    return np.concatenate(found)


def _vote(
    indices: NDArray[np.int32], codes: NDArray[np.int32], rows: NDArray[np.intp], n_groups: int
) -> NDArray[np.intp]:
    """Count the neighbors of rows by group; columns as in `_find`."""
    here, width = np.arange(len(rows)), n_groups + 1
    # Neighbors without a group are counted in the last column.
    column = np.where(codes == NO_GROUP, n_groups, codes)[indices[rows]]
    votes = np.bincount((here[:, None] * width + column).ravel(), minlength=len(rows) * width)
    votes = votes.reshape(len(rows), width)[:, :n_groups]
    known, own_votes = votes.sum(axis=1), votes[here, codes[rows]]
    votes[here, codes[rows]] = -1
    other = votes.argmax(axis=1)
    return np.column_stack([rows, other, votes[here, other], own_votes, known])


def _surest_first(found: NDArray[np.intp]) -> NDArray[np.intp]:
    """Sort by the lower end of Wilson's interval of the share; ties remain in the order of the rows."""
    from scipy.stats import binomtest

    # A test takes 0.5 ms, and up to 15 neighbors have 120 different shares.
    shares, which = np.unique(found[:, [2, 4]], axis=0, return_inverse=True)
    low = [binomtest(int(k), int(n)).proportion_ci(method="wilson").low for k, n in shares]
    return found[np.argsort(-np.array(low)[which.ravel()], kind="stable")]
