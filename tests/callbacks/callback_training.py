"""A small real training for the tests, and what its log holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
from visualdl import LogReader

V, D, GROUPS = 60, 8, 3
LABELS = [f"词{i}" for i in range(V)]
QUICK: dict[str, Any] = {"vocabulary": LABELS, "methods": ("pca", "tsne"), "perplexity": 5, "n_neighbors": 5}


class Bag(paddle.nn.Layer):
    def __init__(self, *, sparse: bool = False) -> None:
        super().__init__()
        self.word = paddle.nn.Embedding(V, D, sparse=sparse)
        self.head = paddle.nn.Linear(D, GROUPS)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.head(self.word(ids).mean(axis=1))


class Sentences(paddle.io.Dataset):
    """Sentences of one group's words each; the group is the class."""

    def __init__(self, n: int = 64) -> None:
        rng = np.random.default_rng(0)
        self.classes = rng.integers(0, GROUPS, n)
        self.ids = (rng.integers(0, V // GROUPS, (n, 6)) * GROUPS + self.classes[:, None]).astype("int64")

    def __getitem__(self, i: int) -> tuple[Any, Any]:
        return self.ids[i], self.classes[i : i + 1].astype("int64")

    def __len__(self) -> int:
        return len(self.ids)


def make_model(network: paddle.nn.Layer | None = None) -> paddle.Model:
    paddle.seed(0)
    model = paddle.Model(network or Bag())
    optimizer = paddle.optimizer.Adam(0.01, parameters=model.parameters())
    model.prepare(optimizer, paddle.nn.CrossEntropyLoss(), paddle.metric.Accuracy())
    return model


def fit(*callbacks: Any, model: paddle.Model | None = None, epochs: int = 2, **kwargs: Any) -> paddle.Model:
    """8 batches an epoch."""
    model = model or make_model()
    model.fit(Sentences(), batch_size=8, epochs=epochs, verbose=0, shuffle=False, callbacks=list(callbacks), **kwargs)
    return model


class WithPositions(Bag):
    def __init__(self) -> None:
        super().__init__()
        self.position = paddle.nn.Embedding(12, D)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.head((self.word(ids) + self.position(paddle.arange(6))).mean(axis=1))


def tags(log_dir: Path) -> dict[str, set[str]]:
    """Tags by kind in the one file of a run, read by VisualDL's own reader."""
    (path,) = log_dir.glob("vdlrecords.*.log")
    reader = LogReader(file_path=str(path))
    return {kind: set(names) for kind, names in reader.get_tags().items()}


def scalar_steps(log_dir: Path, tag: str) -> list[int]:
    (path,) = log_dir.glob("vdlrecords.*.log")
    return [record.id for record in LogReader(file_path=str(path)).get_data("scalar", tag)]
