"""Detectors of rows with unusable, equal or nearly equal values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.distance import SHORTEST
from visualdl_embedding.core.duplicates import equal_rows, groups_of
from visualdl_embedding.core.neighbors import normalize
from visualdl_embedding.core.precision import dtype_of
from visualdl_embedding.core.text import Text
from visualdl_embedding.findings._advice import Advice, texts
from visualdl_embedding.findings._finding import EMPTY, Finding, Severity, name_some, percent, rounded
from visualdl_embedding.findings._shared import Space

__all__ = [
    "Clump",
    "find_clumps",
    "find_duplicates",
    "find_nonfinite",
    "find_zero_rows",
    "intrinsic_dimension",
    "tight_clumps",
]

_MANY = 0.1
"""Share of watched rows above which zero or duplicate rows are critical."""
_NONFINITE = Advice(
    check="Find the first snapshot or checkpoint in which these rows are not finite, and check the loss there.",
    check_zh="找到这些行首次出现非有限值的快照或检查点，查看当时的损失。",
    causes=texts(
        "Diverged training: learning rate too high, no gradient clipping, overflow in float16.",
        "训练发散：学习率过高、没有梯度裁剪、float16 溢出。",
        "A loss that divides by zero or takes the logarithm of zero for some samples.",
        "某些样本使损失函数除以零或对零取对数。",
    ),
)
_ZERO = Advice(
    check="Compare with padding_idx; then check whether these tokens occur in the training data.",
    check_zh="与 padding_idx 对照，再检查这些词是否出现在训练数据中。",
    causes=texts(
        "The padding row, which the layer keeps at zero.",
        "填充行（padding_idx），嵌入层将其保持为零。",
        "Rows initialized to zero and never trained, or pruned afterwards.",
        "初始化为零且从未训练的行，或事后被剪枝的行。",
        "Values too small for float16, rounded to zero when the model was saved.",
        "数值过小，保存为 float16 时被舍入为零。",
    ),
)
_DUPLICATES = Advice(
    check="Check whether the ids of these labels differ, and whether the tokens occur in the training data.",
    check_zh="检查这些标签的 id 是否不同，以及它们是否出现在训练数据中。",
    causes=texts(
        "Rows filled with a default vector (the mean, or that of the unknown token) when the vocabulary was extended.",
        "扩充词表时用同一个默认向量（均值或未登录词的向量）填充。",
        "Rows initialized to a constant and never trained.",
        "初始化为同一常数、此后从未训练的行。",
        "Two labels mapped to the same row by the vocabulary.",
        "词表把两个标签映射到同一行。",
    ),
)
CHANCE = 0.01
"""Expected number of rows that are this near to two others by chance, in a space of uniform density."""
_CLOSEST = 0.5
"""Maximum distance within a clump, as a share of the typical nearest-neighbor distance, in any dimension."""
_MIN_ROWS = 20
_MIN_SIZE = 3
_COINCIDE = 0.25
"""Distance within a clump, as the same share, above which it is informational: the words of fixed phrases have 0.38."""
_LARGE = 0.05
"""Share of all rows above which a single clump is critical: part of the table has collapsed."""
_CLUMPS = Advice(
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


def _severity(share: float) -> Severity:
    """Severity for a share of the watched rows; rows elsewhere in the table are informational."""
    return "critical" if share >= _MANY else "warning" if share else "info"


def _whole_table(space: Space, name: str) -> tuple[Text, dict[str, float]]:
    """Describe a counter of the whole table, if it is known."""
    count = space.counters.get(name)
    if count is None or not np.isfinite(count):
        return EMPTY, {}
    total = space.counters.get("num_rows")
    of, of_zh = (f" of {int(total):,}", f"（共 {int(total):,} 行）") if total else ("", "")
    note = Text(f"In the whole table: {int(count):,}{of}.", f"整张表中有 {int(count):,} 行{of_zh}。")
    return note, {f"table_{name}": float(count)}


def find_nonfinite(space: Space) -> Iterator[Finding]:
    """Find rows with NaN or inf among the watched rows or, by the counters, in the whole table."""
    rows = np.flatnonzero(~space.snapshot.valid)
    note, numbers = _whole_table(space, "nonfinite_rows")
    if not len(rows) and not numbers.get("table_nonfinite_rows"):
        return
    n = len(space.snapshot.rows)
    names = name_some([space.snapshot.labels[i] for i in rows])
    here = Text(
        f"{len(rows):,} of {n:,} watched rows contain NaN or inf: {names.en}.",
        f"观察的 {n:,} 行中有 {len(rows):,} 行含 NaN 或 inf：{names.zh}。",
    )
    none = Text("None of the watched rows contains NaN or inf.", "观察的行中没有 NaN 或 inf。")
    yield space.finding(
        "nonfinite_rows",
        "critical",
        Text("Rows with NaN or inf", "含 NaN 或 inf 的行"),
        (here if len(rows) else none) + note,
        _NONFINITE,
        positions=rows,
        numbers={"num_rows": len(rows), "share": len(rows) / n if n else 0.0, **numbers},
    )


def find_zero_rows(space: Space) -> Iterator[Finding]:
    """Find rows without a direction among the watched rows or, by the counters, zero rows in the whole table."""
    snapshot = space.snapshot
    rows = np.flatnonzero(snapshot.valid & ~snapshot.directed)
    note, numbers = _whole_table(space, "zero_rows")
    # A single zero row in the table is the padding row.
    if not len(rows) and numbers.get("table_zero_rows", 0) < 2:
        return
    share = len(rows) / max(1, int(snapshot.valid.sum()))
    names = name_some([snapshot.labels[i] for i in rows])
    exact = not snapshot.vectors[rows].any()
    what = "every value is exactly 0" if exact else f"the norm is below {SHORTEST:.1g}"
    what_zh = "所有值恰好为 0" if exact else f"范数小于 {SHORTEST:.1g}"
    here = Text(
        f"{names.en}: {what} ({percent(share)} of the watched rows).",
        f"{names.zh}：{what_zh}（占观察行的 {percent(share)}）。",
    )
    yield space.finding(
        "zero_rows",
        _severity(share),
        Text(f"Zero rows: {len(rows):,}", f"全为零的行：{len(rows):,}"),
        (here if len(rows) else Text("None of the watched rows is zero.", "观察的行中没有零向量。"))
        + note
        + Text("A zero row has no direction, so by cosine it has no neighbors.", "零向量没有方向，因此没有余弦近邻。"),
        _ZERO,
        positions=rows,
        numbers={"num_rows": len(rows), "share": share, **numbers},
    )


def find_duplicates(space: Space) -> Iterator[Finding]:
    """Find labels with equal vectors among the watched rows or, by the counters, in the whole table.

    Vectors are equal if they coincide within the resolution of their values (`core.duplicates`).

    Zero rows are reported separately.
    """
    pieces = space.snapshot.rows.pieces

    def made_of(row: int) -> tuple[int, ...]:
        return tuple(sorted(pieces.get(int(space.positions[row]), (-1 - row,))))

    # Words composed of the same pieces are always equal.
    groups = [group for group in groups_of(space.first) if len(set(map(made_of, group.tolist()))) > 1]
    note, numbers = _whole_table(space, "duplicate_rows")
    if not groups and not numbers.get("table_duplicate_rows"):
        return
    rows = np.concatenate([np.zeros(0, dtype=np.intp), *groups])
    share = len(rows) / len(space)
    one_id = sum(len(set(space.snapshot.ids[space.positions[group]].tolist())) == 1 for group in groups)
    examples = name_some([" = ".join(space.labels[i] for i in group[:3]) for group in groups], 3)
    evidence = Text("No two of the watched rows are equal.", "观察的行中没有两行相同。")
    if groups:
        exact = len(np.unique(equal_rows(space.vectors[rows]))) == len(groups)
        dtype = dtype_of(space.vectors)
        plural = "s" if len(groups) > 1 else ""
        is_cosine = not exact and space.neighbors.distance == "cosine"
        what = ("direction" if is_cosine else "vector") + plural
        what_zh = "方向" if is_cosine else "向量"
        how = "with equal bits" if exact else f"at the resolution of {dtype}"
        how_zh = "每一位都相同" if exact else f"差别小于 {dtype} 的分辨率"
        evidence = Text(
            f"{len(rows):,} rows ({percent(share)}) have only {len(groups):,} distinct {what} {how}: {examples.en}.",
            f"{len(rows):,} 行（{percent(share)}）只有 {len(groups):,} 个不同的{what_zh}，{how_zh}：{examples.zh}。",
        )
    if one_id:
        evidence += Text(
            f"{one_id:,} of these groups are one table row with several labels.",
            f"其中 {one_id:,} 组是表中同一行对应多个标签。",
        )
    yield space.finding(
        "duplicate_rows",
        _severity(share),
        Text(f"Duplicate rows: {len(rows):,}", f"重复的行：{len(rows):,}"),
        evidence + note,
        _DUPLICATES,
        rows=rows,
        numbers={"num_rows": len(rows), "num_groups": len(groups), "share": share, **numbers},
        details=[f"{len(group)} × {space.names(group, 12).en}" for group in groups],
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
    is_cosine = space.neighbors.distance == "cosine"
    points = normalize(space.vectors) if is_cosine else space.vectors
    clumps, typical = tight_clumps(points, space.neighbors.indices, space.steps)
    # Duplicates are reported separately.
    clumps = [clump for clump in clumps if len(np.unique(space.first[clump.rows])) >= _MIN_SIZE]
    if not clumps:
        return
    measure, measure_zh = ("1 - cosine", "1 - 余弦") if is_cosine else ("Euclidean", "欧氏距离")

    def converted(straight: float) -> float:
        """Convert a Euclidean distance to the graph's distance."""
        return straight**2 / 2 if is_cosine else straight

    largest, within, usual = clumps[0].rows, converted(clumps[0].apart), converted(typical)
    rows = np.concatenate([clump.rows for clump in clumps])
    share = len(rows) / n
    names = space.names(largest)
    coincide = min(clump.apart for clump in clumps) <= _COINCIDE * typical
    yield space.finding(
        "tight_clumps",
        "critical" if len(largest) >= max(_LARGE * n, 10) else "warning" if coincide else "info",
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
        _CLUMPS,
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
