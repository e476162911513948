"""Synthetic runs of any size, and the servers that serve them."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import psutil

from visualdl_embedding.analysis import Analysis, Config, Projection
from visualdl_embedding.core.neighbors import Neighbors
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.projection import draw_axes, fit_basis
from visualdl_embedding.store import TableStore

TABLE = "word"
ROOT = Path(__file__).resolve().parents[1]
OURS = ("-c", "from visualdl_embedding.server import serve; serve('runs', host='127.0.0.1', port=PORT)")
STOCK = (
    *("-m", "visualdl.server.app", "--logdir", "runs", "--host", "127.0.0.1", "--port", "PORT"),
    *("--language", "en", "--disable-telemetry"),
)
"""Command lines of the servers; both serve the folder ``runs`` of their working directory."""


def write_run(log_dir: Path, *, rows: int, dim: int, steps: Sequence[int], seed: int) -> None:
    """Store frames that move smoothly. Their size matters to a server, their content does not."""
    random = np.random.default_rng(seed)
    watched = Rows(
        np.arange(rows, dtype=np.int64),
        tuple(f"词语{i}" for i in range(rows)),
        columns={"group": tuple(f"组{i % 8}" for i in range(rows)), "frequency": tuple(map(str, range(rows)))},
    )
    table = Table(TABLE, num_rows=rows, dim=dim)
    store = TableStore.open_for_writing(log_dir, table, watched, config=Config(methods=("pca", "tsne")))
    vectors = random.normal(size=(rows, dim)).astype(np.float32)
    places = random.normal(size=(rows, 2)).astype(np.float32)
    basis = fit_basis(vectors[:2000], n_components=2)
    graph = Neighbors(
        random.integers(0, rows, (rows, 15), dtype=np.int32), np.zeros((rows, 15), dtype=np.float32), "cosine"
    )
    for frame, step in enumerate(steps):
        places = places + 0.05 * random.normal(size=places.shape).astype(np.float32)
        snapshot = Snapshot(TABLE, step, watched, np.roll(vectors, frame, axis=1))
        store.write_snapshot(snapshot)
        pca = basis.transform(snapshot.vectors, 2)
        projections = {
            "pca": Projection("pca", pca, {"basis_version": 1}, draw_axes(pca)[0], noise_floor=0.0),
            "tsne": Projection("tsne", places, {"perplexity": 30.0}, draw_axes(places)[0], noise_floor=0.05),
        }
        analysis = Analysis(
            TABLE,
            step,
            steps[frame - 1] if frame else None,
            steps[0],
            frame,
            graph,
            projections,
            scalars={"norm_mean": 1.0, "tsne/trustworthiness": 0.9},
            row_metrics={name: random.random(rows, np.float32) for name in ("norm", "neighbor_overlap")},
            basis=basis,
        )
        store.write_analysis(analysis)


def log_frames(log_dir: Path, source: Path, steps: Sequence[int]) -> None:
    """Log the maps of a stored run as VisualDL's embeddings."""
    from visualdl import LogWriter

    from visualdl_embedding import open_run

    run = open_run(source)
    rows = run.rows(TABLE)
    metadata = [list(rows.labels), list(rows.columns["group"])]
    with LogWriter(str(log_dir)) as writer:
        for step in steps:
            places = run.projection(TABLE, step, "tsne").coordinates
            writer.add_embeddings(f"{TABLE}/tsne/step_{step:09d}", places, metadata, ["label", "group"])


class Server:
    """A server process with one persistent connection, like that of a browser."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = psutil.Process(process.pid)
        self.port = port
        self.connection = self.connect()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)

    def ask(
        self, path: str, *, connection: http.client.HTTPConnection | None = None, packed: bool = True, **query: object
    ) -> tuple[float, int]:
        """Seconds and bytes of a response."""
        used = connection or self.connection
        start = time.perf_counter()
        headers = {"Accept-Encoding": "gzip"} if packed else {}
        used.request("GET", f"{path}?{urlencode(query)}", headers=headers)
        answer = used.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status, body[:200])
        return time.perf_counter() - start, len(body)

    @property
    def megabytes(self) -> float:
        """Resident size, including mapped files."""
        return float(self.process.memory_info().rss / 1e6)


@contextmanager
def served(arguments: Sequence[str], folder: Path) -> Iterator[tuple[Server, float]]:
    """Start a server on a free port. Yields it with the seconds until its first response."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    start = time.perf_counter()
    with open(folder / "output.txt", "ab") as output:
        process = subprocess.Popen(
            [sys.executable, *(part.replace("PORT", str(port)) for part in arguments)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        while not _listens(port):
            assert process.poll() is None, (folder / "output.txt").read_text(errors="replace")
            time.sleep(0.05)
        server = Server(process, port)
        server.ask("/app/scalar")
        yield server, time.perf_counter() - start
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
