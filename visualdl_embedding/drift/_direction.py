"""Motion of words towards groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import Distance, normalize, unit_scale

__all__ = ["Direction", "leans", "share_of_groups"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Direction:
    """Motion of a word towards a group between two snapshots.

    Attributes
    ----------
    label, group
        Word and group.
    share_before, share_after
        Share of the group among the nearest rows that have a group, 0 to 1: the evidence.
    lean_before, lean_after
        Mean cosine with the members of the group minus that with the members of all others, without the word itself;
        -2 to 2. The p-value compares its change with those of other rows.
    p_value
        Probability of such an increase of the lean for a word without a change.
    p_corrected
        The same, corrected for all watched words and groups.
    significant
        Whether the corrected p-value is within the level and the lean increases.
    smallest_p
        Smallest p-value that the reference rows allow; None in runs of earlier versions.
    """

    label: str
    group: str
    share_before: float
    share_after: float
    lean_before: float
    lean_after: float
    p_value: float
    p_corrected: float
    significant: bool
    smallest_p: float | None = None

    def sentence(self) -> str:
        """Return a sentence in English, with the corrected p-value.

        >>> Direction("加息", "negative", 0.1, 0.6, -0.1, 0.2, 0.001, 0.002, True).sentence()
        '加息 moved towards negative: its share of negative neighbors went from 0.10 to 0.60, p = 0.002'
        """
        what = "moved towards" if self.significant else "did not clearly move towards"
        share = f"its share of {self.group} neighbors went from {self.share_before:.2f} to {self.share_after:.2f}"
        return f"{self.label} {what} {self.group}: {share}, p = {_rounded(self.p_corrected)}"

    def sentence_zh(self) -> str:
        """Return a sentence in Chinese.

        >>> Direction("加息", "负面", 0.1, 0.6, -0.1, 0.2, 0.001, 0.002, True).sentence_zh()
        '加息 移向了 负面：它的近邻中 负面 的占比从 0.10 变为 0.60，p = 0.002'
        """
        what = "移向了" if self.significant else "没有明显移向"
        share = f"它的近邻中 {self.group} 的占比从 {self.share_before:.2f} 变为 {self.share_after:.2f}"
        return f"{self.label} {what} {self.group}：{share}，p = {_rounded(self.p_corrected)}"


def _rounded(p_value: float) -> str:
    return f"{p_value:.2f}" if p_value >= 0.1 else f"{p_value:.2g}"


def leans(vectors: Floats, codes: NDArray[np.int32], n_groups: int) -> NDArray[np.float64]:
    """Measure how much more similar each row is to the members of a group than to those of all others.

    `codes` has the group of each row, -1 for none. Returns ``(n, n_groups)`` float64, -2 to 2: mean cosine with the
    members of the group minus mean cosine with the members of the others, without the row itself; NaN if one of the two
    sides is empty. Computed from sums of unit vectors in O(n d n_groups).
    """
    units = normalize(vectors).astype(np.float64)
    member = codes[:, None] == np.arange(n_groups)
    sums = np.stack([units[codes == group].sum(axis=0) for group in range(n_groups)])
    own = member * np.square(units).sum(axis=1)[:, None]
    total = units @ sums.T - own
    count = member.sum(axis=0) - member
    rest, rest_count = total.sum(axis=1, keepdims=True) - total, count.sum(axis=1, keepdims=True) - count

    def mean(values: NDArray[np.float64], of: NDArray[np.int_]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.divide(values, of, out=np.full(values.shape, np.nan), where=of > 0)
        return found

    return mean(total, count) - mean(rest, rest_count)


def share_of_groups(
    vectors: Floats,
    codes: NDArray[np.int32],
    row: int,
    *,
    n_groups: int,
    n_neighbors: int,
    distance: Distance,
) -> NDArray[np.float64]:
    """Compute the shares of the groups among the nearest rows that have a group.

    Returns ``(n_groups,)`` float64: shares that sum to 1; NaN if no other row has a group.
    """
    grouped = np.flatnonzero(codes >= 0)
    grouped = grouped[grouped != row]
    if not len(grouped):
        return np.full(n_groups, np.nan)
    if distance == "cosine":
        far = -(normalize(vectors[grouped]) @ normalize(vectors[row : row + 1])[0])
    else:
        scale = np.float32(unit_scale(vectors))
        far = np.linalg.norm(vectors[grouped] / scale - vectors[row] / scale, axis=1)
    k = min(n_neighbors, len(grouped))
    nearest = grouped[np.argsort(far, kind="stable")[:k]]
    share: NDArray[np.float64] = np.bincount(codes[nearest], minlength=n_groups) / k
    return share
