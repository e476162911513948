"""What ties, rounding and single long rows do to the numbers of two snapshots.

Nothing changes between the two snapshots except what each line says. Aim: an overlap of 1 and a displacement of 0 where
nothing that the dtype resolves has changed. The column of plain lists compares neighbor lists as sets, without ties.
"""

from __future__ import annotations

import numpy as np
from _common import parser, report

from visualdl_embedding.core.neighbors import Distance, nearest_neighbors
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import measure_pair
from visualdl_embedding.metrics import hubness, neighbor_overlap


def bfloat16(values: np.ndarray) -> np.ndarray:
    """Values rounded to bfloat16, as float32."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((bits + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def pairs(n: int, d: int) -> dict[str, tuple[np.ndarray, np.ndarray, Distance]]:
    """Two snapshots and the distance, by what differs between the snapshots."""
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(n, d)).astype(np.float32)
    copies = plain.copy()
    copies[: 3 * n // 5] = copies[0]
    long = plain.copy()
    long[7] *= np.float32(1e4)
    narrow = (100.3 + 1e-3 * rng.normal(size=(n, d))).astype(np.float32)
    return {
        "60% equal rows": (copies, copies, "cosine"),
        "one row times 10,000": (plain, long, "cosine"),
        "one row times 10,000, Euclidean distance": (plain, long, "euclidean"),
        "float16 copy": (plain, plain.astype(np.float16).astype(np.float32), "cosine"),
        "bfloat16 copy": (plain, bfloat16(plain), "cosine"),
        "float16 copy of a narrow space": (narrow, narrow.astype(np.float16).astype(np.float32), "cosine"),
        "another space": (plain, rng.normal(size=(n, d)).astype(np.float32), "cosine"),
    }


def main() -> None:
    """Measure every pair, with the rows of the second one in another order."""
    options = parser(__doc__.split("\n")[0]).parse_args()
    n, d = (100, 16) if options.quick else (500, 128)
    labels = tuple(map(str, range(n)))
    order = np.random.default_rng(1).permutation(n)
    rows, figures = [], {}
    for name, (then, now, distance) in pairs(n, d).items():
        before = Snapshot("word", 0, Rows(np.arange(n), labels), then)
        after = Snapshot("word", 1, Rows(order, tuple(labels[i] for i in order)), now[order])
        graph = nearest_neighbors(now, distance=distance)
        theirs = nearest_neighbors(then, distance=distance), nearest_neighbors(now[order], distance=distance)
        pair = measure_pair(before, after, distance=distance, neighbors=theirs)
        plain = float(neighbor_overlap(*pair.neighbors).mean())
        found = {
            "plain lists": plain,
            **pair.means,
            "hubness": hubness(graph, now),
            "plain hubness": hubness(graph),
        }
        figures[name] = found
        keys = ("plain lists", "neighbor_overlap", "displacement", "cka", "plain hubness", "hubness")
        rows.append([name, *(f"{found[key]:.3f}" for key in keys)])
    columns = ["what differs", "overlap of plain lists", "overlap", "displacement", "CKA", "plain hubness", "hubness"]
    report(f"Ties and rounding, {n} x {d}", columns, rows, figures=figures, options=options)


if __name__ == "__main__":
    main()
