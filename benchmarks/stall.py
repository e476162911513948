"""Time that a snapshot holds the training thread, compared with a bare gather, or with a bare pass for a probe.

Memory is the additional memory of the training process since recording began.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import psutil
from _common import parser, report

from visualdl_embedding import EmbeddingCallback, Probe


class PeakMemory:
    """Highest resident size of this process, sampled every 2 ms."""

    def __enter__(self) -> PeakMemory:
        self.process = psutil.Process()
        self.before = self.peak = self.process.memory_info().rss
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def _sample(self) -> None:
        while not self._stop.wait(0.002):
            self.peak = max(self.peak, self.process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def megabytes(self) -> float:
        return (self.peak - self.before) / 1e6


class Encoder(paddle.nn.Layer):
    """Transformer of two layers, from ids to the state of the first position."""

    def __init__(self, num_rows: int, dim: int) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(num_rows, dim)
        self.encoder = paddle.nn.TransformerEncoder(paddle.nn.TransformerEncoderLayer(dim, 4, 4 * dim), 2)
        self.pooler = paddle.nn.Linear(dim, dim)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.pooler(self.encoder(self.word(ids))[:, 0])


def bare_gather(network: Any, rows: int) -> Callable[[], Any]:
    ids = np.arange(rows)

    def gather() -> Any:
        with paddle.no_grad():
            return paddle.gather(network.weight, paddle.to_tensor(ids)).numpy()

    return gather


def bare_pass(network: Any, ids: Any) -> Callable[[], Any]:
    inputs = paddle.to_tensor(ids)

    def forward() -> Any:
        network.eval()
        with paddle.no_grad():
            found = network(inputs).numpy()
        network.train()
        return found

    return forward


def measure(
    model: paddle.Model, bare_call: Callable[[], Any], snapshots: int, *, pause: float, **options: Any
) -> dict[str, float]:
    """Milliseconds of the bare call and of the callback's own hook, and the memory of recording."""
    with tempfile.TemporaryDirectory() as folder:
        callback = EmbeddingCallback(Path(folder, "run"), every_n_steps=1, drain_timeout=0, **options)
        callback.set_model(model)
        callback.set_params({"epochs": 1, "steps": None, "metrics": []})
        bare, held = [], []
        with PeakMemory() as memory:
            callback.on_train_begin()
            for step in range(snapshots):
                start = time.perf_counter()
                bare_call()
                bare.append(time.perf_counter() - start)
                time.sleep(pause)
                start = time.perf_counter()
                callback.on_train_batch_end(step)
                held.append(time.perf_counter() - start)
                time.sleep(pause)
            callback.on_train_end()
    return {
        "bare_median_ms": float(np.median(bare) * 1e3),
        "bare_p95_ms": float(np.percentile(bare, 95) * 1e3),
        "held_median_ms": float(np.median(held) * 1e3),
        "held_p95_ms": float(np.percentile(held, 95) * 1e3),
        "memory_mb": memory.megabytes,
    }


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--snapshots", type=int, default=200)
    arguments = options.parse_args()
    num_rows, dim, sizes, pause = 1_000_000, 128, [500, 2_000, 10_000], 0.05
    if arguments.quick:
        num_rows, sizes, arguments.snapshots, pause = 20_000, [100, 500], 5, 0.01
    logging.getLogger("visualdl_embedding").setLevel(logging.ERROR)
    model = paddle.Model(paddle.nn.Embedding(num_rows, dim))
    first_use = measure(model, bare_gather(model.network, sizes[0]), 3, pause=pause, rows=sizes[0])["memory_mb"]
    figures: dict[str, Any] = {"first_use_memory_mb": first_use}
    lines = []
    for rows in sizes:
        found = measure(model, bare_gather(model.network, rows), arguments.snapshots, pause=pause, rows=rows)
        allowed = 5 * rows * dim * 4 / 1e6 + 100
        figures[str(rows)] = {**found, "memory_allowed_mb": allowed}
        lines.append(
            [
                f"{rows:,}",
                *(f"{found[name]:.1f}" for name in list(found)[:4]),
                f"{found['held_p95_ms'] / found['bare_p95_ms']:.2f}",
                f"{found['memory_mb']:.0f} of {allowed:.0f}",
            ]
        )
    lines.append(["imports, once", *[""] * 5, f"{first_use:.0f}"])
    probed = paddle.Model(Encoder(20_000, dim))
    for rows in (50, 200) if arguments.quick else (50, 200, 1_000):
        ids = np.random.default_rng(0).integers(0, 20_000, (rows, 32))
        probes = {"sentences": Probe(ids, layer="pooler")}
        bare = bare_pass(probed.network, ids)
        found = measure(probed, bare, arguments.snapshots, pause=pause, tables=(), probes=probes)
        figures[f"probe {rows}"] = found
        ratio = f"{found['held_p95_ms'] / found['bare_p95_ms']:.2f}"
        numbers = (f"{found[name]:.1f}" for name in list(found)[:4])
        lines.append([f"probe of {rows:,} x 32", *numbers, ratio, f"{found['memory_mb']:.0f}"])
    report(
        f"Training thread held by each of {arguments.snapshots} snapshots, {num_rows:,} x {dim} (aim: p95 15 ms)",
        ["rows", "bare ms", "p95", "callback ms", "p95", "ratio of p95", "memory MB"],
        lines,
        figures=figures,
        options=arguments,
    )


if __name__ == "__main__":
    main()
