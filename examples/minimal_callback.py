"""Minimal use of the callback: synthetic data, a small table, two callbacks in one fit.

python examples/minimal_callback.py [LOG_DIR]
visualdl-embedding serve --logdir runs
"""

import sys

import numpy as np
import paddle

from visualdl_embedding import EmbeddingCallback, open_run

log_dir = sys.argv[1] if len(sys.argv) > 1 else "runs/minimal"
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
model = paddle.Model(network)
model.prepare(
    paddle.optimizer.Adam(0.01, parameters=network.parameters()),
    paddle.nn.CrossEntropyLoss(),
    paddle.metric.Accuracy(),
)
model.fit(
    Weather(),
    batch_size=50,
    epochs=5,
    verbose=0,
    callbacks=[
        paddle.callbacks.VisualDL(log_dir),
        EmbeddingCallback(
            log_dir,
            vocabulary=words,
            metadata={"group": [word.split()[0] for word in words]},
            watch=["sun 0", "rain 0"],
            every_n_epochs=1,
        ),
    ],
)

run = open_run(log_dir)
print("steps:", run.steps("word"))
print("metrics at the last step:", {key: round(values[max(values)], 3) for key, values in run.scalars("word").items()})
