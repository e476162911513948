"""Step at which a resumed training restarts, found by comparing its vectors with the stored snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import squared_norms
from visualdl_embedding.core.precision import DTYPES, resolution, smallest_changes
from visualdl_embedding.store._table_reader import TableReader

__all__ = ["find_restart"]

Floats: TypeAlias = NDArray[np.float32]

MAX_COMPARED_STEPS = 100
MAX_COMPARED_BYTES = 1_000_000_000
"""Limits on the snapshots that are read, newest first: 100 of 500 x 128 take 0.1 s. The first one is always read."""


def find_restart(
    tables: Sequence[tuple[TableReader, Floats]], *, initial_step: int | None = None
) -> tuple[int | None, str]:
    """Find the step at which a training restarts.

    Parameters
    ----------
    tables
        Stored tables with snapshots, and the vectors of their watched rows now, ``(n, d)`` float32.
    initial_step
        Step that the user states; None if not stated.

    Returns
    -------
    step
        `initial_step` if given. Else the stored step with equal vectors: of several the closest, then the newest. None
        if no compared snapshot has them. Vectors are equal if they differ by no more than the rounding of their dtype.
    message
        What the user should know; ``""`` if the vectors are those of `initial_step` or of the last stored step.
    """
    steps = sorted(set().union(*(reader.steps() for reader, _ in tables)))
    last = steps[-1]
    if initial_step is not None:
        return initial_step, _contradiction(tables, initial_step, steps)
    found: list[tuple[float, int]] = []
    for step in _compared(tables, steps):
        distance = _distance(tables, step)
        if distance is not None:
            found.append((distance, -step))
        if distance == 0:
            break
    if not found:
        return None, (
            f"The rows are not those of the last stored step {last}, nor of another compared one "
            f"({_listed(steps, tables)}): was a checkpoint loaded, and is it one of this run? Steps continue "
            f"after {last}; if that is wrong, pass initial_step, the number of batches trained before."
        )
    step = -min(found)[1]
    if step == last:
        return step, ""
    return step, (
        f"The rows are those of step {step}, not of the last stored step {last}: training goes back to that "
        f"checkpoint. Steps continue after {step}, and the later files are moved into a folder superseded-N."
    )


def _contradiction(tables: Sequence[tuple[TableReader, Floats]], initial_step: int, steps: Sequence[int]) -> str:
    """Return what contradicts an `initial_step`; ``""`` if nothing does."""
    stored = initial_step in steps
    if stored and _distance(tables, initial_step) is not None:
        return ""
    equal = [step for step in _compared(tables, steps) if _distance(tables, step) is not None]
    # A table that does not change between snapshots says nothing about a step without a snapshot.
    if not stored and len(equal) != 1:
        return ""
    found = f"those of step {equal[0]}" if equal else f"not those of its stored snapshot ({_listed(steps, tables)})"
    return (
        f"Steps continue after {initial_step}, but the rows are {found}: check that the checkpoint of that step is "
        "loaded."
    )


def _compared(tables: Sequence[tuple[TableReader, Floats]], steps: Sequence[int]) -> Iterator[int]:
    """Return the steps to compare: the newest, and the first, which a new network with the same seed equals."""
    size = max(sum(vectors.nbytes for _, vectors in tables), 1)
    limit = max(1, min(MAX_COMPARED_STEPS, MAX_COMPARED_BYTES // size))
    yield from reversed(steps[-limit:])
    if limit < len(steps):
        yield steps[0]


def _listed(steps: Sequence[int], tables: Sequence[tuple[TableReader, Floats]]) -> str:
    return f"{len(list(_compared(tables, steps)))} of {len(steps)} snapshots compared"


def _distance(tables: Sequence[tuple[TableReader, Floats]], step: int) -> float | None:
    """Largest distance of the tables' rows from those of a step, 0 if all bits are equal; None if they differ."""
    distances = []
    for reader, vectors in tables:
        if step in reader.steps():
            with suppress(OSError, ValueError):  # a damaged snapshot
                snapshot = reader.read_snapshot(step)
                if snapshot.rows.version == reader.description.rows_version:
                    distances.append(_rounding(snapshot.vectors, vectors))
    return None if not distances or None in distances else max(d for d in distances if d is not None)


def _rounding(stored: Floats, vectors: Floats) -> float | None:
    """Largest distance of two copies of the same rows; None if it exceeds the rounding of their dtype."""
    if stored.shape != vectors.shape:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        # NaN is equal to NaN, and infinite values to themselves.
        same = (stored == vectors) | (np.isnan(stored) & np.isnan(vectors))
        if same.all():
            return 0.0
        distances = np.sqrt(squared_norms(np.where(same, 0, stored - vectors).astype(np.float32)))
        lengths = np.sqrt(squared_norms(stored))
        # `resolution` takes longer than this comparison, which most snapshots fail.
        coarsest = max(DTYPES.values())
        if (distances <= smallest_changes(lengths, coarsest)).all():
            limits = smallest_changes(lengths, resolution(stored, vectors))
            return float(distances.max()) if (distances <= limits).all() else None
    return None
