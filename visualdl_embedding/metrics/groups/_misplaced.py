"""Rows on the wrong side: most of their neighbors belong to another group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.metrics.groups._encode import NO_GROUP, validate_codes

__all__ = ["Misplaced", "OtherNeighbor", "count_wrong_side", "wrong_side"]

_VOTES_AT_A_TIME = 4_000_000


@dataclass(frozen=True, slots=True)
class OtherNeighbor:
    """A neighbor from the other group.

    Attributes
    ----------
    row, label
        Which.
    distance
        As in the graph.
    cosine
        -1 to 1; NaN where the graph is Euclidean.
    """

    row: int
    label: str
    distance: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A row most of whose neighbors belong to another group.

    Attributes
    ----------
    row, label
        Which.
    group, other
        Its own group, and the one it stands among.
    share, own_share
        Of its neighbors with a group: how many are of the other group, and of its own; 0 to 1.
    chance
        Share of the other group among all other rows that have one: what a row placed at random would have.
    n_known
        How many of its neighbors have a group.
    evidence
        The nearest neighbors from the other group.
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


@dataclass(frozen=True)
class _Found:
    """Rows on the wrong side: ``(w,)`` each."""

    rows: NDArray[np.intp]
    other: NDArray[np.intp]
    votes: NDArray[np.intp]
    own_votes: NDArray[np.intp]
    known: NDArray[np.intp]


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
    """List the rows whose neighbors mostly belong to one other group.

    Neighbors without a group do not count. Among groups of unequal size a member of a small one has many neighbors of
    the large one by chance alone: compare a row's share with its `chance`.

    Parameters
    ----------
    neighbors
        Graph of n rows.
    codes
        ``(n,)`` int32: group of each row, or -1 for none, as `encode_groups` gives them.
    names
        Of the groups.
    labels
        n labels; row numbers if None.
    min_share
        Least share of the other group among a row's grouped neighbors, 0 to 1. It must also exceed the share of the
        row's own group.
    k_evidence
        Neighbors to name as evidence.
    limit
        Most rows to list; None for all.

    Returns
    -------
    The surest first: by the lower end of Wilson's 95% interval of the share, so that 14 of 15 stand before 1 of 1.

    Raises
    ------
    ValueError
        If codes or labels are not one for each row of the graph, or a number is out of its range.

    References
    ----------
    Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    n = len(neighbors.indices)
    validate_codes(codes, n, len(names))
    if labels is not None and len(labels) != n:
        raise ValueError(f"There must be one label for each of {n:,} rows, not {len(labels):,}.")
    if not 0 <= min_share <= 1:
        raise ValueError(f"min_share is a share from 0 to 1, not {min_share}.")
    if k_evidence < 0 or (limit is not None and limit < 0):
        raise ValueError(f"k_evidence and limit count from 0, not {k_evidence} and {limit}.")
    found = _surest_first(_find(neighbors.indices, codes, len(names), min_share))
    sizes = np.bincount(codes[codes != NO_GROUP], minlength=len(names))
    listed = []
    for i, row in enumerate(found.rows[:limit].tolist()):
        other, known = int(found.other[i]), int(found.known[i])
        places = np.flatnonzero(codes[neighbors.indices[row]] == other)[:k_evidence]
        listed.append(
            Misplaced(
                row=row,
                label=str(row) if labels is None else labels[row],
                group=names[codes[row]],
                other=names[other],
                share=float(found.votes[i] / known),
                own_share=float(found.own_votes[i] / known),
                chance=float(sizes[other] / (sizes.sum() - 1)),
                n_known=known,
                evidence=tuple(_evidence(neighbors, row, int(place), labels) for place in places),
            )
        )
    return tuple(listed)


def count_wrong_side(
    indices: NDArray[np.int32], codes: NDArray[np.int32], n_groups: int, *, min_share: float = 0.5
) -> int:
    """Count what `wrong_side` would list without a limit."""
    return len(_find(indices, codes, n_groups, min_share).rows)


def _evidence(neighbors: Neighbors, row: int, place: int, labels: Sequence[str] | None) -> OtherNeighbor:
    there, distance = int(neighbors.indices[row, place]), float(neighbors.distances[row, place])
    cosine = 1 - distance if neighbors.distance == "cosine" else float("nan")
    return OtherNeighbor(there, str(there) if labels is None else labels[there], distance, cosine)


def _find(indices: NDArray[np.int32], codes: NDArray[np.int32], n_groups: int, min_share: float) -> _Found:
    grouped = np.flatnonzero(codes != NO_GROUP)
    size = max(1, _VOTES_AT_A_TIME // (n_groups + 1))
    chunks = [
        _vote(indices, codes, grouped[start : start + size], n_groups) for start in range(0, max(len(grouped), 1), size)
    ]
    other, votes, own_votes, known = (np.concatenate(part) for part in zip(*chunks, strict=True))
    share = np.divide(votes, known, out=np.zeros(len(grouped)), where=known > 0)
    wrong = np.flatnonzero((votes > own_votes) & (share >= min_share))
    return _Found(grouped[wrong], other[wrong], votes[wrong], own_votes[wrong], known[wrong])


def _vote(
    indices: NDArray[np.int32], codes: NDArray[np.int32], rows: NDArray[np.intp], n_groups: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Count neighbors by group: the strongest other group, its votes, those of the own group, and all."""
    here, width = np.arange(len(rows)), n_groups + 1
    # Neighbors without a group go to a column of their own, the last.
    column = np.where(codes == NO_GROUP, n_groups, codes)[indices[rows]]
    votes = np.bincount((here[:, None] * width + column).ravel(), minlength=len(rows) * width)
    votes = votes.reshape(len(rows), width)[:, :n_groups]
    known, own_votes = votes.sum(axis=1), votes[here, codes[rows]]
    votes[here, codes[rows]] = -1
    other = votes.argmax(axis=1) if n_groups else here
    return other, votes[here, other], own_votes, known


def _surest_first(found: _Found) -> _Found:
    """Order by the lower end of Wilson's interval of the share; equally sure rows stay in the order of the rows."""
    from scipy.stats import binomtest

    # A test takes 0.5 ms, and of up to 15 neighbors there are 120 different shares.
    shares, which = np.unique(np.column_stack([found.votes, found.known]), axis=0, return_inverse=True)
    low = [binomtest(int(k), int(n)).proportion_ci(method="wilson").low for k, n in shares]
    order = np.argsort(-np.array(low)[which.ravel()], kind="stable")
    return _Found(*(values[order] for values in astuple(found)))
