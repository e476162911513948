"""What a reader of a group study must know of its limits, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.metrics.groups._encode import NO_GROUP
from visualdl_embedding.metrics.groups._probe import MAX_ROWS
from visualdl_embedding.metrics.groups._silhouette import SAMPLED_ROWS

__all__ = ["study_notes"]

_FEW = 10
"""Members under which a bootstrap interval is too narrow: there is little to resample."""
_NAMED = 5


def study_notes(
    names: Sequence[str],
    codes: NDArray[np.int32],
    *,
    known: NDArray[np.intp],
    undirected: int,
    probed: NDArray[np.float64],
    n_neighbors: int,
    n_folds: int,
    sampling_error: float,
) -> tuple[str, ...]:
    """Write the notes of a study.

    Parameters
    ----------
    names, codes
        Of the groups; ``(n,)`` int32.
    known
        ``(n,)``: how many neighbors with a group each row has.
    undirected
        Rows with a group whose vector is zero.
    probed
        ``(g,)`` areas, NaN for groups that could not be probed.
    n_neighbors, n_folds
        Of the graph and the probe.
    sampling_error
        Standard error of the silhouette; 0 or NaN if nothing was sampled.
    """
    grouped = codes != NO_GROUP
    m, n = int(grouped.sum()), len(codes)
    if not m:
        return ("No row has a group, so there is nothing to measure.",)
    sizes = np.bincount(codes[grouped], minlength=len(names))
    notes = []
    if m < n / 2:
        notes.append(f"{m:,} of {n:,} rows ({m / n:.0%}) have a group; the others count nowhere but as random rows.")
    notes += _group_notes(names, sizes, probed, n_folds)
    alone = int((known[grouped] == 0).sum())
    if len(names) > 1 and known[grouped].mean() < min(n_neighbors, m - 1) / 3:
        notes.append(
            f"Rows with a group have {known[grouped].mean():.1f} neighbors with one on average, of {n_neighbors}; "
            f"{alone:,} have none and are left out of purity. Make the graph of the rows with a group only to get more."
        )
    if undirected:
        notes.append(f"{undirected:,} rows with a group are all zeros: they have no direction and no cohesion.")
    if len(names) > 1 and m > MAX_ROWS:
        notes.append(f"The linear probe was fitted to a sample of the {m:,} rows with a group.")
    if sampling_error > 0:
        notes.append(
            f"The silhouette is of a sample of about {SAMPLED_ROWS:,} of {m:,} rows; its standard error is "
            f"{sampling_error:.4f}."
        )
    return tuple(notes)


def _group_notes(names: Sequence[str], sizes: NDArray[np.intp], probed: NDArray[np.float64], n_folds: int) -> list[str]:
    if len(names) == 1:
        return [
            f"All rows with a group are in one, {names[0]!r}: there is nothing to tell it from, so purity over chance, "
            "silhouette and probe are not known; cohesion is."
        ]
    notes = []
    lonely = [name for name, size in zip(names, sizes, strict=True) if size == 1]
    if lonely:
        notes.append(f"Groups with one member, which no neighbor can share: {_list(lonely)}.")
    few = [name for name, size in zip(names, sizes, strict=True) if 1 < size < _FEW]
    if few:
        notes.append(f"Groups with fewer than {_FEW} members, whose intervals are too narrow: {_list(few)}.")
    unprobed = [name for name, area in zip(names, probed, strict=True) if np.isnan(area)]
    if unprobed:
        notes.append(
            f"Groups without a probe, for they or all others together have fewer than {n_folds} rows, the number of "
            f"folds: {_list(unprobed)}."
        )
    return notes


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED:,} more"
