"""Which snapshots a bounded store lets go."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

__all__ = ["choose_to_drop"]


def choose_to_drop(
    steps: Sequence[int], sizes: Sequence[int], *, budget: int, protected: Collection[int] = ()
) -> list[int]:
    """Choose snapshots to drop until the others fit a budget.

    The first, the last and the protected ones stay. Of the others goes, again and again, the one whose two neighbors
    lie nearest to one another on a logarithmic scale of steps. What stays is spaced geometrically: dense at the
    beginning, where a training moves fast, and sparse later. Thinning bit by bit while a training grows comes to the
    same picture as thinning once at its end, for the choice looks at gaps and not at counts.

    Parameters
    ----------
    steps
        Steps of the stored snapshots, ascending.
    sizes
        Bytes of each.
    budget
        Bytes that may stay. It is exceeded only where first, last and protected ones alone exceed it.
    protected
        Steps never to drop.

    Returns
    -------
    Steps to drop, ascending.

    Raises
    ------
    ValueError
        If steps do not ascend, or sizes do not match them.
    """
    if len(steps) != len(sizes):
        raise ValueError(f"Every step needs its size: {len(steps)} steps and {len(sizes)} sizes were given.")
    kept = np.asarray(steps, dtype=np.int64)
    if (np.diff(kept) <= 0).any():
        raise ValueError("Steps must ascend.")
    total = sum(sizes)
    if total <= budget or len(kept) < 3:
        return []
    size_of = dict(zip(steps, sizes, strict=True))
    # In units of the smallest gap, step 0 is as far from the first snapshot as that one from its double.
    unit = np.diff(kept).min()
    places = np.log1p((kept - kept[0]) / unit)
    free = ~np.isin(kept, list(protected))
    free[[0, -1]] = False
    dropped = []
    while total > budget and free.any():
        gaps = np.full(len(kept), np.inf)
        gaps[1:-1] = places[2:] - places[:-2]
        gaps[~free] = np.inf
        i = int(gaps.argmin())
        step = int(kept[i])
        dropped.append(step)
        total -= size_of[step]
        kept, places, free = (np.delete(array, i) for array in (kept, places, free))
    return sorted(dropped)
