"""A loop with the events of PaddleNLP's and PaddleFormers' Trainer in their order; the real ones: tests/trainers."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paddle
from callback_training import Bag, Sentences
from visualdl import LogWriter

EVENTS = (
    *("init_end", "train_begin", "epoch_begin", "load_data_end", "step_begin", "substep_end", "optimizer_begin"),
    *("optimizer_end", "step_end", "log", "evaluate", "prediction_step", "save", "save_hf", "epoch_end", "train_end"),
)


class VisualDLCallback:
    """What the trainers' callback of this name does with its writer."""

    def __init__(self) -> None:
        self.vdl_writer: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.removeprefix("on_") not in EVENTS:
            raise AttributeError(name)
        return lambda *_, **__: None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.vdl_writer is None:
            self.vdl_writer = LogWriter(logdir=args.logging_dir)
        self.vdl_writer.add_text("args", "{}")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.vdl_writer.add_scalar("train/loss", logs["loss"], state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.vdl_writer.close()
        self.vdl_writer = None


class Trainer:
    """Trains `Bag` with two batches for each optimizer step: 4 steps an epoch."""

    def __init__(
        self, output_dir: Path, *callbacks: Any, logging_dir: Path | None = None, tokenizer: Any = None
    ) -> None:
        paddle.seed(0)
        self.model = Bag()
        # Trainers name the directory of a log by the time.
        default = output_dir / "runs" / f"{time.monotonic_ns()}"
        self.args = SimpleNamespace(output_dir=str(output_dir), logging_dir=str(logging_dir or default))
        self.state = SimpleNamespace(global_step=0, max_steps=0, epoch=0.0, is_world_process_zero=True)
        self.control = SimpleNamespace(should_training_stop=False, should_epoch_stop=False)
        self.callbacks = list(callbacks)
        self.tokenizer = tokenizer
        self.call_event("on_init_end")

    def call_event(self, event: str, **kwargs: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(
                self.args, self.state, self.control, model=self.model, tokenizer=self.tokenizer, **kwargs
            )

    def train(self, max_steps: int = 8, *, from_step: int = 0, jump: int = 1, fails_at: int | None = None) -> int:
        """Train to `max_steps`; `from_step` of a checkpoint, and `jump` of skipped data. Return the last step."""
        self.control.should_training_stop = False
        self.state = SimpleNamespace(
            global_step=from_step, max_steps=max_steps, epoch=from_step / 4, is_world_process_zero=True
        )
        optimizer = paddle.optimizer.Adam(0.01, parameters=self.model.parameters())
        self.call_event("on_train_begin")
        while not self.control.should_training_stop:
            self._epoch(optimizer, jump, fails_at)
        self.call_event("on_log", logs={"loss": 0.0})
        self.call_event("on_train_end")
        return self.state.global_step

    def _epoch(self, optimizer: Any, jump: int, fails_at: int | None) -> None:
        self.call_event("on_epoch_begin")
        start = int(self.state.epoch)
        for batch, (ids, kind) in enumerate(paddle.io.DataLoader(Sentences(), batch_size=8), start=1):
            self.call_event("on_load_data_end", inputs=ids)
            loss = paddle.nn.functional.cross_entropy(self.model(ids), kind)
            loss.backward()
            if batch % 2:
                self.call_event("on_step_begin")
                self.call_event("on_substep_end")
                continue
            self.call_event("on_optimizer_begin", scaler=None)
            optimizer.step()
            optimizer.clear_grad()
            self.call_event("on_optimizer_end", scaler=None)
            self.state.global_step += jump
            self.state.epoch = start + batch / 8
            if self.state.global_step >= self.state.max_steps:
                self.control.should_training_stop = True
            if self.state.global_step == fails_at:
                raise RuntimeError("the training failed")
            self.call_event("on_step_end")
            self.call_event("on_log", logs={"loss": float(loss)})
            self.call_event("on_save")
            self.call_event("on_save_hf")
            if self.control.should_training_stop:
                break
        self.call_event("on_epoch_end")
