"""Questions to a space: the nearest of a vector, sums and differences of vectors, and lines between two groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import DISTANCES, Distance, normalize

__all__ = [
    "Axis",
    "Match",
    "axis_between",
    "combine",
    "nearest_rows",
    "position_on_axis",
]

Floats = NDArray[np.float32]
_BLOCK = 65_536
"""Rows compared at a time, so that a memory-mapped table of any size is read once and never held."""


@dataclass(frozen=True, slots=True)
class Match:
    """A row near to what was asked for.

    Attributes
    ----------
    label
        Of the row.
    row
        Its position.
    cosine
        -1 to 1; 0 where one of the two is a zero vector.
    distance
        By the distance that was asked for: ``1 - cosine``, or Euclidean.
    """

    label: str
    row: int
    cosine: float
    distance: float


@dataclass(frozen=True)
class Axis:
    """A line through the space.

    Attributes
    ----------
    origin, direction
        ``(d,)`` float64: the line is ``origin + t · direction``, t being 0 at one end and 1 at the other.
    distance
        ``"cosine"``: the space is that of unit vectors; ``"euclidean"``: vectors as they are.
    """

    origin: NDArray[np.float64]
    direction: NDArray[np.float64]
    distance: Distance = "cosine"


def nearest_rows(
    blocks: Iterable[tuple[int, NDArray[np.floating]]],
    target: NDArray[np.floating],
    *,
    k: int,
    distance: Distance = "cosine",
    skipped: NDArray[np.bool_],
) -> list[tuple[int, float, float]]:
    """Find the rows nearest to a vector in a table of any size, a block at a time.

    Parameters
    ----------
    blocks
        Of the table in order: the number of a block's first row, and its vectors ``(b, d)``.
    target
        ``(d,)``.
    k
        How many, at most.
    distance
        ``"cosine"`` or ``"euclidean"``.
    skipped
        ``(V,)`` bool: rows that are no answer. Rows that are not finite never are.

    Returns
    -------
    Row, cosine and distance of each, the nearest first; equal distances by row.

    Raises
    ------
    ValueError
        The target is not finite, the distance is unknown, or k is below 1.
    """
    if distance not in DISTANCES:
        raise ValueError(f"Unknown distance {distance!r}; known are {', '.join(DISTANCES)}.")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")
    aim = np.asarray(target, dtype=np.float64)
    if not np.isfinite(aim).all():
        raise ValueError("The query's vector holds NaN or inf, so nothing is near to it.")
    best: list[tuple[float, int, float]] = []
    for start, cosine, apart in _compare(blocks, aim):
        order = 1 - cosine if distance == "cosine" else apart
        order = np.where(skipped[start : start + len(order)] | ~np.isfinite(order), np.inf, order)
        near = np.argpartition(order, k - 1)[:k] if k < len(order) else np.arange(len(order))
        # Ties with the last place: the partition may have kept any of them.
        near = np.flatnonzero(order <= order[near].max()) if len(near) == k else near
        best.extend((float(order[i]), start + int(i), float(cosine[i])) for i in near if np.isfinite(order[i]))
        best = sorted(best)[:k]
    return [(row, cosine, away) for away, row, cosine in best]


def _compare(
    blocks: Iterable[tuple[int, NDArray[np.floating]]], target: NDArray[np.float64]
) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """Yield, block by block, its first row, its cosines with the target, and its Euclidean distances from it."""
    length = float(np.linalg.norm(target))
    with np.errstate(invalid="ignore", over="ignore"):
        for start, part in blocks:
            block = np.asarray(part, dtype=np.float64)
            products = np.linalg.norm(block, axis=1) * length
            cosine = np.divide(block @ target, products, out=np.zeros(len(block)), where=products > 0)
            cosine[~np.isfinite(block).all(axis=1)] = np.nan
            yield start, np.clip(cosine, -1, 1), np.linalg.norm(block - target, axis=1)


def combine(plus: NDArray[np.floating], minus: NDArray[np.floating]) -> Floats:
    """Add and subtract words: the vector that 国王 - 男 + 女 points to.

    Unit vectors are summed (3CosAdd), so that no word counts for more because it is longer.

    Parameters
    ----------
    plus, minus
        Vectors ``(m, d)`` of the words, at least one to add.

    Returns
    -------
    ``(d,)`` float32 of length 1.

    References
    ----------
    Levy and Goldberg 2014, "Linguistic regularities in sparse and explicit word representations".
    """
    if not len(plus):
        raise ValueError("Nothing to add: plus needs at least one word.")
    if not np.isfinite(plus).all() or not np.isfinite(minus).all():
        raise ValueError("One of the words has a vector with NaN or inf; leave it out.")
    added, taken = (normalize(np.asarray(part, dtype=np.float32)).astype(np.float64) for part in (plus, minus))
    total = added.sum(axis=0) - taken.sum(axis=0)
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise ValueError("The words cancel each other out: their sum has no direction.")
    return np.asarray(total / length, dtype=np.float32)


def axis_between(a: NDArray[np.floating], b: NDArray[np.floating], *, distance: Distance = "cosine") -> Axis:
    """Draw the line from one word to another, or from one group of words to another.

    Parameters
    ----------
    a, b
        A vector ``(d,)``, or the vectors of a group ``(m, d)``, whose mean is the end of the line.
    distance
        ``"cosine"``: ends are (means of) unit vectors.

    Returns
    -------
    An axis on which `a` is at 0 and `b` at 1.
    """
    if distance not in DISTANCES:
        raise ValueError(f"Unknown distance {distance!r}; known are {', '.join(DISTANCES)}.")
    ends = []
    for name, end in (("a", a), ("b", b)):
        rows = np.atleast_2d(np.asarray(end, dtype=np.float32))
        if rows.ndim != 2 or 0 in rows.shape or not np.isfinite(rows).all():
            raise ValueError(f"{name} must be a vector (d,) or a group (m, d) of finite values, not {np.shape(end)}.")
        ends.append((normalize(rows) if distance == "cosine" else rows).mean(axis=0, dtype=np.float64))
    if ends[0].shape != ends[1].shape:
        raise ValueError(f"Both ends must be of one width: a has {len(ends[0])} columns, b has {len(ends[1])}.")
    direction = ends[1] - ends[0]
    if np.linalg.norm(direction) <= 1e-6 * max(np.linalg.norm(ends[0]), np.linalg.norm(ends[1])):
        raise ValueError("Both ends are at the same place, so no line runs between them; choose other words.")
    return Axis(ends[0], direction, distance)


def position_on_axis(vectors: NDArray[np.floating], axis: Axis) -> Floats:
    """Tell where on a line each row falls, seen from the side.

    Parameters
    ----------
    vectors
        ``(n, d)``.
    axis
        Of `axis_between`.

    Returns
    -------
    ``(n,)`` float32: 0 beside its one end, 1 beside the other, beyond them below 0 and above 1; NaN for a row that is
    not finite.
    """
    if np.ndim(vectors) != 2 or vectors.shape[1] != len(axis.direction):
        raise ValueError(f"vectors must be (n, {len(axis.direction)}) as the axis is, not {np.shape(vectors)}.")
    step = axis.direction / float(axis.direction @ axis.direction)
    places = np.empty(len(vectors), dtype=np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(vectors), _BLOCK):
            block = np.asarray(vectors[start : start + _BLOCK], dtype=np.float32)
            finite = np.isfinite(block).all(axis=1)
            points = normalize(block) if axis.distance == "cosine" else block
            placed = (points.astype(np.float64) - axis.origin) @ step
            places[start : start + len(block)] = np.where(finite, placed, np.nan)
    return places
