"""Notes on the limits of a group study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.metrics.groups._encode import NO_GROUP
from visualdl_embedding.metrics.groups._probe import MAX_ROWS
from visualdl_embedding.metrics.groups._silhouette import SAMPLED_ROWS

__all__ = ["study_notes"]

_FEW = 10
"""Minimum group size for reliable bootstrap intervals."""
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
    """Return the notes of a study.

    Parameters
    ----------
    names, codes
        Group names; group of each row, ``(n,)`` int32.
    known
        ``(n,)``: number of neighbors with a group.
    undirected
        Number of zero rows with a group.
    probed
        ``(g,)`` areas, NaN for groups without a probe.
    n_neighbors, n_folds
        Parameters of the graph and the probe.
    sampling_error
        Standard error of the silhouette; 0 or NaN without sampling.
    """
    grouped = codes != NO_GROUP
    m, n = int(grouped.sum()), len(codes)
    if not m:
        return ("No row has a group, so no group metrics are computed.",)
    sizes = np.bincount(codes[grouped], minlength=len(names))
    notes = []
    if m < n / 2:
        notes.append(f"{m:,} of {n:,} rows ({m / n:.0%}) have a group; the others are used only as random rows.")
    notes += _group_notes(names, sizes, probed, n_folds)
    alone = int((known[grouped] == 0).sum())
    if len(names) > 1 and known[grouped].mean() < min(n_neighbors, m - 1) / 3:
        notes.append(
            f"Rows with a group have on average {known[grouped].mean():.1f} of {n_neighbors} neighbors with a group; "
            f"{alone:,} have none and are left out of purity. A graph of grouped rows only has more."
        )
    if undirected:
        notes.append(f"{undirected:,} rows with a group are zero: they have no direction and no cohesion.")
    if len(names) > 1 and m > MAX_ROWS:
        notes.append(f"The linear probe is fitted to a sample of the {m:,} rows with a group.")
    if sampling_error > 0:
        notes.append(
            f"The silhouette is computed on a sample of about {SAMPLED_ROWS:,} of {m:,} rows; its standard error is "
            f"{sampling_error:.4f}."
        )
    return tuple(notes)


def _group_notes(names: Sequence[str], sizes: NDArray[np.intp], probed: NDArray[np.float64], n_folds: int) -> list[str]:
    if len(names) == 1:
        return [
            f"All rows with a group are in one group, {names[0]!r}, so purity over chance, silhouette and probe are "
            "unknown."
        ]
    notes = []
    lonely = [name for name, size in zip(names, sizes, strict=True) if size == 1]
    if lonely:
        notes.append(f"Groups with a single member, without neighbors in the group: {_list(lonely)}.")
    few = [name for name, size in zip(names, sizes, strict=True) if 1 < size < _FEW]
    if few:
        notes.append(f"Groups with fewer than {_FEW} members, with intervals that are too narrow: {_list(few)}.")
    unprobed = [name for name, area in zip(names, probed, strict=True) if np.isnan(area)]
    if unprobed:
        notes.append(
            f"Groups without a probe, because they or all others together have fewer rows than the {n_folds} folds: "
            f"{_list(unprobed)}."
        )
    return notes


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED:,} more"
