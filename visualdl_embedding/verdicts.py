"""Two models or runs against one another, and either against rules: for a terminal, and for CI."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from visualdl_embedding.alerts import DriftTowards, History, Rule, Verdict, check, unmatched
from visualdl_embedding.analyse import analyse
from visualdl_embedding.analysis import Config
from visualdl_embedding.drift import Drift, compare_snapshots
from visualdl_embedding.neighbors import Distance
from visualdl_embedding.project import METHODS
from visualdl_embedding.report import read_snapshot
from visualdl_embedding.snapshot import Snapshot
from visualdl_embedding.space import open_space
from visualdl_embedding.store import Run, open_run

__all__ = ["Checked", "check_tables", "drift_between", "is_run"]

Progress = Callable[[str, int, int], None]
PAIR_METRICS = ("neighbor_overlap", "displacement", "cka")
"""Against a baseline these are measured anew; what a run holds of them is about its own previous snapshot."""


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


@dataclass(frozen=True)
class _Side:
    """The newest snapshot of a table, with the scalars of its run, or its own."""

    snapshot: Snapshot
    scalars: Mapping[int, Mapping[str, float]]
    evidence: Mapping[int, Sequence[Any]]
    notes: tuple[str, ...] = ()


def is_run(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the log directory of a run, and not a saved model."""
    return any((Path(path) / "embeddings").glob("*/table.json"))


def drift_between(
    before: str | os.PathLike[str],
    after: str | os.PathLike[str],
    *,
    table: str | None = None,
    step_before: int | None = None,
    step_after: int | None = None,
    vocabulary: Any = None,
    metadata: Any = None,
    rows: Any = 500,
    watch: Sequence[str] = (),
    null: Sequence[tuple[str | os.PathLike[str], str | os.PathLike[str]]] = (),
    n_neighbors: int = 15,
    distance: Distance = "cosine",
    alpha: float = 0.05,
    random_state: int = 42,
    n_jobs: int = 1,
) -> Drift:
    """Compare two runs or saved models; rows pair by label.

    Parameters
    ----------
    before, after
        The log directory of a run, whose newest snapshot is taken, or a path to a saved model.
    table
        Which table, by name; needed only where there are several.
    step_before, step_after
        Of a run: another snapshot than the newest. A run may be compared with itself.
    vocabulary, metadata, rows
        Of saved models, as `visualdl_embedding.report.report` takes them. Where one side is a run, its rows are taken.
    watch
        Labels that are asked about; those that a run watches are, too.
    null
        Pairs between which nothing changed, as paths: trainings with different seeds, earlier weeks.
    n_neighbors, distance, alpha, random_state, n_jobs
        As `compare_snapshots` takes them.

    Raises
    ------
    FileNotFoundError, ValueError
        An unreadable side, no such table or step, or no label that both have.
    """
    options = {"vocabulary": vocabulary, "metadata": metadata, "random_state": random_state}
    first, second = (
        _newest(path, table, step=step, rows=None, **options) if is_run(path) else None
        for path, step in ((before, step_before), (after, step_after))
    )
    labels = next((list(side.labels) for side in (first, second) if side is not None), None)
    shown = rows if labels is None else labels
    joined = watch if labels is None else ()
    first, second = (
        side or _newest(path, table, step=None, rows=shown, watch=joined, lenient=labels is not None, **options)
        for side, path in ((first, before), (second, after))
    )
    asked = [*watch, *(label for label in second.rows.watch if label not in watch)]

    def paired(path: str | os.PathLike[str]) -> Snapshot:
        return _newest(path, table, step=None, rows=list(second.labels), lenient=True, **options)

    return compare_snapshots(
        first,
        second,
        groups=_groups(first, second),
        watch=asked,
        null=[(paired(a), paired(b)) for a, b in null] or None,
        n_neighbors=n_neighbors,
        distance=distance,
        alpha=alpha,
        random_state=random_state,
        n_jobs=n_jobs,
    )


def check_tables(
    target: str | os.PathLike[str],
    rules: Sequence[Rule],
    *,
    baseline: str | os.PathLike[str] | None = None,
    table: str | None = None,
    vocabulary: Any = None,
    metadata: Any = None,
    rows: Any = 500,
    watch: Sequence[str] = (),
    null: Sequence[tuple[str | os.PathLike[str], str | os.PathLike[str]]] = (),
    n_neighbors: int = 15,
    distance: Distance = "cosine",
    random_state: int = 42,
    n_jobs: int = 1,
) -> Checked:
    """Judge a run or a saved model by rules.

    Of a run, the newest analysed snapshot of every table is judged, and those before it tell for how long a rule has
    held. A saved model is analysed; maps are made only where a rule asks for their quality. With a baseline,
    neighbor overlap, displacement and CKA are measured against it, and so are changes and drift.

    Parameters
    ----------
    target, baseline
        The log directory of a run, or a path to a saved model.
    rules
        Of `visualdl_embedding.alerts`.
    table
        Only this one.
    vocabulary, metadata, rows, watch, null, n_neighbors, distance, random_state, n_jobs
        As in `drift_between`. Words of rules about drift are watched as well.

    Raises
    ------
    FileNotFoundError, ValueError
        As in `drift_between`, and for a rule that is for none of the tables.
    """
    words = [word for rule in rules if isinstance(rule, DriftTowards) for word in rule.words]
    asked = list(dict.fromkeys([*watch, *words]))
    config = Config(
        methods=_methods(rules),
        n_neighbors=n_neighbors,
        distance=distance,
        noise_floor_every=0,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    options = {"vocabulary": vocabulary, "metadata": metadata, "random_state": random_state}
    if is_run(target):
        run = open_run(target)
        sides = {name: _side_of_run(run, name) for name in ([table] if table else run.tables())}
    else:
        if baseline is not None and is_run(baseline):
            run = open_run(baseline)
            rows = _known(target, run.rows(_table_of(run, table)).labels, table=table, vocabulary=vocabulary)
        snapshot, notes = read_snapshot(target, table=table, rows=rows, watch=asked, **options)
        analysis, _ = analyse(snapshot, config=config)
        scalars = {**snapshot.counters, **analysis.scalars}
        sides = {snapshot.table: _Side(snapshot, {0: scalars}, {}, (*notes, *analysis.notes))}
    if lost := unmatched(rules, sides):
        raise ValueError(
            f"No table is meant by the rule {lost[0]!r}; the tables are {', '.join(map(repr, sides))}. Mend its "
            "'tables'."
        )
    verdicts: list[Verdict] = []
    drift: dict[str, Drift] = {}
    notes_of_all: list[str] = []
    for name, side in sides.items():
        notes_of_all += side.notes
        baseline_scalars = None
        if baseline is not None:
            drift[name] = drift_between(
                baseline,
                target,
                table=name if is_run(target) and is_run(baseline) else table,
                rows=rows,
                watch=[label for label in asked if label in side.snapshot.labels],
                null=null,
                n_neighbors=n_neighbors,
                distance=distance,
                n_jobs=n_jobs,
                **options,
            )
            notes_of_all += drift[name].notes
            side = _against(side, drift[name])
            baseline_scalars = _baseline_scalars(
                baseline, table or name, rows=side.snapshot.labels, config=config, **options
            )
        single = len(side.scalars) == 1 and not is_run(target)
        newest = max(side.scalars)
        judged: Any = side.scalars[newest] if single else History.of(name, side.scalars, evidence=side.evidence)
        verdicts += check(
            rules, judged, baseline_scalars, table=name, evidence=side.evidence.get(newest, ()) if single else ()
        )
    return Checked(tuple(verdicts), drift, tuple(dict.fromkeys(notes_of_all)))


def _methods(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Choose the maps whose quality some rule asks for."""
    metrics = [str(getattr(rule, "metric", "")).split("/")[0] for rule in rules]
    return tuple(method for method in METHODS if any(name in (method, f"{method}_3d") for name in metrics))


def _side_of_run(run: Run, name: str) -> _Side:
    reader = run.reader(name)
    steps = reader.steps(analysed=True)
    if not steps:
        raise ValueError(
            f"{run.path} holds no analysed snapshot of {name!r}; run `visualdl-embedding analyse {run.path}` first."
        )
    numbers = {step: reader.read_numbers(step) for step in steps}
    return _Side(
        reader.read_snapshot(steps[-1]),
        {step: scalars for step, (scalars, _) in numbers.items()},
        {step: directions for step, (_, directions) in numbers.items()},
    )


def _against(side: _Side, drift: Drift) -> _Side:
    """Put what was measured against the baseline in the place of what a run says of its own previous snapshot."""
    newest = max(side.scalars)
    scalars = {key: value for key, value in side.scalars[newest].items() if key not in PAIR_METRICS}
    scalars |= {"neighbor_overlap": drift.mean_neighbor_overlap, "cka": drift.cka}
    if drift.mean_displacement is not None:
        scalars["displacement"] = drift.mean_displacement
    return replace(
        side, scalars={**side.scalars, newest: scalars}, evidence={**side.evidence, newest: drift.directions}
    )


def _baseline_scalars(
    baseline: str | os.PathLike[str], table: str, *, rows: Sequence[str], config: Config, **options: Any
) -> Mapping[str, float]:
    if is_run(baseline):
        run = open_run(baseline)
        side = _side_of_run(run, _table_of(run, table))
        return side.scalars[max(side.scalars)]
    snapshot = _newest(baseline, None, step=None, rows=list(rows), lenient=True, **options)
    return {**snapshot.counters, **analyse(snapshot, config=config)[0].scalars}


def _table_of(run: Run, table: str | None) -> str:
    """Choose a run's table: the one of this name, else its only one."""
    tables = run.tables()
    if table in tables:
        return str(table)
    if len(tables) == 1:
        return tables[0]
    raise ValueError(f"{run.path} has the tables {', '.join(map(repr, tables))}; choose one by its name.")


def _known(path: str | os.PathLike[str], labels: Sequence[str], *, table: str | None, vocabulary: Any) -> list[str]:
    """Choose the labels that a saved model has as well.

    Raises
    ------
    ValueError
        If there is none.
    """
    words = open_space(path, table=table, vocabulary=vocabulary).vocabulary
    known = [label for label in labels if len(words.find(label)) == 1 or words.compose(label)]
    if not known:
        some = ", ".join(map(repr, labels[:3]))
        raise ValueError(
            f"{words.source} of {os.fspath(path)} has none of the {len(labels):,} labels of the other side "
            f"({some}, …); give the vocabulary that belongs to the model."
        )
    return known


def _newest(
    path: str | os.PathLike[str],
    table: str | None,
    *,
    step: int | None,
    rows: Any,
    lenient: bool = False,
    **options: Any,
) -> Snapshot:
    if is_run(path):
        run = open_run(path)
        name = _table_of(run, table)
        return run.snapshot(name, run.steps(name)[-1] if step is None else step)
    if lenient:
        rows = _known(path, rows, table=table, vocabulary=options["vocabulary"])
    return read_snapshot(path, table=table, rows=rows, **options)[0]


def _groups(first: Snapshot, second: Snapshot) -> dict[str, str] | None:
    """Read groups off the later snapshot, or where it has none off the earlier one."""
    for snapshot in (second, first):
        if "group" in snapshot.rows.columns:
            return dict(zip(snapshot.labels, snapshot.rows.columns["group"], strict=True))
    return None
