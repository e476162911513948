"""Detector of groups of rows that nearly coincide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._advice import Advice, texts
from visualdl_embedding.findings._finding import Finding, percent, rounded
from visualdl_embedding.findings._shared import Space

__all__ = ["Clump", "find_clumps", "intrinsic_dimension", "tight_clumps"]

CHANCE = 0.01
"""Expected number of rows that are this near to two others by chance, in a space of uniform density."""
_CLOSEST = 0.5
"""Maximum distance within a clump, as a share of the typical nearest-neighbor distance, in any dimension."""
_MIN_ROWS = 20
_MIN_SIZE = 3
_LARGE = 0.05
"""Share of all rows above which a single clump is critical: part of the table has collapsed."""
_ADVICE = Advice(
    check="Check whether the labels of the clump mean the same; if not, compare their frequency and number of updates.",
    check_zh="检查小团内的标签含义是否相同；若不同，比较它们的频率和更新次数。",
    causes=texts(
        "Rows that are always updated together, or hardly updated: they follow the mean gradient and collapse.",
        "这些行总是一起更新或几乎不更新：只跟随平均梯度，逐渐坍缩到一起。",
        "Several names for the same thing: spelling variants, items of one series, hash collisions.",
        "同一事物的多个写法：异体、同系列物品、哈希冲突。",
        "A loss that pulls positives together without pushing others apart.",
        "损失函数只拉近正例，而没有推开其他样本。",
    ),
)


@dataclass(frozen=True)
class Clump:
    """Group of rows that nearly coincide.

    Attributes
    ----------
    rows
        Positions, most central first.
    apart
        Median Euclidean distance between two of them.
    """

    rows: NDArray[np.intp]
    apart: float


def intrinsic_dimension(steps: NDArray[np.float64]) -> float:
    """Estimate the intrinsic dimension of rows from the growth of their neighbor distances.

    Parameters
    ----------
    steps
        ``(n, k)`` ascending Euclidean distances to the neighbors, k at least 3.

    Returns
    -------
    1 or more: median of the rows' maximum likelihood estimates, which is robust against clumps.

    References
    ----------
    Levina and Bickel 2005, "Maximum likelihood estimation of intrinsic dimension"; MacKay and Ghahramani 2005 (the
    correction of its bias).
    """
    usable = steps[steps[:, 0] > 0]
    if not len(usable):
        return 1.0
    k = usable.shape[1]
    growth = np.log(usable[:, -1:] / usable[:, :-1]).sum(axis=1)
    middle = float(np.median(growth))
    return max(1.0, (k - 2) / middle) if middle > 0 else float("inf")


def clump_radius(steps: NDArray[np.float64]) -> tuple[float, float]:
    """Radius of clumps, and typical distance to the nearest neighbor.

    For uniform density, a row expects ``λ = k (r / T)^D`` rows within r, with the distance T to its k-th neighbor and
    the dimension D, and has two within r with probability λ² / 2. Over rows with a standard deviation s of log T, the
    mean of λ² is ``exp(2 D² s²)`` times its median (46 for a Gaussian space of 10 dimensions). r makes the expected
    number `CHANCE`.
    """
    first, last = steps[:, 0], steps[:, -1]
    typical = float(np.median(first[first > 0])) if (first > 0).any() else 0.0
    if not typical:
        return 0.0, 0.0
    dimension = intrinsic_dimension(steps)
    logs = np.log(last[last > 0])
    middle = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    expected = np.sqrt(2 * CHANCE / len(steps)) / steps.shape[1]
    radius = np.exp(middle + np.log(expected) / dimension - dimension * spread**2)
    return min(_CLOSEST * typical, float(radius)), typical


def tight_clumps(
    points: NDArray[np.float32], indices: NDArray[np.int32], steps: NDArray[np.float64]
) -> tuple[list[Clump], float]:
    """Find groups of at least three rows with much smaller distances than the usual nearest-neighbor distance.

    Parameters
    ----------
    points
        ``(n, d)`` float32.
    indices, steps
        ``(n, k)``: neighbors, and Euclidean distances to them.

    Returns
    -------
    Clumps, largest first, and the typical distance: the median over rows that do not coincide exactly with others.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial.distance import pdist

    n, k = indices.shape
    radius, typical = clump_radius(steps)
    near = steps <= radius
    if not typical or not near.any():
        return [], typical
    rows = np.repeat(np.arange(n), k)[near.ravel()]
    links = coo_array((np.ones(len(rows), np.int8), (rows, indices.ravel()[near.ravel()])), shape=(n, n))
    _, component = connected_components(links, directed=False)
    order = np.argsort(component, kind="stable")
    starts = np.flatnonzero(np.diff(component[order], prepend=-1))
    clumps = []
    for members in np.split(order, starts[1:]):
        if len(members) < _MIN_SIZE:
            continue
        block = points[members].astype(np.float64)
        away = np.linalg.norm(block - np.median(block, axis=0), axis=1)
        # A chain of small steps through a dense region is not a clump: its ends are far apart.
        inside = np.flatnonzero(away <= _CLOSEST * typical)
        if len(inside) < max(_MIN_SIZE, len(members) / 2):
            continue
        inside = inside[np.argsort(away[inside], kind="stable")]
        # Pairs of 500 rows are sufficient for the median of a larger clump.
        apart = float(np.median(pdist(block[inside[:: max(1, len(inside) // 500)]])))
        if apart <= _CLOSEST * typical:
            clumps.append(Clump(members[inside], apart))
    return sorted(clumps, key=lambda clump: -len(clump.rows)), typical


def find_clumps(space: Space) -> Iterator[Finding]:
    """Find tight clumps, except those of exact duplicates only."""
    n = len(space)
    if n < _MIN_ROWS or space.neighbors.n_neighbors < 3:
        return
    clumps, typical = tight_clumps(space.points, space.neighbors.indices, space.steps)
    # Duplicates are reported separately.
    clumps = [clump for clump in clumps if len(np.unique(space.points[clump.rows], axis=0)) >= _MIN_SIZE]
    if not clumps:
        return
    is_cosine = space.neighbors.distance == "cosine"
    measure, measure_zh = ("1 - cosine", "1 - 余弦") if is_cosine else ("Euclidean", "欧氏距离")

    def converted(straight: float) -> float:
        """Convert a Euclidean distance to the graph's distance."""
        return straight**2 / 2 if is_cosine else straight

    largest, within, usual = clumps[0].rows, converted(clumps[0].apart), converted(typical)
    rows = np.concatenate([clump.rows for clump in clumps])
    share = len(rows) / n
    names = space.names(largest)
    yield space.finding(
        "tight_clumps",
        "critical" if len(largest) >= max(_LARGE * n, 10) else "warning",
        Text(
            f"Tight clumps: {len(clumps):,}, with {len(rows):,} rows",
            f"紧密的小团：{len(clumps):,} 个，共 {len(rows):,} 行",
        ),
        Text(
            f"The largest has {len(largest):,} rows ({names.en}), with a typical distance of {rounded(within)} "
            f"({measure}) between them, whereas half of all rows have no neighbor within {rounded(usual)}. In total "
            f"{percent(share)} of the rows are in such clumps.",
            f"最大的小团有 {len(largest):,} 行（{names.zh}），两两之间的距离通常为 {rounded(within)}（{measure_zh}），"
            f"而半数的行在 {rounded(usual)} 之内没有任何近邻。共有 {percent(share)} 的行处在这样的小团中。",
        ),
        _ADVICE,
        rows=rows,
        numbers={
            "num_clumps": len(clumps),
            "num_rows": len(rows),
            "share": share,
            "largest": len(largest),
            "largest_distance": within,
            "typical_nearest_distance": usual,
        },
        details=[f"{len(c.rows):,} × ~{rounded(converted(c.apart))}: {space.names(c.rows, 12).en}" for c in clumps],
        by_frequency=True,
    )
