"""Overhead of the callback in a real `paddle.Model.fit`, with and without the callback, alternated in one run.

Measures from `on_train_begin` to the end of the last batch. The wait for the last analyses at the end of training is
reported separately.
"""

from __future__ import annotations

import gc
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from _common import parser, report

from visualdl_embedding import open_run
from visualdl_embedding.callbacks import EmbeddingCallback


class Model(paddle.nn.Layer):
    def __init__(self, num_rows: int, dim: int) -> None:
        super().__init__()
        self.embedding = paddle.nn.Embedding(num_rows, dim, sparse=True)
        self.hidden = paddle.nn.Linear(dim, 64)
        self.head = paddle.nn.Linear(64, 2)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.head(paddle.nn.functional.relu(self.hidden(self.embedding(ids).mean(axis=1))))


class Samples(paddle.io.Dataset):
    """Ids of a long-tailed vocabulary; the class is the parity of the first id."""

    def __init__(self, num_rows: int, n: int) -> None:
        rng = np.random.default_rng(0)
        self.ids = np.minimum(rng.zipf(1.3, (n, 32)) - 1, num_rows - 1).astype("int64")

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        return self.ids[i], self.ids[i, :1] % 2

    def __len__(self) -> int:
        return len(self.ids)


class Clock(paddle.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[float] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.begun = time.perf_counter()

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        self.batches.append(time.perf_counter())


def train(num_rows: int, dim: int, steps: int, callback: Any) -> tuple[float, float]:
    """Seconds from `on_train_begin` to the end of the last batch, and from there to the end of `fit`."""
    paddle.seed(0)
    model = paddle.Model(Model(num_rows, dim))
    optimizer = paddle.optimizer.Adam(1e-3, parameters=model.parameters(), lazy_mode=True)
    model.prepare(optimizer, paddle.nn.CrossEntropyLoss())
    clock = Clock()
    # The clock starts before the callback's on_train_begin and stops after its on_train_batch_end.
    first, last = clock, Clock()
    callbacks = [first, *([callback] if callback else []), last]
    model.fit(Samples(num_rows, steps * 64), batch_size=64, epochs=1, verbose=0, callbacks=callbacks)
    done = time.perf_counter()
    # The table and its two moments take 1.5 GB and are kept alive by reference cycles.
    del model, optimizer, callbacks
    gc.collect()
    return last.batches[-1] - first.begun, done - last.batches[-1]


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=2_000)
    options.add_argument("--steps", type=int, default=1_500)
    options.add_argument("--repeats", type=int, default=5)
    arguments = options.parse_args()
    num_rows, dim, every = 1_000_000, 128, 50
    if arguments.quick:
        num_rows, arguments.rows, arguments.steps, arguments.repeats = 10_000, 100, 60, 1
    logging.getLogger("visualdl_embedding").setLevel(logging.ERROR)
    without, with_it, waits, analyzed = [], [], [], []
    train(num_rows, dim, 20, None)
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(arguments.repeats):
            without.append(train(num_rows, dim, arguments.steps, None)[0])
            run = Path(folder, f"run-{repeat}")
            callback = EmbeddingCallback(run, rows=arguments.rows, every_n_steps=every)
            seconds, wait = train(num_rows, dim, arguments.steps, callback)
            with_it.append(seconds)
            waits.append(wait)
            # The callback references the model; otherwise its 1.5 GB would be freed inside the next measured training.
            callback = None
            analyzed.append(len(open_run(run).steps("embedding", analyzed=True)))
            print(f"{repeat + 1}/{arguments.repeats}: {without[-1]:.1f} s without, {seconds:.1f} s with", flush=True)
    ratios = [b / a for a, b in zip(without, with_it, strict=True)]
    figures = {
        "without_seconds": without,
        "with_seconds": with_it,
        "ratio_median": statistics.median(ratios),
        "wait_seconds_median": statistics.median(waits),
        "analyzed_median": statistics.median(analyzed),
        "snapshots": arguments.steps // every + 1,
    }
    report(
        f"Training {arguments.steps} batches, {num_rows:,} x {dim}, {arguments.rows} rows every {every} steps",
        ["", "median", "all"],
        [
            ["without the callback, s", f"{statistics.median(without):.2f}", " ".join(f"{s:.2f}" for s in without)],
            ["with the callback, s", f"{statistics.median(with_it):.2f}", " ".join(f"{s:.2f}" for s in with_it)],
            ["with / without (aim 1.03)", f"{figures['ratio_median']:.3f}", " ".join(f"{r:.3f}" for r in ratios)],
            ["wait at the end, s", f"{figures['wait_seconds_median']:.2f}", " ".join(f"{w:.2f}" for w in waits)],
            [f"analyzed of {figures['snapshots']}", f"{figures['analyzed_median']}", " ".join(map(str, analyzed))],
        ],
        figures=figures,
        options=arguments,
    )


if __name__ == "__main__":
    main()
