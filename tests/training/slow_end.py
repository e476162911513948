"""Trainings on two ranks: one whose last analyses take longer than a collective of gloo waits (30 s), one in which only
rank 0 has the callback.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist
from launching import write_result

from visualdl_embedding.callbacks import EmbeddingCallback

V = 6000


class Net(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(V, 64)
        self.head = paddle.nn.Linear(64, 3)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.head(self.word(ids).mean(axis=1))


class Data(paddle.io.Dataset):
    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(i)
        return rng.integers(0, V, 6), rng.integers(0, 3, 1)

    def __len__(self) -> int:
        return 64


def main(folder: Path, kind: str) -> None:
    data = Data()
    model = paddle.Model(Net())
    model.prepare(paddle.optimizer.Adam(0.01, parameters=model.parameters()), paddle.nn.CrossEntropyLoss())
    if kind == "slow":
        # t-SNE in 3-D takes minutes, so the end waits for the whole `drain_timeout`.
        options: dict[str, Any] = {"rows": "all", "methods": ("tsne", "umap"), "n_components": 3, "drain_timeout": 45}
    else:
        options = {"methods": ("pca",)}
    callbacks = [EmbeddingCallback(folder / "run", **options)] if kind == "slow" or dist.get_rank() == 0 else []
    begin = time.monotonic()
    model.fit(data, batch_size=8, epochs=1, verbose=0, callbacks=callbacks)
    seconds = time.monotonic() - begin
    model.evaluate(data, batch_size=8, verbose=0)
    write_result(folder, dist.get_rank(), {"seconds": seconds})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
