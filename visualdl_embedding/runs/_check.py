"""Runs and saved models held against rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from visualdl_embedding.alerts import (
    DriftTowards,
    History,
    Rule,
    RulesLike,
    Verdict,
    check_scalars,
    read_rules,
    unmatched,
)
from visualdl_embedding.analysis import Config, analyze
from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Drift
from visualdl_embedding.models import open_model
from visualdl_embedding.projection import METHODS
from visualdl_embedding.runs._drift import compare_sides
from visualdl_embedding.runs._opened import OpenedTables, PathLike
from visualdl_embedding.store import Run, is_run, open_run
from visualdl_embedding.vocabulary import MetadataLike, RowsLike, VocabularyLike

__all__ = ["Checked", "check"]

PAIR_METRICS = ("neighbor_overlap", "displacement", "cka")
"""Against a baseline these are measured anew; what a run holds of them is about its own previous snapshot."""


@dataclass(frozen=True)
class MeasuredTable:
    """The newest snapshot of a table, with the scalars of its run, or its own.

    Attributes
    ----------
    snapshot
        The newest that is analyzed.
    scalars
        By step.
    evidence
        By step: where watched words went.
    notes
        Sentences for the user.
    """

    snapshot: Snapshot
    scalars: Mapping[int, Mapping[str, float]]
    evidence: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def newest(self) -> Mapping[str, float]:
        """Scalars of the snapshot."""
        return self.scalars[max(self.scalars)]


@dataclass(frozen=True)
class Checked:
    """What rules say of a run or a model.

    Attributes
    ----------
    verdicts
        One for each thing that each rule watches.
    drift
        By table: the comparison with the baseline, where one was given.
    notes
        Sentences for the user.
    """

    verdicts: tuple[Verdict, ...]
    drift: Mapping[str, Drift]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every verdict is ``"passed"``: what is unknown has not passed."""
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
    """Judge a run or a saved model by rules.

    Of a run, the newest analyzed snapshot of every table is judged, and those before it tell for how long a rule has
    held. A saved model is analyzed; maps are made only where a rule asks for their quality. With a baseline,
    neighbor overlap, displacement and CKA are measured against it, and so are changes and drift.

    Parameters
    ----------
    target, baseline
        The log directory of a run, or a path to a saved model.
    rules
        A TOML file, rules of `visualdl_embedding.alerts`, or a list of both; None for the default ones.
    table
        Only this one.
    vocabulary, metadata, rows, watch, null, n_neighbors, distance, random_state, n_jobs
        As in `drift_between`. Words of rules about drift are watched as well.

    Raises
    ------
    FileNotFoundError, ValueError
        As in `drift_between`, and for a rule that is for none of the tables.
    """
    chosen = read_rules(rules)
    words = [word for rule in chosen if isinstance(rule, DriftTowards) for word in rule.words]
    asked = list(dict.fromkeys([*watch, *words]))
    config = Config(
        methods=_methods(chosen),
        n_neighbors=n_neighbors,
        distance=distance,
        noise_floor_every=0,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    models = OpenedTables(vocabulary, metadata, random_state)
    of_run = is_run(target)
    base = None if baseline is None else _Baseline(baseline, models, config, {})
    if of_run:
        run = open_run(target)
        sides = {name: _measured_in_run(run, name) for name in ([table] if table else run.tables())}
        if base is not None and not base.of_run:
            # One table of a model is the baseline of one table, not of all.
            _table_of(run, table)
    else:
        if base is not None and base.of_run:
            rows = models.known(target, table, base.stored(table).snapshot.labels)
        snapshot = models.read(target, table, rows=rows, watch=asked)
        sides = {snapshot.table: _analyzed(snapshot, config)}
    if lost := unmatched(chosen, sides):
        raise ValueError(
            f"No table is meant by the rule {lost[0]!r}; the tables are {', '.join(map(repr, sides))}. Correct its "
            "'tables'."
        )
    verdicts: list[Verdict] = []
    drift: dict[str, Drift] = {}
    notes_of_all: list[str] = []
    for name, side in sides.items():
        notes_of_all += side.notes
        baseline_scalars = None
        if base is not None:
            own = name if of_run and base.of_run else table
            watched = [label for label in asked if label in side.snapshot.labels]
            first, baseline_scalars = base.of(side, own, rows=None if of_run else rows, watch=watched)
            drift[name] = compare_sides(
                first,
                side.snapshot,
                watch=watched,
                null=models.read_pairs(null, own, side.snapshot.labels),
                n_neighbors=n_neighbors,
                distance=distance,
                random_state=random_state,
                n_jobs=n_jobs,
            )
            notes_of_all += drift[name].notes
            side = _against(side, drift[name])
        newest = max(side.scalars)
        single = len(side.scalars) == 1 and not of_run
        judged: Any = side.newest if single else History.of(name, side.scalars, evidence=side.evidence)
        verdicts += check_scalars(
            chosen, judged, baseline_scalars, table=name, evidence=side.evidence.get(newest, ()) if single else ()
        )
    return Checked(tuple(verdicts), drift, tuple(dict.fromkeys(notes_of_all)))


@dataclass(frozen=True)
class _Baseline:
    path: PathLike
    models: OpenedTables
    config: Config
    sides: dict[str, MeasuredTable]

    @property
    def of_run(self) -> bool:
        return is_run(self.path)

    def stored(self, table: str | None) -> MeasuredTable:
        """Read a table of a run, once."""
        run = open_run(self.path)
        name = _table_of(run, table)
        if name not in self.sides:
            self.sides[name] = _measured_in_run(run, name)
        return self.sides[name]

    def of(
        self, side: MeasuredTable, table: str | None, *, rows: RowsLike | None, watch: Sequence[str]
    ) -> tuple[Snapshot, Mapping[str, float]]:
        """Find what a side is compared with, and the scalars that its own are held against.

        Parameters
        ----------
        side
            Of a model's baseline, scalars are of those of its rows that the baseline has.
        table
            Which table of the baseline.
        rows, watch
            Of a model's baseline: what it is compared by; None for the side's own rows.
        """
        if self.of_run:
            stored = self.stored(table)
            return stored.snapshot, stored.newest
        same = _analyzed(self.models.read_known(self.path, table, side.snapshot.labels), self.config)
        if rows is None:
            return same.snapshot, same.newest
        return self.models.read(self.path, table, rows=rows, watch=watch), same.newest


def _table_of(run: Run, table: str | None) -> str:
    return open_model(run).table(table if len(run.tables()) > 1 else None).name


def _measured_in_run(run: Run, name: str) -> MeasuredTable:
    """Read the newest analyzed snapshot of a run's table, and the numbers of all before it."""
    reader = run.reader(name)
    steps = reader.steps(analyzed=True)
    if not steps:
        raise ValueError(
            f"{run.path} holds no analyzed snapshot of {name!r}; run `visualdl-embedding analyze {run.path}` first."
        )
    numbers = {step: reader.read_numbers(step) for step in steps}
    return MeasuredTable(
        reader.read_snapshot(steps[-1]),
        {step: scalars for step, (scalars, _) in numbers.items()},
        {step: directions for step, (_, directions) in numbers.items()},
    )


def _analyzed(snapshot: Snapshot, config: Config) -> MeasuredTable:
    analysis, _ = analyze(snapshot, config=config)
    return MeasuredTable(
        snapshot, {0: {**snapshot.counters, **analysis.scalars}}, notes=(*snapshot.notes, *analysis.notes)
    )


def _methods(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Choose the maps whose quality some rule asks for."""
    metrics = [str(getattr(rule, "metric", "")).split("/")[0] for rule in rules]
    return tuple(method for method in METHODS if any(name in (method, f"{method}_3d") for name in metrics))


def _against(side: MeasuredTable, drift: Drift) -> MeasuredTable:
    """Put what was measured against the baseline in the place of what a run says of its own previous snapshot."""
    newest = max(side.scalars)
    scalars = {key: value for key, value in side.newest.items() if key not in PAIR_METRICS}
    scalars |= {"neighbor_overlap": drift.mean_neighbor_overlap, "cka": drift.cka}
    if drift.mean_displacement is not None:
        scalars["displacement"] = drift.mean_displacement
    return replace(
        side, scalars={**side.scalars, newest: scalars}, evidence={**side.evidence, newest: drift.directions}
    )
