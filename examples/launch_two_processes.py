"""Data-parallel training in two processes, with one callback for all of them.

python -m paddle.distributed.launch --nproc_per_node 2 examples/launch_two_processes.py [LOG_DIR]
visualdl-embedding serve --logdir runs

The processes (ranks) train on different halves of the data. Every rank has the callback: rank 0 writes the run, and
lookups and gradients are those of both. Without `launch` the script trains in one process.
"""

import sys

import numpy as np
import paddle

from visualdl_embedding import EmbeddingCallback, open_run

log_dir = sys.argv[1] if len(sys.argv) > 1 else "runs/two_processes"
words = [f"sun {i}" for i in range(50)] + [f"rain {i}" for i in range(50)]


class Weather(paddle.io.Dataset):
    """Samples of six words, most of them of one class; the class is the target."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(42)
        self.kinds = random.integers(0, 2, size=(2000, 1))
        other = random.random((2000, 6)) < 0.2
        self.ids = random.integers(0, 50, size=(2000, 6)) + 50 * (self.kinds ^ other)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.ids[index], self.kinds[index]

    def __len__(self) -> int:
        return len(self.ids)


paddle.seed(42)
network = paddle.nn.Sequential(
    ("word", paddle.nn.Embedding(len(words), 16)),
    ("flatten", paddle.nn.Flatten()),
    ("judge", paddle.nn.Linear(6 * 16, 2)),
)
# Connects the processes and copies the parameters of rank 0 to the others.
model = paddle.Model(network)
model.prepare(paddle.optimizer.Adam(0.01, parameters=network.parameters()), paddle.nn.CrossEntropyLoss())
model.fit(Weather(), batch_size=50, epochs=3, verbose=0, callbacks=[EmbeddingCallback(log_dir, vocabulary=words)])

if paddle.distributed.get_rank() == 0:
    run = open_run(log_dir)
    last = run.snapshot("word", run.steps("word")[-1])
    lookups = int(last.row_values["lookups"].sum())
    print(f"step {last.step}: {lookups:,} lookups in {last.counters['forwards']:.0f} forward passes of all processes")
