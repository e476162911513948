"""Callback for ``paddle.Model.fit``."""

from __future__ import annotations

import os
from typing import Any

import paddle

from visualdl_embedding.callbacks._peers import calling_list, find_visualdl
from visualdl_embedding.training import TrainingCallback

__all__ = ["EmbeddingCallback"]


class EmbeddingCallback(TrainingCallback, paddle.callbacks.Callback):  # type: ignore[misc]
    """Watch embedding tables during ``paddle.Model.fit`` and log them for VisualDL.

    Snapshots of the watched rows are taken on the training thread, a few milliseconds each; neighbors, projections,
    metrics and pictures are computed in a child process of low priority. Whatever goes wrong is logged once and
    switches the callback off; training goes on. Wrong arguments raise at once.

    Parameters
    ----------
    log_dir
        The run directory. None: that of the ``paddle.callbacks.VisualDL`` in the same ``fit``.
    vocabulary
        What the row ids mean: a file (one token per line, or ``token<TAB>id``, or JSON), a dict, a list, a tokenizer;
        or a dict of these by table name. None labels rows by their numbers.
    metadata
        Columns for the labels, such as ``frequency`` and ``group``: a TSV or CSV file, a DataFrame, or a dict.
    rows
        Which rows to watch: a number (the most frequent where a frequency is known, else the first), labels, ids,
        ``{"group": name}``, ``"stratified:500"`` or ``"all"``.
    tables
        None: every ``nn.Embedding``. Names or globs choose; ``{"name": parameter}`` takes other parameters.
    methods
        Any of ``"pca"``, ``"tsne"``, ``"umap"``.
    n_components
        2, 3 or ``(2, 3)``.
    distance
        ``"cosine"`` or ``"euclidean"``.
    every_n_steps
        Snapshot every so many batches, or ``"geometric"``: densely at first, then ever more rarely.
    every_n_epochs
        Used where `every_n_steps` is None. Step 0 and the last step are always taken.
    watch
        Labels that join `rows` and get curves of their own.
    keep
        What is left out by default and shall stay: any of ``"special"``, ``"subword"``, ``"padding"``.
    writer
        A ``visualdl.LogWriter`` to log through; it is not closed.
    resume
        Continue a run that holds data of the same rows.
    initial_step
        Batches trained before this ``fit``; with `resume` the last stored step if None.
    alerts
        Rules that are judged at every snapshot: a TOML file, rules of `visualdl_embedding.alerts`, or both in a list;
        None for the default ones (rows that are not finite, a space that collapses), ``()`` for none.
    on_alert
        Called with each `visualdl_embedding.alerts.Alert`, on the training thread, after the batch in which it arrives.
    stop_on
        ``"critical"`` or ``"warning"``: stops training at an alert of this severity or a graver one.
    training_history
        Whether to count how often each watched row is looked up, and measure the gradients that come back.
    background
        False computes in the training thread, which then waits.
    max_slowdown
        Share of the training's time, 0 to 1, that analyses in the background may cost, measured at every batch; beyond
        it they wait, and they wait for the first 16 batches. None measures nothing and lets them run.
    drain_timeout
        Seconds to wait at the end of training for the last frames; None without limit.
    max_log_bytes, max_store_bytes
        Bounds of VisualDL's log and of the stored snapshots; None for none.
    on_error
        ``"disable"`` or ``"raise"``.
    n_neighbors, perplexity, min_dist
        Of the neighbor metrics and UMAP, of t-SNE, of UMAP.
    random_state
        Seed of everything random.
    n_jobs
        Threads of the child process.
    config
        A `visualdl_embedding.Config` in the place of the options that are its fields (`methods` to `n_jobs`); it has
        more. An option given beside it must have the same value.
    settings
        A `visualdl_embedding.RecorderSettings`, in the same way for `background`, `max_slowdown`, `drain_timeout`,
        `max_log_bytes` and `max_store_bytes`.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError, FileExistsError, PermissionError
        For wrong arguments, at construction or when training begins.

    Examples
    --------
    >>> callback = EmbeddingCallback("runs/a", vocabulary="vocab.txt", every_n_steps=100)  # doctest: +SKIP
    >>> model.fit(data, callbacks=[paddle.callbacks.VisualDL("runs/a"), callback])  # doctest: +SKIP
    """

    _visualdl: Any = None
    _epoch = 0
    _continues = False

    def set_model(self, model: paddle.Model) -> None:
        """Look for a ``paddle.callbacks.VisualDL`` in the same ``fit``."""
        super().set_model(model)
        self._visualdl = find_visualdl(calling_list())

    def on_train_begin(self, logs: Any = None) -> None:
        """Choose tables and rows, open the run, take the snapshot of step 0."""
        if paddle.distributed.get_rank() != 0:
            return
        if not paddle.in_dynamic_mode():
            raise RuntimeError("EmbeddingCallback reads layers in dynamic mode; remove paddle.enable_static().")
        theirs = getattr(self._visualdl, "log_dir", None)
        where = "paddle.callbacks.VisualDL in this fit"
        session = self._begin(self.model.network, share=self._visualdl, their_log_dir=theirs, where=where)
        shared = (
            self.writer is None
            and theirs is not None
            and os.path.realpath(theirs) == os.path.realpath(self.log_dir or theirs)
        )
        self._continues = session.step > 0 and shared

    def on_train_batch_begin(self, step: int, logs: Any = None) -> None:
        """Let ``train/loss`` of a resumed run go on at the run's step, for VisualDL's callback counts from 0 again."""
        if self._continues and self.session_ is not None:
            self._visualdl.train_step = self.session_.step
        self._continues = False

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        """Count the batch and take a snapshot if one is due."""
        self._after_batch(last=self.params.get("steps") == step + 1 and self._is_last_epoch())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take a snapshot if one is due."""
        self._after_epoch(epoch + 1, last=self._is_last_epoch())

    def on_train_end(self, logs: Any = None) -> None:
        """Take the last snapshot, wait for the analyses, close the log."""
        self._end()

    def _stop_training(self) -> None:
        self.model.stop_training = True

    def _is_last_epoch(self) -> bool:
        return bool(self._epoch + 1 == self.params.get("epochs"))
