"""Trainings on data-parallel ranks, launched by `test_data_parallel.py`; each rank writes what it saw."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist

sys.path.insert(0, str(Path(__file__).parents[1] / "callbacks"))
from callback_training import LABELS, Bag, Sentences, fit
from launching import write_result

from visualdl_embedding.alerts import Above
from visualdl_embedding.callbacks import EmbeddingCallback

OPTIONS: dict[str, Any] = {"rows": 20, "methods": ("pca",), "n_neighbors": 5, "every_n_steps": 2}
MOST_EPOCHS = 300
"""More than an alert needs to arrive: 120 s."""


class Batches(paddle.callbacks.Callback):
    """Counts batches of at least some seconds, and calls `action` after the batch of number `at`."""

    def __init__(self, at: int = 0, action: Any = None, *, seconds: float = 0) -> None:
        super().__init__()
        self.trained, self.at, self.action, self.seconds = 0, at, action, seconds

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        self.trained += 1
        time.sleep(self.seconds)
        if self.trained == self.at and self.action is not None:
            self.action()


class StoppedAt(EmbeddingCallback):
    """Notes the step at which the training is stopped, and gives the analyses their share of a busy machine."""

    stopped: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        assert self.session_ is not None
        if (worker := getattr(self.session_._recorder, "_worker", None)) is not None:
            worker.send({"kind": "hurry"})

    def _stop_training(self) -> None:
        assert self.session_ is not None
        self.stopped = self.session_.step if self.stopped is None else self.stopped
        super()._stop_training()


def refusal(*callbacks: Any) -> list[str]:
    try:
        fit(*callbacks, epochs=1)
    except Exception as error:
        return [type(error).__name__, str(error)]
    return []


def main(folder: Path) -> None:
    rank, result = dist.get_rank(), {}
    only_here = LABELS if rank == 0 else folder / "missing.txt"
    model = fit(EmbeddingCallback(folder / "a", vocabulary=only_here, **OPTIONS), epochs=1)
    fit(EmbeddingCallback(folder / "a", vocabulary=only_here, resume=True, **OPTIONS), model=model, epochs=1)
    model.evaluate(Sentences(), batch_size=8, verbose=0)
    result["weight"] = np.asarray(model.network.word.weight.numpy()).tolist()

    if rank == 0:
        shutil.copytree(folder / "a", folder / "used")  # a run of another process
    dist.barrier()
    result["used"] = refusal(EmbeddingCallback(folder / "used", vocabulary=only_here, **OPTIONS))
    result["foreground"] = refusal(EmbeddingCallback(folder / "b", background=False, **OPTIONS))
    result["one without tables"] = refusal_without_tables(folder, rank)

    rules = [Above("mean_cosine", value=-1.0, severity="critical")]
    alerts: list[Any] = []
    often = OPTIONS | {"every_n_steps": 50}
    stopping = StoppedAt(folder / "c", alerts=rules, stop_on="critical", on_alert=alerts.append, **often)
    batches = Batches(seconds=0.1)
    fit(stopping, batches, epochs=MOST_EPOCHS)
    result["stopped"], result["trained"] = stopping.stopped, batches.trained

    def lose_folder() -> None:
        if rank == 0:
            # The recorder may be writing into the folder.
            while (folder / "d" / "embeddings").exists():
                shutil.rmtree(folder / "d" / "embeddings", ignore_errors=True)
            (folder / "d" / "embeddings").write_text("")

    def deliver_late() -> None:
        assert lost.session_ is not None
        if rank == 0:
            lost.session_._recorder._alerts.append(alerts[0])

    lost = EmbeddingCallback(folder / "d", stop_on="critical", **OPTIONS)
    batches, late = Batches(2, lose_folder), Batches(16, deliver_late)
    fit(lost, batches, late, epochs=8)
    result["trained without a folder"] = batches.trained
    write_result(folder, rank, result)


def refusal_without_tables(folder: Path, rank: int) -> list[str]:
    class Bare(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.head = paddle.nn.Linear(6, 3)

        def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
            return self.head(ids.astype("float32"))

    # Not in a paddle.Model, which would synchronize the parameters of both.
    callback = EmbeddingCallback(folder / "e", **OPTIONS)
    callback.set_model(SimpleNamespace(network=Bare() if rank == 1 else Bag(), stop_training=False))
    callback.set_params({})
    try:
        callback.on_train_begin()
    except ValueError as error:
        return [type(error).__name__, str(error)]
    return []


if __name__ == "__main__":
    main(Path(sys.argv[1]))
