"""Trainings with tables that are spread over ranks, launched by `test_sharded.py`; each rank writes what it saw.

gloo lacks the all-reduce within the forward pass of fleet's ``VocabParallelEmbedding``, so a subclass replaces that. It
also fails, mostly, to connect the groups that fleet makes of four ranks; these have auto-parallel tables only.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist
from launching import write_result
from paddle.distributed import fleet

from visualdl_embedding.callbacks import EmbeddingCallback
from visualdl_embedding.models import open_model

V, D, N, STEPS = 60, 8, 20, 4
OPTIONS: dict[str, Any] = {"rows": N, "methods": ("pca",), "n_neighbors": 5, "every_n_steps": 2}


class Sum(paddle.autograd.PyLayer):
    @staticmethod
    def forward(context: Any, rows: Any, group: Any) -> Any:
        total = rows.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        return gradient


class OnGloo(fleet.meta_parallel.VocabParallelEmbedding):  # type: ignore[misc]
    def forward(self, ids: Any) -> Any:
        places = ids - self.vocab_start_index
        own = (places >= 0) & (places < self._size[0])
        rows = paddle.nn.functional.embedding(paddle.where(own, places, 0), self.weight)
        return Sum.apply(rows * own.astype("float32").unsqueeze(-1), self.model_parallel_group)


class Bag(paddle.nn.Layer):
    def __init__(self, word: paddle.nn.Layer) -> None:
        super().__init__()
        self.word = word
        self.head = paddle.nn.Linear(D, 3, weight_attr=paddle.nn.initializer.Constant(0.1))

    def forward(self, ids: Any) -> Any:
        return self.head(self.word(ids).mean(axis=1))


def table() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(V, D)).astype(np.float32)


def batches() -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, V, (STEPS, 8, 6)))


def train(network: Any, *, callback: Any = None) -> None:
    """Train in a loop of batches, with the events of a `fit` for the callback."""
    optimizer = paddle.optimizer.SGD(0.1, parameters=network.parameters())
    if callback is not None:
        callback.set_model(SimpleNamespace(network=network))
        callback.set_params({"epochs": 1, "steps": STEPS})
        callback.on_train_begin()
        callback.on_epoch_begin(0)
    for step, ids in enumerate(batches()):
        network(paddle.to_tensor(ids)).square().mean().backward()
        optimizer.step()
        optimizer.clear_grad()
        if callback is not None:
            callback.on_train_batch_end(step)
    if callback is not None:
        callback.on_epoch_end(0)
        callback.on_train_end()


def with_fleet(folder: Path) -> dict[str, Any]:
    strategy, size = fleet.DistributedStrategy(), dist.get_world_size()
    strategy.hybrid_configs = {"dp_degree": 1, "mp_degree": size, "pp_degree": 1}
    fleet.init(is_collective=True, strategy=strategy)
    layer = fleet.meta_parallel.VocabParallelEmbedding(V, D)
    layer.weight.set_value(table()[layer.vocab_start_index :][: V // size])
    asked = np.array([0, 59, 29, 30, 31, 2])
    read = open_model(layer).table().read_rows(asked)
    result = {"gathered": read.tolist(), "blocks": sum(len(rows) for _, rows in open_model(layer).table().blocks())}

    network = Bag(OnGloo(V, D))
    start = network.word.vocab_start_index
    network.word.weight.set_value(table()[start:][: V // size])
    train(network, callback=EmbeddingCallback(folder / "run", **OPTIONS))
    if dist.get_rank() == 1:
        layer.weight._clear_data()
    try:
        open_model(layer).table().read_rows(asked)
    except Exception as error:
        result["unreadable"] = str(error)
    return result


def with_mesh(folder: Path) -> dict[str, Any]:
    size = dist.get_world_size()
    mesh = dist.ProcessMesh(list(range(size)), dim_names=["x"])
    result: dict[str, Any] = {}
    asked = np.array([0, 59, 29, 30, 31, 2])
    for name, placement in (("shard", dist.Shard(0)), ("replicate", dist.Replicate()), ("columns", dist.Shard(1))):
        network = Bag(paddle.nn.Embedding(V + 1, D))
        network.word.weight.set_value(np.concatenate([table(), table()[:1]]))
        network.word.weight = dist.shard_tensor(network.word.weight, mesh, [placement])
        try:
            result[name] = open_model(network).table().read_rows(asked).tolist()
        except ValueError as error:
            result[name] = str(error)
        if name == "shard":
            train(network, callback=EmbeddingCallback(folder / "mesh", **OPTIONS))
        elif name == "columns":
            try:
                train(network, callback=EmbeddingCallback(folder / "columns", **OPTIONS))
            except ValueError as error:
                result["training of columns"] = str(error)
    if size == 4:
        grid = dist.ProcessMesh([[0, 1], [2, 3]], dim_names=["dp", "mp"])
        weight = dist.shard_tensor(paddle.to_tensor(table()), grid, [dist.Replicate(), dist.Shard(0)])
        result["grid"] = open_model(weight).table().read_rows(asked).tolist()
    return result


def main(folder: Path) -> None:
    dist.init_parallel_env()
    result = with_mesh(folder)
    if dist.get_world_size() == 2:
        result |= with_fleet(folder)
    write_result(folder, dist.get_rank(), result)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
