"""From names of groups to numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.arrays import blocks

__all__ = ["MAX_GROUPS", "NO_GROUP", "encode_groups", "group_sums", "validate_codes"]

NO_GROUP = -1
MAX_GROUPS = 1000
"""Tables of groups by groups stay under 8 MB; a column with more different values is hardly one of groups."""


def encode_groups(values: Sequence[str]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Give each group a number, the largest first.

    Parameters
    ----------
    values
        Name of each row's group; ``""``, or blanks only, for none. Blanks around a name do not count.

    Returns
    -------
    codes
        ``(n,)`` int32: position in `names`, -1 for no group.
    names
        By size, then by name.

    Raises
    ------
    TypeError
        If `values` is one string, or holds anything but strings.
    ValueError
        If there are more than `MAX_GROUPS` groups.

    Examples
    --------
    >>> encode_groups(["neg", "pos", "", "pos"])
    (array([ 1,  0, -1,  0], dtype=int32), ('pos', 'neg'))
    """
    if isinstance(values, str):
        raise TypeError(f"groups must be a sequence with one name for each row, not the one string {values!r}.")
    stripped = []
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise TypeError(
                f"The group of row {row} is {value!r}, of type {type(value).__name__}; give names as strings, and "
                "'' for a row without a group."
            )
        stripped.append(value.strip())
    counts = Counter(value for value in stripped if value)
    if len(counts) > MAX_GROUPS:
        raise ValueError(
            f"There are {len(counts):,} different groups among {len(stripped):,} rows; at most {MAX_GROUPS:,} can be "
            "studied. Take a coarser column, or give the rare groups one name."
        )
    names = tuple(sorted(counts, key=lambda name: (-counts[name], name)))
    code_of = {name: code for code, name in enumerate(names)} | {"": NO_GROUP}
    return np.array([code_of[value] for value in stripped], dtype=np.int32), names


def validate_codes(codes: NDArray[np.int32], n_rows: int, n_groups: int) -> None:
    """Raise ValueError unless `codes` gives each row one of the groups, or -1."""
    if np.shape(codes) != (n_rows,):
        raise ValueError(f"There must be one group for each of {n_rows:,} rows, not {np.shape(codes)} of them.")
    if len(codes) and not (codes.min() >= NO_GROUP and codes.max() < n_groups):
        raise ValueError(
            f"Codes must be {NO_GROUP} to {n_groups - 1} for {n_groups} groups, not {codes.min()} to {codes.max()}."
        )


def group_sums(points: NDArray[np.float32], codes: NDArray[np.int32], n_groups: int) -> NDArray[np.float64]:
    """Sum the points of each group; ``(g, d)`` float64."""
    sums = np.zeros((n_groups, points.shape[1]))
    every = np.arange(n_groups)[:, None]
    for here in blocks(len(points)):
        sums += (codes[here] == every).astype(np.float64) @ points[here].astype(np.float64)
    return sums
