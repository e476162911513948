"""Snapshot of a table that is spread over processes: seconds and memory of each, for different numbers of processes.

Each process holds the same number of rows of fleet's ``VocabParallelEmbedding``. A snapshot gathers 10,000 watched rows
of the whole table, of which each process holds its share, and joins them by one sum over gloo. Processes beyond the
number of cores take turns, which the last column shows: the seconds of processor time that a snapshot takes in one of
them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import parser, report

WATCHED = 10_000
REPETITIONS = 7


def peak_bytes() -> int:
    """Peak of this process's resident memory since `reset_peak`."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def reset_peak() -> int:
    """Let the peak begin at the memory of now, and return that."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def rank_main(folder: Path, rows: int, dim: int, watched: int) -> None:
    """Hold a part of a table, take snapshots together with the other processes, and write the figures of this one."""
    import paddle
    import paddle.distributed as dist
    from paddle.distributed.fleet.meta_parallel import VocabParallelEmbedding, get_rng_state_tracker

    from visualdl_embedding.models import open_model

    # Without fleet.init, whose groups beside that of all ranks often fail to connect over gloo.
    dist.init_parallel_env()
    get_rng_state_tracker().add("model_parallel_rng", 1)
    size = dist.get_world_size()
    begin = paddle.ParamAttr(initializer=paddle.nn.initializer.Constant(dist.get_rank() + 1.0))
    layer = VocabParallelEmbedding(rows * size, dim, weight_attr=begin, mp_group=dist.get_group(0))
    table = open_model(layer).table()
    ids = np.sort(np.random.default_rng(0).choice(rows * size, watched, replace=False))
    expected = ids // rows + 1.0
    table.read_rows(ids[:10])
    held = reset_peak()
    seconds, processor = [], []
    for _ in range(REPETITIONS):
        dist.barrier()
        start, used = time.perf_counter(), time.process_time()
        vectors = table.read_rows(ids)
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - used)
        assert (vectors == expected[:, None]).all()
    figures = {
        "seconds": statistics.median(seconds),
        "processor_seconds": statistics.median(processor),
        "held_bytes": held,
        "snapshot_bytes": peak_bytes() - held,
    }
    if dist.get_rank() == 0:
        figures["gather_rows_per_second"] = rate_of(lambda: table.reader._gather(ids[:watched] % rows), watched)
    block = paddle.zeros([watched, dim])
    dist.barrier()
    figures["sum_bytes_per_second"] = rate_of(lambda: dist.all_reduce(block), 4 * watched * dim)
    (folder / f"{dist.get_rank()}.json").write_text(json.dumps(figures))


def rate_of(action: Any, amount: int) -> float:
    seconds = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return amount / statistics.median(seconds)


def measure(size: int, rows: int, dim: int, watched: int) -> dict[str, Any]:
    """Figures of `size` processes: the slowest time, the largest memory."""
    with tempfile.TemporaryDirectory() as folder:
        launch = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(size), "--log_dir", f"{folder}/log"]
        mine = [__file__, "--rank-of", folder, str(rows), str(dim), str(watched)]
        done = subprocess.run([sys.executable, *launch, *mine], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{size} processes failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        found = [json.loads((Path(folder) / f"{rank}.json").read_text()) for rank in range(size)]
    return {name: max(figures[name] for figures in found if name in figures) for name in found[0]}


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--processes", type=int, nargs="+", default=[2, 4, 8])
    options.add_argument("--rows", type=int, default=2_000_000, help="rows of each process")
    options.add_argument("--dim", type=int, default=64)
    chosen = options.parse_args()
    if chosen.quick:
        chosen.processes, chosen.rows = [2], 20_000
    figures: dict[str, Any] = {}
    lines = []
    for size in chosen.processes:
        found = figures[str(size)] = measure(size, chosen.rows, chosen.dim, WATCHED)
        lines.append(
            (
                f"{size} x {chosen.rows:,} x {chosen.dim}",
                f"{1e3 * found['seconds']:.1f}",
                f"{found['held_bytes'] / 2**20:,.0f}",
                f"{found['snapshot_bytes'] / 2**20:.1f}",
                f"{found['gather_rows_per_second'] / 1e6:.2f}",
                f"{found['sum_bytes_per_second'] / 2**20:.0f}",
                f"{1e3 * found['processor_seconds']:.1f}",
            )
        )
    report(
        f"Snapshot of {WATCHED:,} watched rows, per process",
        ["processes", "ms", "MiB held", "MiB more", "M rows/s gathered", "MiB/s summed", "ms of processor"],
        lines,
        figures=figures,
        options=chosen,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank-of"]:
        rank_main(Path(sys.argv[2]), *map(int, sys.argv[3:]))
    else:
        main()
