"""Groups of rows that nearly coincide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._finding import Finding
from visualdl_embedding.findings._space import Space
from visualdl_embedding.findings._text import name_some, percent, rounded

__all__ = ["Clump", "find_clumps", "intrinsic_dimension", "tight_clumps"]

CHANCE = 0.01
"""Expected number of rows that chance puts so near to two others, in a space of even density."""
_CLOSEST = 0.5
"""However many dimensions: rows of a clump are within this share of the typical distance to the nearest neighbor."""
_MIN_ROWS = 20
_MIN_SIZE = 3
_LARGE = 0.05
"""Share of all rows from which one clump is critical: part of the table has collapsed."""


@dataclass(frozen=True)
class Clump:
    """Rows that nearly coincide.

    Attributes
    ----------
    rows
        Positions, the most central first.
    apart
        Median straight-line distance between two of them.
    """

    rows: NDArray[np.intp]
    apart: float


def intrinsic_dimension(steps: NDArray[np.float64]) -> float:
    """Estimate how many dimensions rows fill, from the growth of the distances to their neighbors.

    Parameters
    ----------
    steps
        ``(n, k)`` ascending straight-line distances to the neighbors, k at least 3.

    Returns
    -------
    1 or more: the median over rows of the maximum likelihood estimate, so that clumps do not decide it.

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
    """Distance under which neighbors are nearly one: the radius, and the typical distance to the nearest neighbor.

    Where density is even, a row expects ``λ = k (r / T)^D`` rows within r, T being the distance to its k-th neighbor
    and D the dimension, and has two there with a chance of λ² / 2. Over rows whose log T has deviation s, λ² averages
    ``exp(2 D² s²)`` times its median (46 for a Gaussian space of 10 dimensions). r makes the expected number `CHANCE`.
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
    """Find groups of at least three rows that are far nearer to one another than rows are to their nearest.

    Parameters
    ----------
    points
        ``(n, d)`` float32.
    indices, steps
        ``(n, k)``: neighbors and straight-line distances to them.

    Returns
    -------
    Clumps, the largest first, and that typical distance: the median over rows. Rows that coincide exactly do not
    count into it.
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
        # A chain of small steps through a dense region is no clump: its ends are far apart.
        inside = np.flatnonzero(away <= _CLOSEST * typical)
        if len(inside) < max(_MIN_SIZE, len(members) / 2):
            continue
        inside = inside[np.argsort(away[inside], kind="stable")]
        # Pairs of 500 rows give the median of a larger clump closely enough.
        apart = float(np.median(pdist(block[inside[:: max(1, len(inside) // 500)]])))
        if apart <= _CLOSEST * typical:
            clumps.append(Clump(members[inside], apart))
    return sorted(clumps, key=lambda clump: -len(clump.rows)), typical


def find_clumps(space: Space) -> list[Finding]:
    """Find tight clumps, other than of exact duplicates alone."""
    n = len(space)
    if n < _MIN_ROWS or space.neighbors.n_neighbors < 3:
        return []
    clumps, typical = tight_clumps(space.points, space.neighbors.indices, space.steps)
    clumps = [clump for clump in clumps if _is_more_than_copies(space, clump)]
    if not clumps:
        return []
    largest = clumps[0]
    rows = np.concatenate([clump.rows for clump in clumps])
    share = len(rows) / n
    measure, measure_zh = (
        ("1 - cosine", "1 - 余弦") if space.neighbors.distance == "cosine" else ("Euclidean", "欧氏距离")
    )
    within, usual = (_in_distance(space, value) for value in (largest.apart, typical))
    names = name_some([space.labels[i] for i in largest.rows])
    note, numbers = space.compare_frequency(rows)
    details = []
    for clump in clumps:
        some = name_some([space.labels[i] for i in clump.rows], 12).en
        details.append(f"{len(clump.rows):,} × ~{rounded(_in_distance(space, clump.apart))}: {some}")
    return [
        Finding.of(
            "tight_clumps",
            "critical" if len(largest.rows) >= max(_LARGE * n, 10) else "warning",
            Text(
                f"Tight clumps: {len(clumps):,}, of {len(rows):,} rows",
                f"紧密的小团：{len(clumps):,} 个，共 {len(rows):,} 行",
            ),
            evidence=Text(
                f"The largest holds {len(largest.rows):,} rows ({names.en}); two of them are typically "
                f"{rounded(within)} apart ({measure}), while half of all rows have not a single neighbor within "
                f"{rounded(usual)}. In all {percent(share)} of the rows are in such clumps.",
                f"最大的小团有 {len(largest.rows):,} 行（{names.zh}），两两之间的距离通常为 {rounded(within)}"
                f"（{measure_zh}），而半数的行在 {rounded(usual)} 之内没有任何近邻。"
                f"共有 {percent(share)} 的行处在这样的小团中。",
            )
            + note,
            causes=[
                Text(
                    "Rows that are always updated together or hardly ever: they follow the mean gradient and collapse.",
                    "这些行总是一起更新或几乎不更新：只跟随平均梯度，逐渐坍缩到一起。",
                ),
                Text(
                    "One thing under many names: spelling variants, items of one series, hash collisions.",
                    "同一事物的多个写法：异体、同系列物品、哈希冲突。",
                ),
                Text(
                    "A loss that pulls positives together without pushing others apart.",
                    "损失函数只拉近正例，而没有推开其他样本。",
                ),
            ],
            next_check=Text(
                "Look whether the clump's labels mean the same; if not, compare their frequency and the number of "
                "updates they got.",
                "看小团内的标签含义是否相同；若不同，比较它们的频率和被更新的次数。",
            ),
            rows=space.positions[rows],
            labels=space.snapshot.labels,
            numbers={
                "num_clumps": len(clumps),
                "num_rows": len(rows),
                "share": share,
                "largest": len(largest.rows),
                "largest_distance": within,
                "typical_nearest_distance": usual,
                **numbers,
            },
            details=details,
        )
    ]


def _is_more_than_copies(space: Space, clump: Clump) -> bool:
    """Whether at least three different vectors are in it: copies are told of elsewhere."""
    block = space.points[clump.rows]
    return len(np.unique(block, axis=0)) >= _MIN_SIZE


def _in_distance(space: Space, straight: float) -> float:
    """Turn a straight-line distance into the graph's own distance."""
    return straight**2 / 2 if space.neighbors.distance == "cosine" else straight
