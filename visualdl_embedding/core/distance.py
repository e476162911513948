"""Distances between rows, and selection of the rows for which they are defined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DISTANCES",
    "SHORTEST",
    "ZERO_OR_SHORT",
    "Distance",
    "count_rows",
    "enough_rows",
    "even_lengths",
    "has_direction",
    "is_finite",
    "left_out_notes",
    "long_rows",
    "normalize",
    "scaled_back",
    "unit_scale",
    "usable_rows",
    "validate_usable",
    "why_unusable",
]

Distance = Literal["cosine", "euclidean"]
DISTANCES: tuple[Distance, ...] = ("cosine", "euclidean")

SHORTEST = float(np.sqrt(np.finfo(np.float32).tiny))
"""Norm below which a row has no direction, 1.1e-19: the square of a smaller one underflows float32."""
ZERO_OR_SHORT = f"zero or shorter than {SHORTEST:.2g}"
"""What rows without a direction are."""
_LONG = 10.0
"""Minimum length of a long row, in 90th percentiles; of 500 rows it moves their mean by 0.02 of that length."""
_FEWEST = 4
"""Minimum number of rows among which one can be long."""
_SMALL, _LARGE = 1e-15, 1e15
"""Range of norms for which float32 squares are accurate; other norms are computed in float64."""


def is_finite(vectors: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return a mask of the rows without NaN and inf, ``(n,)`` bool for ``(n, d)``."""
    return np.asarray(np.isfinite(vectors).all(axis=1))


def _lengths(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the Euclidean norms of the rows, ``(n,)``; accurate even if float32 squares overflow or underflow."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1)
        odd = np.flatnonzero(~((lengths >= _SMALL) & (lengths <= _LARGE)))
        if len(odd):
            lengths = lengths.astype(np.float64)
            lengths[odd] = np.linalg.norm(np.asarray(vectors[odd], dtype=np.float64), axis=1)
    return np.asarray(lengths)


def has_direction(vectors: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return a mask of the rows with a direction, ``(n,)`` bool: finite rows with a norm of at least `SHORTEST`.

    >>> has_direction(np.float32([[3, 4], [0, 0], [1e-30, 0], [1e30, 0], [np.nan, 1]])).tolist()
    [True, False, False, True, False]
    """
    return np.asarray(is_finite(vectors) & (_lengths(vectors) >= SHORTEST))


def usable_rows(vectors: NDArray[np.floating], distance: Distance) -> NDArray[np.bool_]:
    """Return a mask of the rows between which a distance is defined, ``(n,)`` bool.

    These are rows with a direction for ``"cosine"``, see `has_direction`, and finite rows for ``"euclidean"``. Neighbor
    graphs, metrics and maps use only these rows.

    >>> vectors = np.float32([[3, 4], [0, 0], [np.inf, 1]])
    >>> usable_rows(vectors, "cosine").tolist(), usable_rows(vectors, "euclidean").tolist()
    ([True, False, False], [True, True, False])
    """
    return has_direction(vectors) if distance == "cosine" else is_finite(vectors)


def why_unusable(vector: NDArray[np.floating], distance: Distance) -> str:
    """Return the reason for which a row ``(d,)`` has no distances, as the end of a sentence; ``""`` if it has.

    >>> why_unusable(np.float32([0, 0]), "cosine")
    'is zero, so it has no direction and no neighbors by cosine'
    >>> why_unusable(np.float32([1e-30, 0]), "cosine")
    'is too short (norm 1e-30, below 1.1e-19), so it has no direction and no neighbors by cosine'
    """
    if usable_rows(vector[None], distance)[0]:
        return ""
    if not is_finite(vector[None])[0]:
        return "contains NaN or inf, so it has no neighbors"
    length = float(_lengths(vector[None])[0])
    what = f"too short (norm {length:.2g}, below {SHORTEST:.2g})" if vector.any() else "zero"
    return f"is {what}, so it has no direction and no neighbors by cosine"


def validate_usable(vectors: NDArray[np.floating], distance: Distance) -> None:
    """Raise ValueError if a row is not usable."""
    usable, bad, zero = count_rows(vectors, distance).values()
    if usable < len(vectors):
        raise ValueError(
            f"Rows without a {distance} distance among {len(vectors)}: {bad:.0f} with NaN or inf, {zero:.0f} "
            f"{ZERO_OR_SHORT}. "
            "Remove them first: vectors[snapshot.usable(distance)]."
        )


def enough_rows(found: int, expected: int) -> bool:
    """Whether enough rows are usable for a metric or a map: at least one, and at least half of the expected ones.

    >>> enough_rows(150, 300), enough_rows(149, 300), enough_rows(0, 0)
    (True, False, False)
    """
    return found > 0 and 2 * found >= expected


def count_rows(vectors: NDArray[np.floating], distance: Distance) -> dict[str, float]:
    """Count the rows that are analyzed and the rows that are excluded.

    Returns
    -------
    The scalars ``"num_rows"``, usable rows; ``"nonfinite_rows"``; and ``"zero_rows"``, finite rows without a
    direction, which the cosine distance excludes. The sum is n.
    """
    finite, usable = is_finite(vectors), usable_rows(vectors, distance)
    return {
        "num_rows": float(usable.sum()),
        "nonfinite_rows": float((~finite).sum()),
        "zero_rows": float((finite & ~usable).sum()),
    }


def left_out_notes(counts: Mapping[str, float]) -> list[str]:
    """Return one note per reason for which rows are excluded, from the result of `count_rows`."""
    bad, zero = int(counts["nonfinite_rows"]), int(counts["zero_rows"])
    total = int(counts["num_rows"]) + bad + zero
    notes = []
    if bad:
        notes.append(f"{bad} of {total} rows contain NaN or inf and are left out.")
    if zero:
        notes.append(
            f"{zero} of {total} rows are {ZERO_OR_SHORT}, so they have no direction; cosine distance leaves them out."
        )
    return notes


def normalize(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length, ``(n, d)`` float32; rows without a direction become zero, rows with NaN or inf NaN."""
    lengths = _lengths(vectors)[:, None]
    unit = np.zeros_like(vectors, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        # The comparison is false for NaN, so NaN rows remain NaN.
        np.divide(vectors, lengths, out=unit, where=~(lengths < SHORTEST), casting="same_kind")
    return unit


def long_rows(*spaces: NDArray[np.floating], distance: Distance = "cosine") -> NDArray[np.bool_]:
    """Return a mask of the paired rows that are over ten times as long as nine tenths of the rows, in any space.

    The length is that of the vector for ``"cosine"``, and the distance from the center of the rows (the median of each
    column) for ``"euclidean"``. Means and sums of squares without these rows do not depend on a single row. Of 4 to 10
    rows, only the longest can be long: it is compared with the second longest. Fewer rows show no usual length, so none
    of them is long; nor is any if nine tenths of the rows are equal.

    >>> long_rows(np.float32([[1], [2], [1], [50]])).tolist(), long_rows(np.float32([[1], [2], [50]])).tolist()
    ([False, False, False, True], [False, False, False])
    >>> rows = np.float32([[1, 0], [0, 2], [0, 1], [-1, 0]] * 5)
    >>> rows[0] *= 10_000
    >>> np.flatnonzero(long_rows(rows)), np.flatnonzero(long_rows(rows + 500, distance="euclidean"))
    (array([0]), array([0]))
    """
    found = np.zeros(len(spaces[0]), dtype=bool)
    if len(found) < _FEWEST:
        return found
    for vectors in spaces:
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = _lengths(vectors if distance == "cosine" else vectors - np.median(vectors, axis=0))
        # The length of a row, because an interpolated one would contain a tenth of the longest.
        usual = np.quantile(lengths, 0.9, method="lower")
        found |= (lengths > _LONG * usual) & (usual > 0)
    return found


def even_lengths(*spaces: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Scale long rows to the median length in each space, so that they do not dominate means and sums of squares.

    For comparisons by cosine, for which the length of a row is irrelevant.

    Parameters
    ----------
    spaces
        ``(n, d)`` each, with paired rows, all with a direction.

    Returns
    -------
    The spaces; the same arrays if no row is long, see `long_rows`.

    Examples
    --------
    >>> rows = np.float32([[1, 0], [0, 2], [0, 1], [-1, 0]] * 5)
    >>> moved = rows.copy()
    >>> moved[0] *= 10_000
    >>> even_lengths(rows, moved)[1][0].tolist()
    [1.0, 0.0]
    """
    long = long_rows(*spaces)
    if not long.any():
        return spaces
    evened = []
    for vectors in spaces:
        lengths = _lengths(vectors)
        rows = vectors.copy()
        rows[long] = normalize(vectors[long]) * np.float32(np.median(lengths))
        evened.append(rows)
    return tuple(evened)


def unit_scale(vectors: NDArray[np.floating]) -> float:
    """Return the power of two by which to divide vectors, so that their squares and sums fit into float32.

    The result is 1 if all absolute values are at most 1e15; division by it leaves the vectors unchanged.
    """
    largest = float(np.abs(vectors).max(initial=0.0))
    return float(2.0 ** np.floor(np.log2(largest))) if largest > _LARGE else 1.0


def scaled_back(values: NDArray[np.floating], scale: float | np.floating) -> NDArray[np.float32]:
    """Multiply by the result of `unit_scale`, and clip to ±1e38, so that sums of a few values fit into float32."""
    return np.asarray(np.clip(np.multiply(values, scale, dtype=np.float64), -1e38, 1e38), dtype=np.float32)
