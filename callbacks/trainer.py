"""Callback for the ``Trainer`` of PaddleNLP, PaddleFormers and PaddleFleet, without importing any of them."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from visualdl_embedding.callbacks._peers import calling_list
from visualdl_embedding.store import is_run
from visualdl_embedding.training import TrainingCallback

__all__ = ["EmbeddingTrainerCallback"]

logger = logging.getLogger("visualdl_embedding")


class EmbeddingTrainerCallback(TrainingCallback):
    """Record embedding tables during a ``Trainer.train`` of PaddleNLP, PaddleFormers or PaddleFleet.

    Steps are optimizer steps, as in the trainer's log: with gradient accumulation, one step takes several batches.

    The options are those of `visualdl_embedding.EmbeddingCallback`, except:

    - `log_dir` is the trainer's ``args.logging_dir`` by default. The trainers name a new one in the folder ``runs`` of
      ``args.output_dir`` at each start, so a training from a checkpoint continues the newest run of that folder, unless
      the user set ``logging_dir``.
    - `vocabulary` is the trainer's tokenizer by default.
    - `initial_step` is not accepted, and `resume` is implied by a checkpoint: the trainer knows its step.

    The trainer's VisualDL log and the embeddings share one file if the directory is the same.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError, FileExistsError, PermissionError
        If an argument is wrong; at construction or when training begins.

    Examples
    --------
    >>> callback = EmbeddingTrainerCallback(every_n_steps=100, watch=["<new>"])  # doctest: +SKIP
    >>> Trainer(model=model, args=args, train_dataset=data, callbacks=[callback]).train()  # doctest: +SKIP
    """

    _control: Any = None

    @functools.wraps(TrainingCallback.__init__)  # type: ignore[misc]
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.initial_step is not None:
            raise ValueError(
                f"initial_step={self.initial_step} was given, but {type(self).__name__} takes the step from the "
                "trainer. Remove initial_step; to resume, use the trainer's resume_from_checkpoint."
            )
        self._given = (self.log_dir, self.vocabulary, self.resume)

    def on_init_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move before the trainer's VisualDL callback, which would open a new file when a training is resumed."""
        callbacks = calling_list()
        theirs = _visualdl_of(callbacks)
        if self in callbacks and theirs is not None and callbacks.index(theirs) < callbacks.index(self):
            callbacks.remove(self)
            callbacks.insert(callbacks.index(theirs), self)

    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: Any = None, **others: Any) -> None:
        """Choose tables and rows, open the run, and take the snapshot before training or of the checkpoint."""
        self._control = control
        theirs = _visualdl_of(calling_list())
        share = None if theirs is None else _Shared(theirs, args.logging_dir)
        log_dir, vocabulary, resume = self._given
        self.initial_step, self.resume = state.global_step, resume or state.global_step > 0
        self.log_dir = log_dir
        if log_dir is None and state.global_step and state.is_world_process_zero:
            self.log_dir = _earlier_run(args)
            if self.log_dir is not None:
                logger.warning("Training resumes at step %d; it continues the run %s.", state.global_step, self.log_dir)
                if share is not None and share.writer is None:
                    share.log_dir = self.log_dir
        tokenizer = others.get("tokenizer")
        has_words = callable(getattr(tokenizer, "get_vocab", None))
        self.vocabulary = tokenizer if vocabulary is None and has_words else vocabulary
        their_log_dir = args.logging_dir if share is None else share.log_dir
        self._begin(
            getattr(model, "class_instance", model),
            share=share,
            their_log_dir=their_log_dir,
            where="logging_dir of the trainer",
            continues=False,
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take over the step, and take a snapshot if one is due."""
        self._control = control
        self._after_batch(
            state.global_step, last=control.should_training_stop or 0 < state.max_steps <= state.global_step
        )

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take a snapshot if one is due."""
        self._after_epoch(round(state.epoch), last=control.should_training_stop)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the last snapshot, wait for the analyses, and close the log."""
        self._end()

    def _stop_training(self) -> None:
        self._control.should_training_stop = True

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return a function that ignores an event: trainers call all events of a callback, also those added later."""
        if name.startswith("on_"):
            return _ignore
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class _Shared:
    """VisualDL callback of a trainer, in the form whose writer a `LogFile` shares."""

    def __init__(self, callback: Any, log_dir: Any) -> None:
        self._callback = callback
        self.log_dir = getattr(callback.vdl_writer, "logdir", log_dir)

    @property
    def writer(self) -> Any:
        return self._callback.vdl_writer

    @writer.setter
    def writer(self, writer: Any) -> None:
        self._callback.vdl_writer = writer


def _ignore(*_: Any, **__: Any) -> None:
    """Ignore an event."""


def _visualdl_of(callbacks: list[Any]) -> Any:
    return next((callback for callback in callbacks if hasattr(callback, "vdl_writer")), None)


def _earlier_run(args: Any) -> Path | None:
    """Find the newest run beside a new ``logging_dir`` that the trainer named itself; None if there is none."""
    folder = Path(args.output_dir, "runs").resolve()
    if Path(args.logging_dir).resolve().parent != folder or is_run(args.logging_dir):
        return None
    return max(filter(is_run, folder.glob("*")), key=lambda path: path.stat().st_mtime, default=None)
