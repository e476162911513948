"""Questions to a space: the nearest of a word, sums and differences of words, and lines between two words or groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import DISTANCES, Distance, has_direction, is_finite, normalize, usable_rows
from visualdl_embedding.core.suggest import did_you_mean

__all__ = [
    "Axis",
    "Match",
    "axis_between",
    "closest",
    "combine",
    "locate",
    "nearest_rows",
    "position_on_axis",
    "solve_analogy",
]

Floats = NDArray[np.float32]
Labels = Sequence[str | None]
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
        -1 to 1; 0 where one of the two has no direction, which only the Euclidean distance answers with.
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


def locate(labels: Labels, wanted: Sequence[str]) -> NDArray[np.intp]:
    """Find the rows of labels.

    Parameters
    ----------
    labels
        Of all rows; None for a row without one.
    wanted
        One or more of them.

    Returns
    -------
    ``(len(wanted),)`` positions.

    Raises
    ------
    ValueError
        For a label that no row has (the message names the nearest ones) or that several rows have.

    >>> locate(["高兴", "悲伤"], ["悲伤"]).tolist()
    [1]
    """
    if isinstance(wanted, str):
        raise TypeError(f"Labels are given as a list: [{wanted!r}], not {wanted!r}.")
    asked = dict.fromkeys(wanted)
    where: dict[str, list[int]] = {label: [] for label in asked}
    for row, label in enumerate(labels):
        if label in where:
            where[label].append(row)
    unknown = [label for label, rows in where.items() if not rows]
    if unknown:
        named = "; ".join(did_you_mean(label, labels) for label in unknown)
        raise ValueError(f"No row has the label {named}.")
    for label, rows in where.items():
        if len(rows) > 1:
            raise ValueError(
                f"{len(rows)} rows have the label {label!r} ({', '.join(map(str, rows[:5]))}); pass the vector of the "
                "row that you mean."
            )
    return np.array([where[label][0] for label in wanted], dtype=np.intp)


def _validate(vectors: NDArray[np.floating], labels: Labels, distance: str) -> None:
    if np.ndim(vectors) != 2 or len(vectors) == 0:
        raise ValueError(f"vectors must be a non-empty (n, d) array, not one of shape {np.shape(vectors)}.")
    if len(labels) != len(vectors):
        raise ValueError(f"{len(labels)} labels for {len(vectors)} vectors; there must be one for each.")
    if distance not in DISTANCES:
        raise ValueError(f"Unknown distance {distance!r}; known are {', '.join(DISTANCES)}.")


def closest(
    vectors: NDArray[np.floating],
    labels: Labels,
    query: str | NDArray[np.floating],
    *,
    k: int = 20,
    distance: Distance = "cosine",
    exclude: Sequence[str] = (),
) -> tuple[Match, ...]:
    """Find the rows nearest to a word or to any vector, in the original space.

    Parameters
    ----------
    vectors
        ``(n, d)``; may be memory-mapped. Rows without the distance (`core.distance.usable_rows`) and rows without a
        label are passed over.
    labels
        n labels.
    query
        A label, which itself is left out of the answer, or a vector ``(d,)``.
    k
        How many, at most.
    distance
        ``"cosine"`` or ``"euclidean"``.
    exclude
        Labels that are no answer.

    Returns
    -------
    The nearest first; equal distances by row.

    Raises
    ------
    ValueError
        For an unknown label, naming the nearest ones.
    """
    _validate(vectors, labels, distance)
    excluded = locate(labels, list(exclude)) if exclude else np.zeros(0, dtype=np.intp)
    if isinstance(query, str):
        row = locate(labels, [query])
        excluded = np.concatenate([excluded, row])
        target = np.asarray(vectors[row[0]], dtype=np.float64)
    else:
        target = np.asarray(query, dtype=np.float64)
        if target.shape != (vectors.shape[1],):
            raise ValueError(f"The query must be a label or a vector ({vectors.shape[1]},), not {target.shape}.")
    skipped = np.fromiter((label is None for label in labels), dtype=bool, count=len(labels))
    skipped[excluded] = True
    found = nearest_rows(_blocks(vectors), target, k=k, distance=distance, skipped=skipped)
    return tuple(Match(str(labels[row]), row, cosine, away) for row, cosine, away in found)


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
        ``(V,)`` bool: rows that are no answer. Rows without the distance (`core.distance.usable_rows`) never are.

    Returns
    -------
    Row, cosine and distance of each, the nearest first; equal distances by row.

    Raises
    ------
    ValueError
        The target is not finite, or by cosine has no direction; or k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}.")
    aim = np.asarray(target, dtype=np.float64)
    if not np.isfinite(aim).all():
        raise ValueError("The query's vector holds NaN or inf, so nothing is near to it.")
    if distance == "cosine" and not has_direction(aim[None])[0]:
        raise ValueError(
            "The query's vector is zero, so it has no direction and no neighbors by cosine; ask by Euclidean distance."
        )
    best: list[tuple[float, int, float]] = []
    for start, usable, cosine, apart in _compare(blocks, aim, distance):
        order = 1 - cosine if distance == "cosine" else apart
        order = np.where(skipped[start : start + len(order)] | ~usable, np.inf, order)
        near = np.argpartition(order, k - 1)[:k] if k < len(order) else np.arange(len(order))
        # Ties with the last place: the partition may have kept any of them.
        near = np.flatnonzero(order <= order[near].max()) if len(near) == k else near
        best.extend((float(order[i]), start + int(i), float(cosine[i])) for i in near if np.isfinite(order[i]))
        best = sorted(best)[:k]
    return [(row, cosine, away) for away, row, cosine in best]


def _blocks(vectors: NDArray[np.floating]) -> Iterator[tuple[int, NDArray[np.floating]]]:
    size = max(1, min(_BLOCK, 16_777_216 // max(1, vectors.shape[1])))
    for start in range(0, len(vectors), size):
        yield start, vectors[start : start + size]


def _compare(
    blocks: Iterable[tuple[int, NDArray[np.floating]]], target: NDArray[np.float64], distance: Distance
) -> Iterator[tuple[int, NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]]:
    """Yield, by block: its first row, which rows are usable, cosines with the target, Euclidean distances from it."""
    length, aimed = float(np.linalg.norm(target)), bool(has_direction(target[None])[0])
    with np.errstate(invalid="ignore", over="ignore"):
        for start, part in blocks:
            block = np.asarray(part, dtype=np.float64)
            products = np.linalg.norm(block, axis=1) * length
            directed = has_direction(part)
            cosine = np.divide(block @ target, products, out=np.zeros(len(block)), where=directed & aimed)
            usable = directed if distance == "cosine" else is_finite(block)
            yield start, usable, np.clip(cosine, -1, 1), np.linalg.norm(block - target, axis=1)


def combine(vectors: NDArray[np.floating], labels: Labels, *, plus: Sequence[str], minus: Sequence[str] = ()) -> Floats:
    """Add and subtract words: the vector that 国王 - 男 + 女 points to.

    Unit vectors are summed (3CosAdd), so that no word counts for more because it is longer.

    Parameters
    ----------
    vectors
        ``(n, d)``.
    labels
        n labels.
    plus, minus
        Labels, at least one to add.

    Returns
    -------
    ``(d,)`` float32 of length 1.

    References
    ----------
    Levy and Goldberg 2014, "Linguistic regularities in sparse and explicit word representations".
    """
    _validate(vectors, labels, "cosine")
    if not plus:
        raise ValueError("Nothing to add: plus needs at least one label.")
    rows = locate(labels, [*plus, *minus])
    summed = np.asarray(vectors[rows], dtype=np.float32)
    if not has_direction(summed).all():
        bad = next(label for label, ok in zip([*plus, *minus], has_direction(summed), strict=True) if not ok)
        raise ValueError(f"The vector of {bad!r} is zero or holds NaN or inf, so it has no direction; leave it out.")
    units = normalize(summed).astype(np.float64)
    total = units[: len(plus)].sum(axis=0) - units[len(plus) :].sum(axis=0)
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise ValueError("The words cancel each other out: their sum has no direction.")
    return np.asarray(total / length, dtype=np.float32)


def solve_analogy(
    vectors: NDArray[np.floating],
    labels: Labels,
    *,
    plus: Sequence[str],
    minus: Sequence[str] = (),
    k: int = 20,
) -> tuple[Match, ...]:
    """Find the rows nearest, by cosine, to a sum and difference of words; these words themselves are left out.

    Parameters and errors are those of `combine` and `closest`.

    References
    ----------
    Levy and Goldberg 2014, "Linguistic regularities in sparse and explicit word representations".
    """
    target = combine(vectors, labels, plus=plus, minus=minus)
    return closest(vectors, labels, target, k=k, exclude=[*plus, *minus])


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
        if not usable_rows(rows, distance).all():
            raise ValueError(f"{name} holds a zero vector, which has no direction for an axis by cosine; leave it out.")
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
    ``(n,)`` float32: 0 beside its one end, 1 beside the other, beyond them below 0 and above 1; NaN for a row
    without the distance (`core.distance.usable_rows`).
    """
    if np.ndim(vectors) != 2 or vectors.shape[1] != len(axis.direction):
        raise ValueError(f"vectors must be (n, {len(axis.direction)}) as the axis is, not {np.shape(vectors)}.")
    step = axis.direction / float(axis.direction @ axis.direction)
    places = np.empty(len(vectors), dtype=np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(vectors), _BLOCK):
            block = np.asarray(vectors[start : start + _BLOCK], dtype=np.float32)
            usable = usable_rows(block, axis.distance)
            points = normalize(block) if axis.distance == "cosine" else block
            placed = (points.astype(np.float64) - axis.origin) @ step
            places[start : start + len(block)] = np.where(usable, placed, np.nan)
    return places
