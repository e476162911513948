"""Choice of the snapshots to remove from a store with a size limit."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

__all__ = ["choose_to_drop"]


def choose_to_drop(
    steps: Sequence[int], sizes: Sequence[int], *, budget: int, protected: Collection[int] = ()
) -> list[int]:
    """Choose snapshots to drop until the others fit a budget.

    The first, the last and the protected snapshots are kept. Repeatedly, the snapshot whose two neighbors are closest
    on a logarithmic scale of steps is dropped. The rest is spaced geometrically: dense at the beginning of a training,
    where vectors move fast, and sparse later. Dropping step by step gives the same result as dropping once at the end,
    because the choice depends on gaps and not on counts.

    Parameters
    ----------
    steps
        Steps of the stored snapshots, ascending.
    sizes
        Size of each snapshot in bytes.
    budget
        Maximum total size in bytes. It is exceeded only if the first, last and protected snapshots exceed it.
    protected
        Steps that are never dropped.

    Returns
    -------
    Steps to drop, ascending.

    Raises
    ------
    ValueError
        If the steps are not ascending, or the sizes do not match them.
    """
    if len(steps) != len(sizes):
        raise ValueError(f"steps and sizes must have the same length, but have {len(steps)} and {len(sizes)}.")
    kept = np.asarray(steps, dtype=np.int64)
    if (np.diff(kept) <= 0).any():
        raise ValueError("steps must be ascending.")
    total = sum(sizes)
    if total <= budget or len(kept) < 3:
        return []
    size_of = dict(zip(steps, sizes, strict=True))
    # In units of the smallest gap, so that step 0 is as far from the first snapshot as that one from its double.
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
