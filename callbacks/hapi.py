"""Callback for ``paddle.Model.fit``."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import paddle

from visualdl_embedding.alerts import Alert, Rule, read_rules
from visualdl_embedding.analysis import Config
from visualdl_embedding.callbacks._peers import calling_list, find_visualdl
from visualdl_embedding.logs import LogFile
from visualdl_embedding.models import watch_rows
from visualdl_embedding.models.live import find_tables
from visualdl_embedding.training import RecorderSettings, Schedule, TrainingSession

__all__ = ["EmbeddingCallback"]

logger = logging.getLogger("visualdl_embedding")


class EmbeddingCallback(paddle.callbacks.Callback):  # type: ignore[misc]
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

    Raises
    ------
    ValueError, TypeError, FileNotFoundError, FileExistsError, PermissionError
        For wrong arguments, at construction or when training begins.

    Examples
    --------
    >>> callback = EmbeddingCallback("runs/a", vocabulary="vocab.txt", every_n_steps=100)  # doctest: +SKIP
    >>> model.fit(data, callbacks=[paddle.callbacks.VisualDL("runs/a"), callback])  # doctest: +SKIP
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        vocabulary: Any = None,
        metadata: Any = None,
        rows: Any = 500,
        tables: str | Sequence[str] | Mapping[str, paddle.Tensor] | None = None,
        methods: Sequence[str] = ("pca", "tsne", "umap"),
        n_components: int | Sequence[int] = 2,
        distance: Literal["cosine", "euclidean"] = "cosine",
        every_n_steps: int | Literal["geometric"] | None = None,
        every_n_epochs: int | None = 1,
        watch: str | Sequence[str] = (),
        keep: Sequence[str] = (),
        writer: Any = None,
        resume: bool = False,
        initial_step: int | None = None,
        alerts: str | os.PathLike[str] | Rule | Sequence[Any] | None = None,
        on_alert: Callable[[Alert], object] | None = None,
        stop_on: Literal["warning", "critical"] | None = None,
        training_history: bool = True,
        background: bool = True,
        max_slowdown: float | None = None,
        drain_timeout: float | None = 300.0,
        max_log_bytes: int | None = 200_000_000,
        max_store_bytes: int | None = None,
        on_error: Literal["disable", "raise"] = "disable",
        n_neighbors: int = 15,
        perplexity: float = 30.0,
        min_dist: float = 0.1,
        random_state: int = 42,
        n_jobs: int = 1,
    ) -> None:
        super().__init__()
        if on_error not in ("disable", "raise"):
            raise ValueError(f'on_error takes "disable" or "raise", not {on_error!r}.')
        if initial_step is not None and initial_step < 0:
            raise ValueError(f"initial_step counts batches from 0, not {initial_step}.")
        if max_slowdown is not None and not 0 <= max_slowdown <= 1:
            raise ValueError(f"max_slowdown is a share from 0 to 1, or None, not {max_slowdown!r}.")
        if stop_on not in (None, "warning", "critical"):
            raise ValueError(f'stop_on takes "warning", "critical" or None, not {stop_on!r}.')
        if on_alert is not None and not callable(on_alert):
            raise TypeError(f"on_alert must be a function that takes an alert, not {type(on_alert).__name__}.")
        self.rules = read_rules(alerts)
        self.on_alert = on_alert
        self.stop_on = stop_on
        self.training_history = training_history
        self.log_dir = log_dir
        self.vocabulary = vocabulary
        self.metadata = metadata
        self.rows = rows
        self.tables = tables
        self.watch = (watch,) if isinstance(watch, str) else tuple(watch)
        self.keep = tuple(keep)
        self.writer = writer
        self.resume = resume
        self.initial_step = initial_step
        self.on_error = on_error
        self.schedule = Schedule(every_n_steps, every_n_epochs)
        self.config = Config(
            methods=(methods,) if isinstance(methods, str) else tuple(methods),
            n_components=(n_components,) if isinstance(n_components, int) else tuple(n_components),
            distance=distance,
            n_neighbors=n_neighbors,
            perplexity=perplexity,
            min_dist=min_dist,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        self.settings = RecorderSettings(
            background=background,
            max_slowdown=max_slowdown,
            drain_timeout=drain_timeout,
            max_log_bytes=max_log_bytes,
            max_store_bytes=max_store_bytes,
        )
        self.session_: TrainingSession | None = None
        self._visualdl: Any = None
        self._epoch = 0
        self._continues = False

    def set_model(self, model: paddle.Model) -> None:
        """Look for a ``paddle.callbacks.VisualDL`` in the same ``fit``."""
        super().set_model(model)
        self._visualdl = find_visualdl(calling_list())

    def on_train_begin(self, logs: Any = None) -> None:
        """Choose tables and rows, open the run, take the snapshot of step 0."""
        if self.session_ is not None:
            self.session_.abandon()
            self.session_ = None
        if paddle.distributed.get_rank() != 0:
            return
        if not paddle.in_dynamic_mode():
            raise RuntimeError("EmbeddingCallback reads layers in dynamic mode; remove paddle.enable_static().")
        log_dir = self._resolve_log_dir()
        tables = find_tables(self.model.network, self.tables)
        rows = watch_rows(
            [live.table for live in tables],
            vocabulary=self.vocabulary,
            metadata=self.metadata,
            rows=self.rows,
            watch=self.watch,
            keep=self.keep,
            random_state=self.config.random_state,
        )
        self.session_ = TrainingSession(
            tables,
            rows,
            log_dir=log_dir,
            open_log=lambda: self._open_log(log_dir),
            config=self.config,
            settings=self.settings,
            schedule=self.schedule,
            on_error=self.on_error,
            resume=self.resume,
            initial_step=self.initial_step,
            rules=self.rules,
            history=self.training_history,
        )
        self.session_.begin()
        self._continues = self.session_.step > 0 and self._shares_file(log_dir)

    def on_train_batch_begin(self, step: int, logs: Any = None) -> None:
        """Let ``train/loss`` of a resumed run go on at the run's step, for VisualDL's callback counts from 0 again."""
        if self._continues and self.session_ is not None:
            self._visualdl.train_step = self.session_.step
        self._continues = False

    def on_train_batch_end(self, step: int, logs: Any = None) -> None:
        """Count the batch and take a snapshot if one is due."""
        if self.session_ is not None:
            last = self.params.get("steps") == step + 1 and self._is_last_epoch()
            self.session_.after_batch(last=last)
            self._tell(self.session_.take_alerts())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Take a snapshot if one is due."""
        if self.session_ is not None:
            self.session_.after_epoch(epoch + 1, last=self._is_last_epoch())

    def on_train_end(self, logs: Any = None) -> None:
        """Take the last snapshot, wait for the analyses, close the log."""
        if self.session_ is not None:
            self.session_.end()
            self._tell(self.session_.take_alerts())
            self.session_ = None

    def _tell(self, alerts: Sequence[Alert]) -> None:
        """Hand alerts to the user, and stop training if that is wished."""
        for alert in alerts:
            if self.on_alert is not None:
                try:
                    self.on_alert(alert)
                except Exception as error:
                    logger.warning("on_alert failed (%s: %s); training goes on.", type(error).__name__, error)
            if self.stop_on is not None and alert.severity in (self.stop_on, "critical"):
                logger.warning("Training stops, as stop_on=%r asks, for: %s", self.stop_on, alert.rule)
                self.model.stop_training = True

    def _is_last_epoch(self) -> bool:
        return bool(self._epoch + 1 == self.params.get("epochs"))

    def _resolve_log_dir(self) -> Path:
        log_dir = self.log_dir if self.log_dir is not None else getattr(self._visualdl, "log_dir", None)
        if log_dir is None:
            raise ValueError(
                "No log_dir was given and there is no paddle.callbacks.VisualDL in this fit to take it from; "
                'write EmbeddingCallback("runs/a", ...).'
            )
        return Path(log_dir).absolute()

    def _shares_file(self, log_dir: Path) -> bool:
        theirs = getattr(self._visualdl, "log_dir", None)
        return self.writer is None and theirs is not None and os.path.realpath(theirs) == os.path.realpath(log_dir)

    def _open_log(self, log_dir: Path) -> LogFile:
        if self.writer is None and self._visualdl is not None:
            return LogFile.share(self._visualdl, log_dir)
        return LogFile.open(log_dir, writer=self.writer)
