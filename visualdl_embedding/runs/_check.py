"""Evaluation of rules on runs and saved models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from visualdl_embedding.alerts import (
    Above,
    Below,
    Changes,
    DriftTowards,
    History,
    Rule,
    RulesLike,
    Verdict,
    check_scalars,
    names_in_metrics,
    read_rules,
    require_reachable,
    unmatched,
)
from visualdl_embedding.analysis import Config, analyze
from visualdl_embedding.core.names import labels_of, scalar_key
from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Drift
from visualdl_embedding.metrics.strata import frequency_strata
from visualdl_embedding.models import ModelTable, open_model
from visualdl_embedding.projection import METHODS
from visualdl_embedding.runs._drift import OpenedTables, PathLike, compare_sides
from visualdl_embedding.store import Run, is_run, open_run
from visualdl_embedding.vocabulary import MetadataLike, RowsLike, VocabularyLike

__all__ = ["Checked", "check"]

PAIR_METRICS = ("neighbor_overlap", "displacement", "cka")
"""Metrics that are measured against a baseline: of the space, of watched words and of strata.

A run stores those against its own previous snapshot.
"""


class _Measured(NamedTuple):
    """Newest analyzed snapshot of a table, with its scalars (and those of earlier snapshots) and notes for the user."""

    snapshot: Snapshot
    history: History
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checked:
    """Result of an evaluation of rules.

    Attributes
    ----------
    verdicts
        One for each subject of each rule.
    drift
        Comparison with the baseline by table, if there is a baseline.
    notes
        Notes for the user.
    """

    verdicts: tuple[Verdict, ...]
    drift: Mapping[str, Drift]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every verdict is ``"passed"``; an unknown value does not pass."""
        return all(verdict.status == "passed" for verdict in self.verdicts)


def check(
    target: PathLike,
    rules: RulesLike | None = None,
    *,
    baseline: PathLike | None = None,
    table: str | None = None,
    vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None = None,
    metadata: MetadataLike | Sequence[MetadataLike] | None = None,
    rows: RowsLike = 500,
    watch: Sequence[str] = (),
    null: Sequence[tuple[PathLike, PathLike]] = (),
    n_neighbors: int = 15,
    distance: Distance = "cosine",
    random_state: int = 42,
    n_jobs: int = 1,
) -> Checked:
    """Evaluate rules on a run or a saved model.

    For a run, the newest analyzed snapshot of every table is evaluated; earlier ones determine how long a rule has
    held. A saved model is analyzed, with maps only if a rule refers to their quality. With a baseline, neighbor
    overlap, displacement, CKA, changes and drift are measured against it.

    Parameters
    ----------
    target, baseline
        Log directory of a run, or path of a saved model.
    rules
        TOML file, rules of `visualdl_embedding.alerts`, or a list of both; None for the default rules.
    table
        Name of the only table to evaluate; None for all tables of a run.
    vocabulary, metadata, rows, watch, null, n_neighbors, distance, random_state, n_jobs
        As in `drift_between`. Words in rules are watched too: those of drift, and of metrics such as
        ``watch/加息/norm``.

    Raises
    ------
    FileNotFoundError, ValueError
        As in `drift_between`, if a rule matches no table, and for a saved model if no side has a word or a group of a
        rule.
    """
    chosen = read_rules(rules)
    words = [word for rule in chosen if isinstance(rule, DriftTowards) for word in rule.words]
    asked = list(dict.fromkeys([*watch, *words]))
    in_metrics = names_in_metrics(chosen, "watch")
    options: Any = {"n_neighbors": n_neighbors, "distance": distance, "random_state": random_state, "n_jobs": n_jobs}
    config = Config(methods=_methods(chosen), noise_floor_every=0, **options)
    models = OpenedTables(vocabulary, metadata, random_state)
    against_run = baseline is not None and is_run(baseline)
    base: _Measured | None = None
    if of_run := is_run(target):
        run = open_run(target)
        if baseline is not None and not against_run:
            _table_of(run, table)  # raises an error if there are several: a model's table is the baseline of one table
        sides = {name: _measured_in_run(run, name) for name in ([table] if table else run.tables())}
    else:
        if baseline is not None and against_run:
            run = open_run(baseline)
            base = _measured_in_run(run, _table_of(run, table))
            rows = models.known(target, table, base.snapshot.labels)
        asked += [label for label in _named(models.table(target, table), in_metrics) if label not in asked]
        own_words = models.watched(target, table, asked, beside=baseline)
        snapshot = models.read(target, table, rows=rows, watch=own_words)
        known = [snapshot.rows]
        if base is not None:
            known.append(_watching(base.snapshot.rows, asked, in_metrics))
        elif baseline is not None:
            words = models.watched(baseline, table, asked, beside=target)
            other = models.table(baseline, table).choose_rows(rows=rows, watch=words, random_state=random_state)
            known.append(_watching(other, asked, in_metrics))
        require_reachable(chosen, {snapshot.table: known}, single=True)
        sides = {snapshot.table: _analyzed(snapshot, config)}
    if lost := unmatched(chosen, sides):
        raise ValueError(
            f"The rule {lost[0]!r} matches no table; the tables are {', '.join(map(repr, sides))}. Correct its "
            "'tables'."
        )
    verdicts: list[Verdict] = []
    drift: dict[str, Drift] = {}
    notes: list[str] = []
    for name, side in sides.items():
        notes += side.notes
        history = side.history
        if baseline is not None:
            labels = side.snapshot.labels
            own = table
            if of_run and against_run:
                own, run = name, open_run(baseline)
                base = _measured_in_run(run, _table_of(run, own))
            elif not against_run:
                same = models.read(baseline, own, rows=models.known(baseline, own, labels))
                base = _analyzed(same, config)
            assert base is not None
            before = base.snapshot
            if not of_run and not against_run:
                before = models.read(
                    baseline, own, rows=rows, watch=models.watched(baseline, own, asked, beside=target)
                )
            named = [*asked, *labels_of(in_metrics, labels)]
            watched = [label for label in dict.fromkeys(named) if label in labels or label in before.labels]
            null_pairs = models.read_pairs(null, own, labels)
            drift[name] = compare_sides(before, side.snapshot, watch=watched, null=null_pairs, **options)
            notes += drift[name].notes
            history = _against(history, side.snapshot, drift[name])
        verdicts += check_scalars(
            chosen,
            history if of_run else history.scalars[-1],
            None if base is None else base.history.scalars[-1],
            table=name,
            evidence=() if of_run else history.evidence.get(history.steps[-1], ()),
        )
    return Checked(tuple(verdicts), drift, tuple(dict.fromkeys(notes)))


def _table_of(run: Run, table: str | None) -> str:
    return open_model(run).table(table if len(run.tables()) > 1 else None).name


def _named(table: ModelTable, names: Sequence[str]) -> list[str]:
    """List the labels of a table that are named in scalar keys, where they are escaped."""
    known, words = table.known(names), table.vocabulary
    rest = [name for name in names if name not in known]
    return [*known, *table.known(labels_of(rest, () if words.is_numbered else words.labels))]


def _watching(rows: Rows, asked: Sequence[str], in_metrics: Sequence[str]) -> Rows:
    """Return rows that watch the labels that are asked for, as far as they have them."""
    named = {*asked, *labels_of(in_metrics, rows.labels)}
    return replace(rows, watch=tuple(label for label in rows.labels if label in named or label in rows.watch))


def _measured_in_run(run: Run, name: str) -> _Measured:
    reader = run.reader(name)
    steps = reader.steps(analyzed=True)
    if not steps:
        raise ValueError(
            f"{run.path} holds no analyzed snapshot of {name!r}; run `visualdl-embedding analyze {run.path}` first."
        )
    numbers, notes = {}, []
    for step in steps:
        try:
            numbers[step] = reader.read_numbers(step)
        except (OSError, ValueError) as error:
            if step == steps[-1]:  # is the one to evaluate
                raise
            notes.append(f"Step {step} is left out: {error}")
    scalars, directions = zip(*numbers.values(), strict=True)
    history = History(name, tuple(numbers), scalars, dict(zip(numbers, directions, strict=True)))
    return _Measured(reader.read_snapshot(steps[-1]), history, tuple(notes))


def _analyzed(snapshot: Snapshot, config: Config) -> _Measured:
    analysis, _ = analyze(snapshot, config=config)
    history = History(snapshot.table, (0,), ({**snapshot.counters, **analysis.scalars},))
    return _Measured(snapshot, history, (*snapshot.notes, *analysis.notes))


def _metrics(rules: Sequence[Rule]) -> list[list[str]]:
    """Return the levels of the scalar keys that rules refer to."""
    return [rule.metric.split("/") for rule in rules if isinstance(rule, Above | Below | Changes)]


def _methods(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Choose the projection methods whose quality a rule refers to."""
    first = {levels[0] for levels in _metrics(rules)}
    return tuple(method for method in METHODS if first & {method, f"{method}_3d"})


def _against(history: History, snapshot: Snapshot, drift: Drift) -> History:
    """Replace the newest snapshot's metrics against its predecessor with those against the baseline."""
    scalars = {key: value for key, value in history.scalars[-1].items() if key.split("/")[-1] not in PAIR_METRICS}
    changes: dict[str, float | None] = {"neighbor_overlap": drift.mean_neighbor_overlap, "cka": drift.cka}
    changes["displacement"] = drift.mean_displacement
    for word in drift.watched:
        for metric in ("neighbor_overlap", "displacement"):
            changes[scalar_key(metric, watch=word.label)] = getattr(word, metric)
    frequency = snapshot.rows.frequencies()
    rows = np.flatnonzero(snapshot.usable(drift.distance) & np.isfinite(frequency))
    if frequency[rows].sum() > 0:
        overlap = dict(zip(drift.labels, drift.neighbor_overlap.tolist(), strict=True))
        kept = np.array([overlap.get(snapshot.labels[row], np.nan) for row in rows])
        stratum_of = frequency_strata(frequency[rows])
        for name in np.unique(stratum_of[np.isfinite(kept)]).tolist():
            mean = float(np.nanmean(kept[stratum_of == name]))
            changes[scalar_key("neighbor_overlap", stratum=name)] = mean
    scalars |= {key: value for key, value in changes.items() if value is not None}
    evidence = {**history.evidence, history.steps[-1]: drift.directions}
    return History(history.table, history.steps, (*history.scalars[:-1], scalars), evidence)
