"""Groups of rows as integers, and values by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks

__all__ = ["MAX_GROUPS", "NO_GROUP", "Scores", "encode_groups", "group_sums", "validate_codes"]

NO_GROUP = -1
MAX_GROUPS = 1000
"""Maximum number of groups: limits group-by-group tables to 8 MB; columns with more values are hardly groups."""


@dataclass(frozen=True)
class Scores:
    """Value for all grouped rows, and for each group; NaN if unknown.

    Attributes
    ----------
    overall
        Overall value.
    groups
        ``(g,)`` float64, in the order of the study's names.
    overall_interval
        Limits of the 95% interval.
    intervals
        ``(g, 2)`` float64, the same for each group, or None.
    """

    overall: float
    groups: NDArray[np.float64]
    overall_interval: tuple[float, float] = (np.nan, np.nan)
    intervals: NDArray[np.float64] | None = None


def encode_groups(values: Sequence[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Encode group names as integers, largest group first.

    Parameters
    ----------
    values
        Group name of each row; ``""`` or white space for none. Surrounding white space is ignored.

    Returns
    -------
    codes
        ``(n,)`` int32: position in `names`, -1 for no group.
    names
        By decreasing size, then by name.

    Raises
    ------
    TypeError
        If `values` is a single string, or contains other types than strings.
    ValueError
        If there are more than `MAX_GROUPS` groups.

    Examples
    --------
    >>> encode_groups(["neg", "pos", "", "pos"])
    (array([ 1,  0, -1,  0], dtype=int32), ('pos', 'neg'))
    """
    if isinstance(values, str):
        raise TypeError(f"groups must be a sequence with one name per row, not the string {values!r}.")
    stripped = []
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise TypeError(
                f"groups must be strings, but row {row} has {value!r} of type {type(value).__name__}; use '' "
                "for a row without a group."
            )
        stripped.append(value.strip())
    counts = Counter(value for value in stripped if value)
    if len(counts) > MAX_GROUPS:
        raise ValueError(
            f"groups has {len(counts):,} different names for {len(stripped):,} rows, but at most {MAX_GROUPS:,} are "
            "allowed. Use a coarser column, or merge rare groups."
        )
    names = tuple(sorted(counts, key=lambda name: (-counts[name], name)))
    code_of = {name: code for code, name in enumerate(names)} | {"": NO_GROUP}
    return np.array([code_of[value] for value in stripped], dtype=np.int32), names


def validate_codes(codes: NDArray[np.int32], n_rows: int, n_groups: int) -> None:
    """Raise ValueError unless `codes` has one group or -1 for each row."""
    if np.shape(codes) != (n_rows,):
        raise ValueError(f"codes must have one group per row ({n_rows:,} rows), not shape {np.shape(codes)}.")
    if len(codes) and not (codes.min() >= NO_GROUP and codes.max() < n_groups):
        raise ValueError(
            f"codes must be {NO_GROUP} to {n_groups - 1} for {n_groups} groups, not {codes.min()} to {codes.max()}."
        )


def group_sums(points: NDArray[np.float32], codes: NDArray[np.int32], n_groups: int) -> NDArray[np.float64]:
    """Sum the points of each group; ``(g, d)`` float64."""
    sums = np.zeros((n_groups, points.shape[1]))
    every = np.arange(n_groups)[:, None]
    for here in blocks(len(points)):
        sums += (codes[here] == every).astype(np.float64) @ points[here].astype(np.float64)
    return sums
