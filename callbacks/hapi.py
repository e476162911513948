"""Callback for ``paddle.Model.fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle

from visualdl_embedding.callbacks._peers import calling_list
from visualdl_embedding.training import TrainingCallback

__all__ = ["EmbeddingCallback"]


class EmbeddingCallback(TrainingCallback, paddle.callbacks.Callback):  # type: ignore[misc]
    """Record embedding tables during ``paddle.Model.fit`` and log them for VisualDL.

    Snapshots of the watched rows are taken on the training thread, a few milliseconds each. Neighbors, projections,
    metrics and pictures are computed in a child process of low priority. The first error is logged and disables the
    callback; training continues. Wrong arguments raise at once.

    Parameters
    ----------
    log_dir
        Run directory. Default: that of the ``paddle.callbacks.VisualDL`` in the same ``fit``.
    vocabulary
        Meaning of the row ids: a file (one token per line, or ``token<TAB>id``, or JSON), a dict, a list, a tokenizer.
        None: row numbers are the labels. `vocabulary`, `metadata`, `rows` and `watch` take values per table: a dict all
        of whose keys are names of tables.
    metadata
        Columns for the labels, such as ``frequency`` and ``group``: a TSV or CSV file, a DataFrame, or a dict.
    rows
        Rows to watch: a number (the most frequent if a frequency is known, else the first), labels, ids,
        ``{"group": name}``, ``"stratified:500"`` or ``"all"``.
    tables
        None: every ``nn.Embedding`` and ``VocabParallelEmbedding``. Names or globs select; ``"decoder.table"`` or
        ``{"name": parameter}`` selects another 2-D parameter.
    probes
        `visualdl_embedding.Probe` by name: small fixed batches on which the network is run at every snapshot, so that
        the output of a layer is recorded like a table. ``tables=()`` records probes only.
    methods
        Any of ``"pca"``, ``"tsne"``, ``"umap"``.
    n_components
        2, 3 or ``(2, 3)``.
    distance
        ``"cosine"`` or ``"euclidean"``.
    every_n_steps
        Number of batches between snapshots, or ``"geometric"`` for increasing intervals.
    every_n_epochs
        Number of epochs between snapshots, if `every_n_steps` is None. Step 0 and the last step are always recorded.
    watch
        Labels or ids to add to `rows`, each with its own curves.
    keep
        Rows to include that are left out by default: any of ``"special"``, ``"subword"``, ``"padding"``.
    writer
        ``visualdl.LogWriter`` to log with; it is not closed.
    resume
        Continue a run that holds data of the same rows.
    initial_step
        Number of batches before this ``fit``; with `resume` the default is the stored step with the rows of the
        table, else the last one.
    overwrite
        Move a run that the directory holds into its folder ``superseded-N``, and begin a new one.
    alerts
        Rules to evaluate at every snapshot: a TOML file, rules of `visualdl_embedding.alerts`, or both in a list; None
        for the default rules (rows that are not finite, a space that collapses), ``()`` for none.
    on_alert
        Called with each `visualdl_embedding.alerts.Alert` on the training thread, after the batch in which it arrives.
    stop_on
        ``"critical"`` or ``"warning"``: stop training after the batch of an alert of this or a higher severity.
    training_history
        Whether to count the lookups of each watched row and measure its gradients.
    background
        Analyze in a child process. If False, the training waits for each analysis.
    max_slowdown
        Maximum cost of background analyses as a share of the training's time, 0 to 1, measured at every batch. Beyond
        it, and during the first 16 batches, they wait. None: neither measure nor wait.
    drain_timeout
        Seconds to wait at the end of training for the last frames; None for no limit.
    max_log_bytes
        Limit of VisualDL's log, which its server holds in memory: vectors, projections and images are logged less often
        to keep it. None for no limit.
    max_store_bytes
        Limit of the run's snapshots and analyses per table; beyond it they are thinned. None for no limit.
    on_error
        ``"disable"`` or ``"raise"``.
    n_neighbors, perplexity, min_dist
        Parameters of the neighbor metrics and UMAP, of t-SNE, and of UMAP.
    random_state
        Random seed.
    n_jobs
        Threads of the child process.
    config
        `visualdl_embedding.Config` instead of the options that are its fields (`methods` to `n_jobs`); it has more. An
        option given in addition must have the same value.
    settings
        `visualdl_embedding.RecorderSettings`, likewise for `background`, `max_slowdown`, `drain_timeout`,
        `max_log_bytes` and `max_store_bytes`.

    Attributes
    ----------
    run_dir_
        Directory of the current or last recording, or None: `log_dir`, or a numbered directory beside it.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError, FileExistsError, PermissionError
        If an argument is wrong; at construction or when training begins.

    Examples
    --------
    >>> callback = EmbeddingCallback("runs/a", vocabulary="vocab.txt", every_n_steps=100)  # doctest: +SKIP
    >>> model.fit(data, callbacks=[paddle.callbacks.VisualDL("runs/a"), callback])  # doctest: +SKIP
    """

    _visualdl: Any = None
    _epoch = 0
    _continues = False
    _stopped = False

    def set_model(self, model: paddle.Model) -> None:
        """Find a ``paddle.callbacks.VisualDL`` in the same ``fit``."""
        super().set_model(model)
        self._visualdl = next((c for c in calling_list() if isinstance(c, paddle.callbacks.VisualDL)), None)

    def on_train_begin(self, logs: Any = None) -> None:
        """Choose tables and rows, open the run, and take the snapshot of step 0."""
        theirs = getattr(self._visualdl, "log_dir", None)
        where = "paddle.callbacks.VisualDL in this fit"
        session = self._begin(self.model.network, share=self._visualdl, their_log_dir=theirs, where=where)
        if session is None:
            return
        shares = self.writer is None and theirs is not None and Path(theirs).resolve() == session.log_dir.resolve()
        self._continues = session.step > 0 and shares

    def on_train_batch_begin(self, step: int, logs: Any = None) -> None:
        """Continue ``train/loss`` of a resumed run at the run's step: VisualDL's callback counts from 0 again."""
        if self._continues and self.session_ is not None:
            self._visualdl.train_step = self.session_.step
        self._continues = False

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        """Count the batch and take a snapshot if one is due."""
        self._after_batch(last=self.params.get("steps") == step + 1 and self._is_last_epoch())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Store the epoch."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take a snapshot if one is due."""
        self._after_epoch(epoch + 1, last=self.model.stop_training or self._is_last_epoch())

    def on_train_end(self, logs: Any = None) -> None:
        """Take the last snapshot, wait for the analyses, and close the log."""
        self._end()
        if self._stopped:
            # fit does not reset it: the next training of this model would end after an epoch.
            self.model.stop_training = self._stopped = False

    def _stop_training(self) -> None:
        # fit reads `stop_training` only at the end of an epoch, and `num_iters` after each batch.
        self.model.stop_training = self._stopped = True
        self.model.num_iters = 1

    def _is_last_epoch(self) -> bool:
        return bool(self._epoch + 1 == self.params.get("epochs"))
