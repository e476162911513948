"""Small runs that really were analyzed, for the tests of the server; and a client of a program that runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from visualdl_embedding.analysis import Config, State, analyze
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.store import TableStore

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Config(methods=("pca", "tsne"), n_components=(2, 3), n_neighbors=5, perplexity=5.0, noise_floor_every=0)
STEPS = (0, 50, 100)
PREFIX = "/app/embeddings/api/v1/"
PATIENCE_SECONDS = 120


def make_rows(n: int = 60, *, first: int = 0) -> Rows:
    labels = tuple(f"词{i}" for i in range(first, first + n))
    return Rows(
        ids=np.arange(first + 1, first + n + 1, dtype=np.int64),
        labels=labels,
        columns={"group": tuple(("positive", "negative", "")[i % 3] for i in range(n)), "frequency": ("5",) * n},
        watch=labels[:2],
        how=f"the {n} most frequent",
    )


def vectors_at(step: int, n: int, dim: int, *, seed: int = 0) -> np.ndarray:
    """Three clusters that part while steps go on."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(3, dim))
    noise = rng.normal(size=(n, dim))
    drift = np.random.default_rng(seed + step + 1).normal(size=(n, dim))
    return (centers[np.arange(n) % 3] * step / 50 + noise + 0.1 * drift).astype(np.float32)


@dataclass
class Writer:
    """A run that grows."""

    store: TableStore
    rows: Rows
    dim: int
    seed: int = 0
    state: State = field(default_factory=State)

    def write(self, step: int, *, analyzed: bool = True) -> Snapshot:
        vectors = vectors_at(step, len(self.rows), self.dim, seed=self.seed)
        snapshot = Snapshot(self.store.description.table.name, step, self.rows, vectors)
        self.store.write_snapshot(snapshot)
        if analyzed:
            self.analyze(snapshot)
        return snapshot

    def analyze(self, snapshot: Snapshot) -> None:
        analysis, self.state = analyze(snapshot, self.state, self.store.description.config)
        self.store.write_analysis(analysis)


def begin(
    log_dir: Path,
    *,
    table: str = "word",
    rows: Rows | None = None,
    dim: int = 8,
    seed: int = 0,
    config: Config = CONFIG,
) -> Writer:
    rows = rows or make_rows()
    store = TableStore.open_for_writing(log_dir, Table(table, num_rows=1000, dim=dim), rows, config=config)
    return Writer(store, rows, dim, seed)


def make_run(log_dir: Path, *, steps: Sequence[int] = STEPS, loss: bool = True, **options: Any) -> Writer:
    """A finished run, with ``train/loss`` in VisualDL's file beside it."""
    writer = begin(log_dir, **options)
    for step in steps:
        writer.write(step)
    if loss:
        write_scalars(log_dir, {"train/loss": [(step, 1 / (1 + step)) for step in range(0, 101, 10)]})
    return writer


def write_scalars(log_dir: Path, scalars: dict[str, list[tuple[int, float]]], **options: Any) -> Path:
    from visualdl import LogWriter

    with LogWriter(str(log_dir), **options) as writer:
        for tag, points in scalars.items():
            for step, value in points:
                writer.add_scalar(tag, value, step)
    return sorted(log_dir.glob("*vdlrecords*"))[-1]


def write_embeddings(log_dir: Path, tag: str, matrix: np.ndarray, **options: Any) -> Path:
    from visualdl import LogWriter

    labels = [[f"label{i}" for i in range(len(matrix))], ["x"] * len(matrix)]
    with LogWriter(str(log_dir), **options) as writer:
        writer.add_embeddings(tag, matrix, labels, ["label", "kind"])
    return sorted(log_dir.glob("*vdlrecords*"))[-1]


def drifted(writer: Writer, step: int) -> Snapshot:
    """The snapshot of a step, as it was written."""
    vectors = vectors_at(step, len(writer.rows), writer.dim, seed=writer.seed)
    return replace(Snapshot("word", step, writer.rows, vectors))


@dataclass
class Client:
    """Asks a program that runs."""

    address: str
    process: subprocess.Popen[bytes]

    def raw(self, path: str, /, *, headers: dict[str, str] | None = None, **query: Any) -> tuple[int, bytes, Any]:
        """Status, body and headers; an error of HTTP is an answer."""
        url = self.address + path + (f"?{urllib.parse.urlencode(query)}" if query else "")
        asked = urllib.request.Request(url, headers={"Accept-Language": "en", **(headers or {})})
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers

    def api(self, endpoint: str, /, **query: Any) -> Any:
        """Ask our API for JSON."""
        status, body, _ = self.raw(f"/app/embeddings/api/v1/{endpoint}", **query)
        assert status in (200, 202), body
        return json.loads(body)

    def stock(self, path: str, /, **query: Any) -> Any:
        """Ask VisualDL's API."""
        status, body, _ = self.raw(f"/app/api/{path}", **query)
        assert status == 200, body
        answer = json.loads(body)
        assert answer["status"] == 0, answer
        return answer["data"]

    def tags(self, kind: str) -> dict[str, set[str]]:
        found = self.stock(f"{kind}/tags")
        return {run: set(tags) for run, tags in zip(found["runs"], found["tags"], strict=True)}


@contextmanager
def program(kind: str, folder: Path, *log_dirs: str, wait: bool = True, **options: Any) -> Iterator[Client]:
    """Run ``"stock"`` VisualDL or ``"ours"`` in a folder; leaves no process behind."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"cache_timeout": 0.5, **options}
    if kind == "stock":
        command = ["-m", "visualdl.server.app", "--logdir", *log_dirs, "--host", "127.0.0.1", "--port", str(port)]
        command += ["--disable-telemetry", "--cache-timeout", str(options["cache_timeout"])]
        if options.get("language"):
            command += ["--language", options["language"]]
    else:
        options = {"host": "127.0.0.1", **options}
        call = f"serve({list(log_dirs)!r}, port={port}, **{options!r})"
        command = ["-c", f"from visualdl_embedding.server import serve\n{call}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # Into a file: a pipe that nobody reads would stop a talkative server.
    with open(folder / f"{kind}-{port}.log", "w+b") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A shell's background job, which a test run may be, has Ctrl-C switched off for all its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        client = Client(f"http://127.0.0.1:{port}", process)
        try:
            if wait:
                _wait(client, folder / f"{kind}-{port}.log")
            yield client
        finally:
            # Stock VisualDL does not end when it is asked to.
            process.kill()
            process.wait()


def _wait(client: Client, output: Path) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{client.address}/alive", timeout=20):
                return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            if client.process.poll() is not None or time.monotonic() > give_up:
                said = output.read_text(errors="replace")
                raise AssertionError(f"It did not start (exit code {client.process.poll()}):\n{said}") from None
            time.sleep(0.1)


def within(seconds: float, holds: Any) -> float:
    """Poll until something holds; gives the seconds that it took."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, f"It did not come to hold within {seconds} s."
        time.sleep(0.05)
    return time.monotonic() - start


def ask(client: FlaskClient, endpoint: str, /, **query: Any) -> Any:
    answer = client.get(PREFIX + endpoint, query_string=query)
    assert answer.status_code in (200, 202), answer.text
    assert answer.mimetype == "application/json"
    return json.loads(answer.data, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
