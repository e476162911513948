"""What ties, rounding and single long rows do to the numbers of two snapshots.

Nothing changes between the two snapshots except what each line says. Aim: an overlap of 1 and a displacement of 0 where
nothing that the dtype resolves has changed. The column of plain lists compares neighbor lists as sets, without ties.

A second table has the processor time of an overlap on one thread, if one graph has a neighbor more than the overlap
compares, as in an analysis, and if it has not. Aim: 30 ms for 10,000 rows of which few have ties.
"""

from __future__ import annotations

import time
from argparse import Namespace

import numpy as np
from _common import parser, report
from threadpoolctl import threadpool_limits

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


def measure_times(options: Namespace) -> dict[str, dict[str, float]]:
    """Measure the processor time of an overlap by the share of rows with ties."""
    n, d = (500, 16) if options.quick else (10_000, 128)
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(n, d)).astype(np.float32)
    noise = np.float32(0.3) * rng.normal(size=(n, d)).astype(np.float32)
    rows, figures = [], {}
    for share in (0.0, 0.02, 0.6):
        equal = np.arange(n) < share * n
        then = np.where(equal[:, None], plain[0], plain)
        now = np.where(equal[:, None], plain[0], plain + noise)
        a, b = nearest_neighbors(then), nearest_neighbors(now, 16)
        milliseconds = {}
        for name, graphs, vectors in (
            ("plain lists", (a, b), None),
            ("a wider graph", (a, b), (then, now)),
            ("equal widths", (a, b.first(15)), (then, now)),
        ):
            taken = []
            for _ in range(1 if options.quick else 7):
                with threadpool_limits(1):
                    start = time.process_time()
                    neighbor_overlap(*graphs, vectors=vectors)
                    taken.append(1000 * (time.process_time() - start))
            milliseconds[name] = min(taken)
        figures[f"{share:.0%}"] = milliseconds
        rows.append([f"{share:.0%} equal rows", *(f"{value:.0f}" for value in milliseconds.values())])
    columns = [f"{n:,} x {d}, all other rows moved", "plain lists, ms", "a wider graph, ms", "equal widths, ms"]
    report("Time of an overlap", columns, rows, figures=figures, options=Namespace(quick=options.quick, json=None))
    return figures


def main() -> None:
    """Measure every pair, with the rows of the second one in another order, and the time of an overlap."""
    options = parser(__doc__.split("\n")[0]).parse_args()
    times = measure_times(options)
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
    report(f"Ties and rounding, {n} x {d}", columns, rows, figures={"milliseconds": times, **figures}, options=options)


if __name__ == "__main__":
    main()
