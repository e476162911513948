"""Response times and memory of the server, compared with VisualDL's stock server.

Both serve the same points: two runs of 50 frames. VisualDL's page requests a list, then labels and vectors of one
frame. Our page requests runs, rows and a frame, and for each further step only a frame.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from _common import parser, report
from _servers import OURS, STOCK, TABLE, Server, log_frames, served, write_run

API = "/app/embeddings/api/v1"
RUNS = ("a", "b")
CLIENTS = 50


def frame(server: Server, run: str, step: int, **more: Any) -> float:
    """Seconds of one frame."""
    projection = more.pop("projection", "tsne")
    return server.ask(f"{API}/frame", run=run, table=TABLE, step=step, projection=projection, **more)[0]


def one_after_the_other(server: Server, steps: list[int]) -> dict[str, float]:
    """Response times for a single page."""
    before = server.megabytes
    listed, _ = server.ask(f"{API}/runs")
    # A page requests these three in parallel. One after the other is an upper bound.
    rows, size = server.ask(f"{API}/rows", run="a", table=TABLE)
    info, _ = server.ask(f"{API}/frame-info", run="a", table=TABLE, step=steps[-1], projection="tsne")
    first = frame(server, "a", steps[-1])
    further = [frame(server, run, step) for run in RUNS for step in steps][:-1]
    pca = [frame(server, run, step, projection="pca") for run in RUNS for step in steps]
    again = [frame(server, "a", step) for step in steps]
    metrics = [server.ask(f"{API}/row-metric", run="a", table=TABLE, step=step, name="norm")[0] for step in steps]
    status = [server.ask(f"{API}/status")[0] for _ in range(20)]
    near = [server.ask(f"{API}/neighbors", run="a", table=TABLE, step=step, row=7)[0] for step in steps[:10]]
    timeline, _ = server.ask(f"{API}/neighbor-timeline", run="a", table=TABLE, row=7)
    one = [server.ask(f"{API}/row", run="a", table=TABLE, step=step, row=7)[0] for step in steps]
    return {
        "runs_ms": listed * 1e3,
        "rows_ms": rows * 1e3,
        "rows_kb": size / 1e3,
        "first_frame_ms": first * 1e3,
        "to_first_picture_ms": (listed + rows + info + first) * 1e3,
        **_spread("further_frame", further),
        **_spread("pca_frame", pca),
        **_spread("frame_again", again),
        **_spread("row_metric", metrics),
        **_spread("status", status),
        **_spread("neighbors", near),
        **_spread("row", one),
        "timeline_ms": timeline * 1e3,
        "memory_start_mb": before,
        "memory_mb": server.megabytes,
    }


def studies(server: Server, steps: list[int]) -> dict[str, float]:
    """Slow requests: findings and clusters, the first time, at another step, and repeated."""
    found = {}
    for name in ("findings", "clusters"):
        asked = [server.ask(f"{API}/{name}", run="a", table=TABLE, step=step)[0] for step in (*steps[-2:], steps[-1])]
        found |= {f"{name}{when}_s": seconds for when, seconds in zip(("", "_next", "_again"), asked, strict=True)}
    return {**found, "memory_studies_mb": server.megabytes}


def many_at_once(server: Server, steps: list[int]) -> dict[str, float]:
    """Concurrent clients, each requesting every step of one run."""

    def client(number: int) -> list[float]:
        connection = server.connect()
        order = np.random.default_rng(number).permutation(steps)
        found = [frame(server, RUNS[number % 2], int(step), connection=connection) for step in order]
        connection.close()
        return found

    start = time.perf_counter()
    peak = 0.0
    with ThreadPoolExecutor(CLIENTS) as pool:
        waiting = [pool.submit(client, number) for number in range(CLIENTS)]
        while not all(future.done() for future in waiting):
            peak = max(peak, server.megabytes)
            time.sleep(0.02)
    seconds = time.perf_counter() - start
    found = [value for future in waiting for value in future.result()]
    return {**_spread("clients", found), "frames_per_second": len(found) / seconds, "memory_clients_mb": peak}


def stock(server: Server, started: float) -> dict[str, float]:
    """Response times for VisualDL's own page with these points."""
    name = f"runs/a/{TABLE}/tsne/step_000000000"
    listed, _ = server.ask("/app/api/embedding/list")
    labels, _ = server.ask("/app/api/embedding/metadata", name=name)
    tensor, _ = server.ask("/app/api/embedding/tensor", name=name)
    return {
        "stock_start_s": started,
        "stock_list_ms": listed * 1e3,
        "stock_first_ms": (labels + tensor) * 1e3,
        "stock_memory_mb": server.megabytes,
    }


def _spread(name: str, seconds: list[float]) -> dict[str, float]:
    return {
        f"{name}_median_ms": float(np.median(seconds) * 1e3),
        f"{name}_p95_ms": float(np.percentile(seconds, 95) * 1e3),
    }


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    arguments = options.parse_args()
    rows, dim, frames = (500, 16, 5) if arguments.quick else (50_000, 128, 50)
    steps = [100 * frame for frame in range(frames)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for seed, run in enumerate(RUNS):
            write_run(folder / "runs" / run, rows=rows, dim=dim, steps=steps, seed=seed)
        with served(OURS, folder) as (server, started):
            found = {"start_s": started, **one_after_the_other(server, steps), **many_at_once(server, steps)}
            # Last, because their memory use would be counted for the frames.
            found |= studies(server, steps)
        (folder / "stock").mkdir()
        for run in RUNS:
            log_frames(folder / "stock" / "runs" / run, folder / "runs" / run, steps)
        with served(STOCK, folder / "stock") as (server, started):
            found |= stock(server, started)
    lines = [
        ["start, s", f"{found['start_s']:.1f}", "", f"{found['stock_start_s']:.1f}"],
        ["list of runs and frames, ms", f"{found['runs_ms']:.0f}", "", f"{found['stock_list_ms']:.0f}"],
        ["first frame, ms", f"{found['first_frame_ms']:.0f}", "300", ""],
        ["runs, rows and first frame, ms", f"{found['to_first_picture_ms']:.0f}", "300", ""],
        ["labels and vectors of a frame, ms", "", "", f"{found['stock_first_ms']:.0f}"],
        *[
            [f"{label}, ms (p95)", f"{found[f'{name}_median_ms']:.1f} ({found[f'{name}_p95_ms']:.1f})", aim, ""]
            for name, label, aim in (
                ("further_frame", "each further frame", "60"),
                ("pca_frame", "each further frame of PCA", "60"),
                ("frame_again", "a repeated frame", ""),
                ("row_metric", "one metric of all rows", ""),
                ("row", "all metrics of a row", ""),
                ("status", "status", ""),
                ("neighbors", "neighbors of a row", ""),
                ("clients", f"a frame, {CLIENTS} clients at once", ""),
            )
        ],
        [f"neighbors over {frames} steps, ms", f"{found['timeline_ms']:.0f}", "", ""],
        *[
            [f"{name}{label}, s", f"{found[f'{name}{when}_s']:.3g}", "", ""]
            for name in ("findings", "clusters")
            for when, label in (("", ", first request"), ("_next", ", another step"), ("_again", ", repeated"))
        ],
        [f"frames a second, {CLIENTS} clients", f"{found['frames_per_second']:.0f}", "", ""],
        ["memory after the start, MB", f"{found['memory_start_mb']:.0f}", "", ""],
        ["memory after all frames, MB", f"{found['memory_mb']:.0f}", "", f"{found['stock_memory_mb']:.0f}"],
        [f"memory with {CLIENTS} clients, MB", f"{found['memory_clients_mb']:.0f}", "", ""],
        ["memory after findings and clusters, MB", f"{found['memory_studies_mb']:.0f}", "", ""],
    ]
    report(
        f"{rows:,} points x {frames} frames x {len(RUNS)} runs, loopback",
        ["", "ours", "aim", "stock VisualDL"],
        lines,
        figures=found,
        options=arguments,
    )


if __name__ == "__main__":
    main()
