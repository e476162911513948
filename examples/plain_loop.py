"""Plain training loop with a monitor: no trainer, synthetic data, the loss in the same log.

python examples/plain_loop.py [LOG_DIR]
visualdl-embedding serve --logdir runs
"""

import sys

import numpy as np
import paddle

from visualdl_embedding import EmbeddingMonitor, open_run

log_dir = sys.argv[1] if len(sys.argv) > 1 else "runs/loop"
words = [f"sun {i}" for i in range(50)] + [f"rain {i}" for i in range(50)]

random = np.random.default_rng(42)
kinds = random.integers(0, 2, size=(800, 1))
ids = random.integers(0, 50, size=(800, 6)) + 50 * kinds
data = paddle.io.TensorDataset([paddle.to_tensor(ids), paddle.to_tensor(kinds)])
loader = paddle.io.DataLoader(data, batch_size=80, shuffle=True)

paddle.seed(42)
network = paddle.nn.Sequential(
    ("word", paddle.nn.Embedding(len(words), 16)),
    ("flatten", paddle.nn.Flatten()),
    ("judge", paddle.nn.Linear(6 * 16, 2)),
)
optimizer = paddle.optimizer.Adam(0.01, parameters=network.parameters())

with EmbeddingMonitor(
    network,
    log_dir,
    vocabulary=words,
    metadata={"group": [word.split()[0] for word in words]},
    methods=("pca", "tsne"),
    every_n_steps=10,
    stop_on="critical",
) as monitor:
    for _ in range(4):
        for sentences, targets in monitor.iterate(loader):
            loss = paddle.nn.functional.cross_entropy(network(sentences), targets)
            loss.backward()
            optimizer.step()
            optimizer.clear_grad()
            monitor.step(loss=loss)
        if monitor.should_stop:
            break

run = open_run(monitor.run_dir_)
print("steps:", run.steps("word"))
print("metrics at the last step:", {key: round(values[max(values)], 3) for key, values in run.scalars("word").items()})
