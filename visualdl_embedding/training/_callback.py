"""Base class of the callbacks for all trainers."""

from __future__ import annotations

import functools
import inspect
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, ParamSpec

from visualdl_embedding.alerts import Alert, RulesLike, read_rules
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.suggest import did_you_mean
from visualdl_embedding.logs import DEFAULT_LOG_BYTES
from visualdl_embedding.models.live import is_paddle, is_scope, require_dynamic_mode
from visualdl_embedding.training._open_runs import EXIT_SECONDS, Driver, close_ended
from visualdl_embedding.training._probe import Probe, read_probes
from visualdl_embedding.training._ranks import Ranks
from visualdl_embedding.training._session import TrainingSession
from visualdl_embedding.training._settings import RecorderSettings, Schedule
from visualdl_embedding.vocabulary import MetadataLike, RowsLike, VocabularyLike

__all__ = ["TrainingCallback"]

P = ParamSpec("P")

logger = logging.getLogger("visualdl_embedding")


def _without_contradictions(init: Callable[P, None]) -> Callable[P, None]:
    """Reject unknown options, and those that differ from the value in the given ``config`` or ``settings``."""
    known = list(inspect.signature(init).parameters)[1:]

    @functools.wraps(init)
    def checked(*args: P.args, **given: P.kwargs) -> None:
        for option in given:
            if option not in known:
                hint = did_you_mean(option, known, otherwise="help(EmbeddingCallback) lists the options.")
                raise TypeError(f"{type(args[0]).__name__} has no option {option!r}: {hint}")
        for name, kind in (("config", Config), ("settings", RecorderSettings)):
            whole = given.get(name)
            if whole is None:
                continue
            if not isinstance(whole, kind):
                raise TypeError(f"{name} takes a {kind.__name__}, not {type(whole).__name__}.")
            for option in given.keys() & {field.name for field in fields(kind)}:
                value = getattr(whole, option)
                if (_as_tuple(given[option]) if isinstance(value, tuple) else given[option]) != value:
                    raise ValueError(
                        f"{name} has {option}={value!r}, but {option}={given[option]!r} was also given. Give one of "
                        "the two."
                    )
        init(*args, **given)

    return checked


def _as_tuple(values: Any) -> tuple[Any, ...]:
    return (values,) if isinstance(values, str | int) else tuple(values)


class TrainingCallback(ABC):
    """Base class of callbacks, with their options and the recording of one training.

    A trainer's callback inherits from this class and from the trainer's base class, calls `_begin`, `_after_batch`,
    `_after_epoch` and `_end`, and defines `_stop_training`.
    The parameters are those of `visualdl_embedding.EmbeddingCallback`.

    Attributes
    ----------
    session_
        Current recording, or None.
    run_dir_
        Directory of the current or last recording, or None: `log_dir`, or a numbered directory beside it.
    """

    @_without_contradictions
    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None = None,
        metadata: MetadataLike | Sequence[MetadataLike] | Mapping[str, Any] | None = None,
        rows: RowsLike | Mapping[str, RowsLike] = 500,
        tables: str | Sequence[str] | Mapping[str, object] | None = None,
        probes: Mapping[str, Probe] | None = None,
        methods: str | Sequence[str] = ("pca", "tsne", "umap"),
        n_components: int | Sequence[int] = 2,
        distance: Literal["cosine", "euclidean"] = "cosine",
        every_n_steps: int | Literal["geometric"] | None = None,
        every_n_epochs: int | None = 1,
        watch: str | Sequence[str | int] | Mapping[str, str | Sequence[str | int]] = (),
        keep: Sequence[str] = (),
        writer: object = None,
        resume: bool = False,
        initial_step: int | None = None,
        overwrite: bool = False,
        alerts: RulesLike | None = None,
        on_alert: Callable[[Alert], object] | None = None,
        stop_on: Literal["warning", "critical"] | None = None,
        training_history: bool = True,
        background: bool = True,
        max_slowdown: float | None = None,
        drain_timeout: float | None = 300.0,
        max_log_bytes: int | None = DEFAULT_LOG_BYTES,
        max_store_bytes: int | None = None,
        on_error: Literal["disable", "raise"] = "disable",
        n_neighbors: int = 15,
        perplexity: float = 30.0,
        min_dist: float = 0.1,
        random_state: int = 42,
        n_jobs: int = 1,
        config: Config | None = None,
        settings: RecorderSettings | None = None,
    ) -> None:
        super().__init__()
        if on_error not in ("disable", "raise"):
            raise ValueError(f'on_error takes "disable" or "raise", not {on_error!r}.')
        if initial_step is not None and initial_step < 0:
            raise ValueError(f"initial_step takes a number of batches, 0 or more, not {initial_step}.")
        if tables is not None and not tables and not probes:
            raise ValueError(f"tables={tables!r} selects nothing to record. Name tables, remove it, or give probes.")
        if resume and overwrite:
            raise ValueError("resume=True continues a run and overwrite=True replaces it. Give one of the two.")
        if stop_on not in (None, "warning", "critical"):
            raise ValueError(f'stop_on takes "warning", "critical" or None, not {stop_on!r}.')
        if on_alert is not None and not callable(on_alert):
            raise TypeError(f"on_alert must be a function that takes an alert, not {type(on_alert).__name__}.")
        self.log_dir = log_dir
        self.vocabulary = vocabulary
        self.metadata = metadata
        self.rows = rows
        self.tables = tables
        self.probes = read_probes(probes)
        self.watch = dict(watch) if isinstance(watch, Mapping) else _as_tuple(watch)
        self.keep = tuple(keep)
        self.writer = writer
        self.resume = resume
        self.initial_step = initial_step
        self.overwrite = overwrite
        self.rules = read_rules(alerts)
        self.on_alert = on_alert
        self.stop_on = stop_on
        self.training_history = training_history
        self.on_error = on_error
        self.schedule = Schedule(every_n_steps, every_n_epochs)
        self.config = config or Config(
            methods=_as_tuple(methods),
            n_components=_as_tuple(n_components),
            distance=distance,
            n_neighbors=n_neighbors,
            perplexity=perplexity,
            min_dist=min_dist,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        self.settings = settings or RecorderSettings(
            background=background,
            max_slowdown=max_slowdown,
            drain_timeout=drain_timeout,
            max_log_bytes=max_log_bytes,
            max_store_bytes=max_store_bytes,
        )
        self.session_: TrainingSession | None = None
        self.run_dir_: Path | None = None
        self._latest: TrainingSession | None = None
        self._stopping = False

    def _begin(
        self,
        network: Any,
        *,
        share: Any = None,
        their_log_dir: str | os.PathLike[str] | None,
        where: str,
        continues: bool = True,
    ) -> TrainingSession | None:
        """Choose tables and rows, open the run, and take the snapshot before training.

        With several ranks all of them take part. The result is None on a rank that does not, because rank 0 records
        alone.
        `network` and `share` as in `TrainingSession`. `their_log_dir` of the trainer is the default of `log_dir`, and
        `where` its source, for the error message. If this callback has recorded the same network, `continues` tells
        whether its run goes on. Recordings of other trainings that ended by an exception are closed.
        """
        name = type(self).__name__
        if not is_scope(network):
            require_dynamic_mode(name)
        if is_paddle(network, "DataParallel"):
            network = network._layers  # so that names are those of one process
        self._abandon(timeout=0)
        ranks = Ranks.current().meet(name)
        if ranks.size == 1 and not ranks.writes:
            return None
        close_ended()
        found = self.log_dir if self.log_dir is not None else their_log_dir

        def directory() -> Path:
            if found is None:
                raise ValueError(f'No log_dir was given, and there is no {where}; use {name}("runs/a", ...).')
            if ranks.size > 1 and not self.settings.background:
                raise ValueError(
                    f"background=False makes {ranks.size} ranks wait for every analysis of rank 0, longer than a "
                    "collective waits. Remove it: analyses run in a child process of rank 0."
                )
            return Path(found).absolute()

        log_dir, latest = ranks.decide(directory), self._latest
        again = continues and latest is not None and latest.is_continued_by(network, log_dir)
        self.session_ = self._latest = TrainingSession(
            network,
            log_dir,
            self,
            share=share,
            ranks=ranks,
            continues=latest if again else None,
            driver=Driver.calling(self),
        )
        self.run_dir_, self._stopping = self.session_.log_dir, False
        self.session_.begin()
        return self.session_

    def _after_batch(self, step: int | None = None, *, last: bool, loss: float | None = None) -> None:
        """Count a batch, take a snapshot if one is due, and deliver alerts; arguments as in the session."""
        if self.session_ is not None:
            self.session_.after_batch(step, last=last, loss=loss)
            stop = self._deliver(self.session_.take_alerts())
            if self.stop_on is not None and self.session_.is_wanted(stop):
                self._stop_training()

    def _after_epoch(self, number: int, *, last: bool) -> None:
        """Take a snapshot if one is due after the `number`-th epoch, from 1; `last` if no epoch follows."""
        if self.session_ is not None:
            self.session_.after_epoch(number, last=last)

    def _end(self) -> None:
        """Take the last snapshot, wait for the analyses, close the log, and deliver alerts."""
        if self.session_ is not None:
            self.session_.end()
            self._stopping = True
            self._deliver(self.session_.take_alerts())
            self.session_ = None

    def _abandon(self, *, timeout: float = EXIT_SECONDS) -> None:
        """Close the recording of a training that ended by an exception, within `timeout` seconds."""
        if self.session_ is not None:
            self.session_.abandon(timeout=timeout)
            self.session_ = None

    @abstractmethod
    def _stop_training(self) -> None:
        """Stop the trainer because of an alert selected by `stop_on`."""

    def _deliver(self, alerts: Sequence[Alert]) -> bool:
        """Pass alerts to `on_alert`; return whether `stop_on` selects one of them, once for each training."""
        stop = False
        for alert in alerts:
            if self.on_alert is not None:
                try:
                    self.on_alert(alert)
                except Exception as error:
                    logger.warning("on_alert failed (%s: %s); training continues.", type(error).__name__, error)
            if not self._stopping and self.stop_on is not None and alert.severity in (self.stop_on, "critical"):
                logger.warning("Training stops because of the alert %s (stop_on=%r).", alert.rule, self.stop_on)
                stop = self._stopping = True
        return stop
