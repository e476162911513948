"""Cost of a report of a saved model, compared with a script by hand.

Three parts. Each side runs in a fresh Python process and is measured from start to end, including imports.

- report: the whole report (page, pictures, tables, findings) of jieba's LAC table, compared with a script by hand that
  makes the same two pictures: scikit-learn's PCA and TSNE on all cores, matplotlib, and the trustworthiness of both.
  Same rows, same distance (cosine), alternated. The first report on a machine compiles its loops with numba and caches
  the machine code; it is measured separately, with an empty cache.
- checkpoint: finding the table in a ``.pdparams`` of 488 MiB and reading 500 rows, compared with ``paddle.load``.
  Seconds and memory are those of the call, without imports. The file is in the system's cache for both sides.
- large: a report of 500 rows of a table of 10,000,000 x 64 (2.6 GB, ``.npy``) with the counters of the whole table.

Memory is the peak resident size reported by the kernel (VmHWM), so this benchmark requires Linux.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path
from typing import Any

import numpy as np
from _common import parser
from _common import report as print_table

PARTS = ("report", "checkpoint", "large")
METHODS = ("pca", "tsne")
WATCHED = 500
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def jieba_table() -> Path:
    """Path of the table in the installed jieba. Its vocabulary, ``word.dic``, is two folders above."""
    return next(Path(str(f.locate())) for f in files("jieba") or () if f.match("lac_small/model_baseline/word_emb"))


def megabytes(field: str = "VmHWM") -> float:
    """Current (VmRSS) or peak (VmHWM) resident size of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(field))


# Functions of the child processes. Each takes JSON arguments from the parent and returns its measurements.


def ours(*, path: str, rows: int, output: str) -> dict[str, Any]:
    """Report with this library."""
    from visualdl_embedding.reports import report

    made = report(path, rows=rows, methods=METHODS)
    start = time.perf_counter()
    made.write(output, overwrite=True)
    return {"parts": {**made.seconds, "write": time.perf_counter() - start}, "counters": dict(made.counters)}


def by_hand(*, path: str, ids: str, output: str) -> dict[str, Any]:
    """Make the pictures of a report with a typical script."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE, trustworthiness

    parts = {}
    chosen = np.load(ids)
    values = np.fromfile(path, dtype="<f4", offset=os.path.getsize(path) % (128 * 4))
    vectors = values.reshape(-1, 128)[chosen]
    lines = (Path(path).parents[1] / "word.dic").read_text("utf-8").strip().split("\n")
    words = dict(line.split("\t")[:2] for line in lines)
    start = time.perf_counter()
    maps = {"pca": PCA(n_components=2, random_state=42).fit_transform(vectors)}
    maps["tsne"] = TSNE(metric="cosine", random_state=42, n_jobs=-1).fit_transform(vectors)
    parts["projections"] = time.perf_counter() - start
    start = time.perf_counter()
    trust = {m: trustworthiness(vectors, xy, n_neighbors=15, metric="cosine") for m, xy in maps.items()}
    parts["trustworthiness"] = time.perf_counter() - start
    start = time.perf_counter()
    plt.rcParams["font.sans-serif"] = ["Noto Sans CJK SC", "Noto Sans CJK JP", "DejaVu Sans"]
    for method, xy in maps.items():
        figure, axes = plt.subplots(figsize=(10, 8))
        axes.scatter(*xy.T, s=8)
        for i in range(0, len(chosen), max(1, len(chosen) // 28)):
            axes.annotate(words.get(str(chosen[i]), str(chosen[i])), xy[i])
        axes.set_title(f"{method}, trustworthiness {trust[method]:.3f}")
        figure.savefig(Path(output, f"{method}.png"), dpi=220)
        np.save(Path(output, f"{method}.npy"), xy)
    parts["write"] = time.perf_counter() - start
    return {"parts": parts}


def open_ours(*, path: str, ids: str, output: str) -> dict[str, Any]:
    """Find the table and read rows with this library."""
    from visualdl_embedding.files import choose_table, open_tables

    chosen, before, start = np.load(ids), megabytes("VmRSS"), time.perf_counter()
    tables = open_tables(path)
    listed = time.perf_counter() - start
    rows = choose_table(tables).read_rows(chosen)
    seconds = time.perf_counter() - start
    np.save(output, rows)
    return {"seconds": seconds, "listing": listed, "memory_mb": megabytes() - before}


def open_paddle(*, path: str, ids: str, output: str, return_numpy: bool) -> dict[str, Any]:
    """Load the checkpoint with Paddle and take rows."""
    import paddle

    chosen, before, start = np.load(ids), megabytes("VmRSS"), time.perf_counter()
    (table,) = paddle.load(path, return_numpy=return_numpy).values()
    rows = table[chosen] if return_numpy else paddle.gather(table, paddle.to_tensor(chosen)).numpy()
    seconds = time.perf_counter() - start
    np.save(output, rows)
    return {"seconds": seconds, "memory_mb": megabytes() - before}


def save_checkpoint(*, path: str, num_rows: int, dim: int) -> dict[str, Any]:
    """Save a model with one table with Paddle."""
    import paddle

    paddle.save(paddle.nn.Embedding(num_rows, dim).state_dict(), path)
    return {}


CHILDREN: dict[str, Callable[..., dict[str, Any]]] = {
    child.__name__: child for child in (ours, by_hand, open_ours, open_paddle, save_checkpoint)
}


def run(child: Callable[..., dict[str, Any]], *, cache: Path | None = None, **given: Any) -> dict[str, Any]:
    """Run a function in a fresh process. ``"wall"`` is its clock time in seconds, ``"cpu"`` that of all cores."""
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    command = [sys.executable, __file__, "--child", child.__name__, json.dumps(given)]
    print(f"{child.__name__} …", file=sys.stderr, flush=True)
    start = time.perf_counter()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    wall = time.perf_counter() - start
    if ended.returncode:
        raise SystemExit(f"{child.__name__} failed:\n{ended.stderr[-4000:]}")
    return {"wall": wall, **json.loads(ended.stdout.splitlines()[-1])}


def watched_ids(path: Path, rows: int) -> np.ndarray:
    """Ids of the rows that a report shows."""
    from visualdl_embedding.files import open_tables
    from visualdl_embedding.vocabulary import open_vocabulary, select_rows

    (stored,) = open_tables(path)
    words = open_vocabulary(stored.vocabulary, num_rows=stored.table.num_rows)
    return select_rows(words, rows=rows, num_rows=stored.table.num_rows).ids


def measure_report(rows: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Alternate both sides, check that they show the same rows, and measure both maps with scikit-learn."""
    from sklearn.manifold import trustworthiness

    path, cache = jieba_table(), folder / f"numba-{rows}"
    ids, output, theirs_at = watched_ids(path, rows), folder / "report", folder / "by_hand"
    theirs_at.mkdir(exist_ok=True)
    np.save(folder / "ids.npy", ids)
    first = run(ours, cache=cache, path=str(path), rows=rows, output=str(output))
    reports, scripts = [], []
    for _ in range(repeats):
        scripts.append(run(by_hand, path=str(path), ids=str(folder / "ids.npy"), output=str(theirs_at)))
        reports.append(run(ours, cache=cache, path=str(path), rows=rows, output=str(output)))
    vectors = np.fromfile(path, dtype="<f4", offset=path.stat().st_size % 512).reshape(-1, 128)[ids]
    with (output / "coordinates.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["id"]) for line in lines] == ids.tolist(), "both sides must show the same rows"
    trust = {}
    for method in METHODS:
        maps = {
            "ours": np.array([[float(line[f"{method}_{axis}"]) for axis in "xy"] for line in lines]),
            "by_hand": np.load(theirs_at / f"{method}.npy"),
        }
        trust[method] = {
            side: float(trustworthiness(vectors, xy, n_neighbors=15, metric="cosine")) for side, xy in maps.items()
        }
    walls = {"ours": [r["wall"] for r in reports], "by_hand": [s["wall"] for s in scripts]}
    return {
        "first_seconds": first["wall"],
        "ours_seconds": statistics.median(walls["ours"]),
        "by_hand_seconds": statistics.median(walls["by_hand"]),
        "ratio": statistics.median(walls["by_hand"]) / statistics.median(walls["ours"]),
        "ratio_of_first": statistics.median(walls["by_hand"]) / first["wall"],
        "trustworthiness": trust,
        "memory_mb": {"ours": reports[-1]["peak_mb"], "by_hand": scripts[-1]["peak_mb"]},
        "parts": {"ours": reports[-1]["parts"], "by_hand": scripts[-1]["parts"]},
        "walls": walls,
        "cpu": {"ours": [r["cpu"] for r in reports], "by_hand": [s["cpu"] for s in scripts]},
    }


def measure_checkpoint(num_rows: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Alternate the three ways to read rows of a checkpoint."""
    path, ids = folder / "model.pdparams", folder / "ids.npy"
    run(save_checkpoint, path=str(path), num_rows=num_rows, dim=128)
    np.save(ids, np.sort(np.random.default_rng(0).choice(num_rows, WATCHED, replace=False)))
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "paddle.load": [], "paddle.load, return_numpy": []}
    for _ in range(repeats):
        for name, runs in found.items():
            child, more = (open_ours, {}) if name == "ours" else (open_paddle, {"return_numpy": name.endswith("numpy")})
            rows = folder / f"{name}.npy"
            runs.append(run(child, path=str(path), ids=str(ids), output=str(rows), **more))
            assert np.array_equal(np.load(folder / "ours.npy"), np.load(rows)), f"{name} read different values"
    figures: dict[str, Any] = {
        name: {key: statistics.median(r[key] for r in runs) for key in runs[0]} for name, runs in found.items()
    }
    return {"bytes": path.stat().st_size, "sides": figures, "runs": found}


def measure_large(num_rows: int, folder: Path) -> dict[str, Any]:
    """Write a table in blocks, and make one report of it."""
    path, dim = folder / "large.npy", 64
    needed, free = num_rows * dim * 4, os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    if free < needed + 10**9:
        raise SystemExit(
            f"The temporary folder has {free / 1e9:.1f} GB left, but the benchmark needs {needed / 1e9 + 1:.1f} GB. "
            "Free disk space, or set TMPDIR to another folder."
        )
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (num_rows, dim)})
        for start in range(0, num_rows, 100_000):
            rng.standard_normal((min(100_000, num_rows - start), dim), dtype=np.float32).tofile(file)
    found = run(ours, path=str(path), rows=WATCHED, output=str(folder / "report"))
    assert found["counters"]["num_rows"] == num_rows
    path.unlink()
    return {"bytes": needed, **found}


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        measured = CHILDREN[sys.argv[2]](**json.loads(sys.argv[3]))
        spent = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({**measured, "cpu": spent.ru_utime + spent.ru_stime, "peak_mb": megabytes()}))
        return
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, nargs="+", default=[500, 5_000])
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    arguments = options.parse_args()
    num_rows, large_rows = 1_000_000, 10_000_000
    if arguments.quick:
        arguments.rows, arguments.repeats, num_rows, large_rows = [200], 1, 20_000, 100_000
    with tempfile.TemporaryDirectory() as work:
        measure(arguments, num_rows, large_rows, Path(work))


def measure(arguments: argparse.Namespace, num_rows: int, large_rows: int, folder: Path) -> None:
    """Measure the selected parts; print and write the figures."""
    lines: list[list[str]] = []
    figures: dict[str, Any] = {}
    if "report" in arguments.parts:
        for rows in arguments.rows:
            figures[f"report_{rows}"] = found = measure_report(rows, arguments.repeats, folder)
            trust = found["trustworthiness"]["tsne"]
            lines += [
                _line(f"report, {rows:,} rows: by hand", found, "by_hand", f"{trust['by_hand']:.4f}", "1.0"),
                _line(f"report, {rows:,} rows: ours", found, "ours", f"{trust['ours']:.4f}", f"{found['ratio']:.1f}"),
                [
                    f"report, {rows:,} rows: ours, first run on a machine",
                    f"{found['first_seconds']:.2f}",
                    "",
                    "",
                    f"{found['ratio_of_first']:.1f}",
                ],
            ]
    if "checkpoint" in arguments.parts:
        figures["checkpoint"] = found = measure_checkpoint(num_rows, arguments.repeats, folder)
        sides, megabytes_of_file = found["sides"], found["bytes"] / 2**20
        for name, side in sides.items():
            faster = sides["paddle.load"]["seconds"] / side["seconds"]
            title = f"checkpoint, {megabytes_of_file:,.0f} MiB: {name}"
            lines.append([title, f"{side['seconds']:.4f}", f"{side['memory_mb']:.1f}", "", f"{faster:.1f}"])
    if "large" in arguments.parts:
        figures["large"] = found = measure_large(large_rows, folder)
        counting = f"of these {found['parts']['source']:.1f} s counting"
        title = f"large, {large_rows:,} x 64: ours, {counting}"
        lines.append([title, f"{found['wall']:.2f}", f"{found['peak_mb']:.0f}", "", ""])
    print_table(
        f"Reports of saved models (median of {arguments.repeats})",
        ["what", "s", "peak MB", "t-SNE trust", "times faster"],
        lines,
        figures=figures,
        options=arguments,
    )
    print(
        "Aims: 3 times faster at 5,000 rows, trustworthiness not lower; checkpoint 10 times faster with a tenth of the"
    )
    print("memory; large under 600 MB. Seconds and memory of a checkpoint exclude imports, all others include them.")


def _line(title: str, found: dict[str, Any], side: str, trust: str, faster: str) -> list[str]:
    return [title, f"{found[f'{side}_seconds']:.2f}", f"{found['memory_mb'][side]:.0f}", trust, faster]


if __name__ == "__main__":
    main()
