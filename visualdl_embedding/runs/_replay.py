"""Analysis of skipped snapshots of a stored run, and reconstruction of its VisualDL log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from visualdl_embedding.alerts import require_reachable
from visualdl_embedding.analysis import made_from
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.logs import DEFAULT_LOG_BYTES, LogBudget, LogFile, Tally, is_ours, log_files, rewrite
from visualdl_embedding.runs._process import TableAnalyzer, alert_records, records_of, rules_of
from visualdl_embedding.store import Run, TableReader, TableStore, open_run, read_alerts, read_header

__all__ = ["OnStep", "Replayed", "analyze_run", "relog_run"]

OnStep = Callable[[str, int, int, int], None]
"""Called before each step with the table, the step, its position from 0, and the number of steps."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """Result of a replay for one table.

    Attributes
    ----------
    table, steps, kept
        Name of the table, steps that were analyzed or logged, and number of analyses that were kept.
    notes
        Sentences for the user.
    """

    table: str
    steps: tuple[int, ...]
    kept: int
    notes: tuple[str, ...] = ()


def analyze_run(
    path: str | Path,
    *,
    tables: Sequence[str] | None = None,
    force: bool = False,
    on_step: OnStep | None = None,
) -> list[Replayed]:
    """Analyze the snapshots of a run in order, from the first one whose analysis is missing or stale.

    An analysis is stale if its snapshot, the analysis before it, the settings or the version of this library are not
    those that it was made from, or if it does not say. An analysis depends on the previous one, so all snapshots after
    a stale one are analyzed again. The numbers equal those of a training that skips no snapshot. Alerts are replaced
    step by step, so an interrupted call loses none, and the next call continues where it ended. Damaged snapshots are
    skipped with a note.

    Parameters
    ----------
    path
        Run directory.
    tables
        Names of the tables; None for all.
    force
        Analyze all snapshots again.
    on_step
        Progress callback.
    """
    run = open_run(path)
    about_rules = _rules_that_cannot_fire(run)
    done = []
    for name in tables if tables is not None else run.tables():
        store = TableStore.open(run.path, name)
        notes = [about_rules[name]] if name in about_rules else []
        kept = [] if force else _current(store, notes)
        todo = [step for step in store.steps() if not kept or step > kept[-1]]
        analyzed = []
        if todo:
            analyzer = TableAnalyzer(store, before=todo[0])
            notes += analyzer.notes
        for i, step in enumerate(todo):
            if on_step is not None:
                on_step(name, step, i, len(todo))
            if (snapshot := _read(store, step, notes)) is not None:
                analyzer.process(snapshot, store_alerts=True)
                analyzed.append(step)
        done.append(Replayed(name, tuple(analyzed), len(kept), tuple(dict.fromkeys(notes))))
    return done


def _rules_that_cannot_fire(run: Run) -> dict[str, str]:
    """Return a note for each table that stores such a rule; the run is analyzed nevertheless."""
    readers = {name: run.reader(name) for name in run.tables()}
    stored = {name: rules_of(reader)[0] for name, reader in readers.items()}
    rows = {name: reader.all_rows() for name, reader in readers.items()} if any(stored.values()) else {}
    notes = {}
    for name, rules in stored.items():
        null_pairs = readers[name].description.config.null_pairs
        try:
            require_reachable(rules, {name: rows.get(name, [])}, others=rows, null_pairs=null_pairs)
        except ValueError as error:
            notes[name] = f"{error} The run stores its rules in {readers[name].folder / 'table.json'}."
    return notes


def _read(store: TableReader, step: int, notes: list[str]) -> Snapshot | None:
    """Read a snapshot; None if that fails, with a note."""
    try:
        return store.read_snapshot(step)
    except (OSError, ValueError) as error:
        notes.append(f"Step {step} is skipped: {error}")
        return None


def _current(store: TableReader, notes: list[str]) -> list[int]:
    """List the analyzed steps before the first one whose analysis is missing or stale.

    The analysis of a damaged snapshot is kept, because it cannot be made again. So is an analysis whose predecessor was
    thinned.
    """
    headers: dict[int, Mapping[str, Any]] = {}
    newest = -1
    for step in store.steps():
        snapshot = _read(store, step, notes)
        try:
            header = read_header(store.path("analysis", step))
        except (OSError, ValueError):
            if snapshot is None:
                continue
            break
        if snapshot is not None:
            before, stored = header["previous_step"], header["made_from"]
            known = headers.get(before)
            source = made_from(snapshot, None if known is None else known["made_from"], store.description.config)
            if known is None and before is not None:
                source["previous"] = stored.get("previous", "")
            if stored != source or (-1 if before is None else before) < newest:
                break
            if snapshot.is_measurable(store.description.config.distance):
                newest = step
        headers[step] = header
    return list(headers)


def relog_run(
    path: str | Path,
    *,
    max_log_bytes: int | None = DEFAULT_LOG_BYTES,
    on_step: OnStep | None = None,
) -> list[Replayed]:
    """Rebuild VisualDL's log from the store, and keep records of other writers, such as ``train/loss``.

    All PCA frames are drawn on the newest basis, so that they are comparable.

    Parameters
    ----------
    path
        Run directory. No training may be writing to it.
    max_log_bytes
        Limit of the new log, see `LogBudget`; None for no limit.
    on_step
        Progress callback.

    Returns
    -------
    The logged steps of each table; `Replayed.kept` counts the snapshots without an analysis. Steps with a damaged file
    are skipped with a note.
    """
    run = open_run(path)
    tables = run.tables()
    if not log_files(run.path):
        LogFile.open(run.path).close()
    skipped: dict[str, dict[int, str]] = {name: {} for name in tables}
    records = (r for name in tables for r in _records_of_table(run, name, max_log_bytes, on_step, skipped[name]))
    rewrite(log_files(run.path), keep=lambda tag: not is_ours(tag, tables), append=records)
    done = []
    for name in tables:
        analyzed = run.steps(name, analyzed=True)
        logged = tuple(step for step in analyzed if step not in skipped[name])
        kept = len(run.steps(name)) - len(analyzed)
        done.append(Replayed(name, logged, kept, tuple(skipped[name].values())))
    return done


def _records_of_table(
    run: Run, name: str, max_bytes: int | None, on_step: OnStep | None, skipped: dict[int, str]
) -> Iterator[bytes]:
    steps = run.steps(name, analyzed=True)
    budget = LogBudget(max_bytes, frames=max(1, len(steps)))
    tally = Tally()
    alerts = read_alerts(run.reader(name).folder / "alerts.jsonl")
    for i, step in enumerate(steps):
        if on_step is not None:
            on_step(name, step, i, len(steps))
        try:
            snapshot, analysis = run.snapshot(name, step), run.analysis(name, step)
            projections = {key: run.projection(name, step, key) for key in analysis.projections}
        except (OSError, ValueError) as error:
            skipped[step] = f"Step {step} is skipped: {error}"
            continue
        choice = budget.choose(
            snapshot,
            run.table(name).config,
            frame=i,
            spent=tally.of(name),
            tables=len(run.tables()),
            final=step == steps[-1],
        )
        walltime = run.reader(name).path("snapshot", step).stat().st_mtime_ns // 1_000_000
        records = records_of(snapshot, replace(analysis, projections=projections), choice, walltime=walltime)
        raised = [alert for alert in alerts if alert.step == step]
        for record in (*records, *alert_records(raised, walltime=walltime)):
            tally.add_record(record)
            yield record
