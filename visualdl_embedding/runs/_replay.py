"""Analysis of skipped snapshots of a stored run, and reconstruction of its VisualDL log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from visualdl_embedding.logs import DEFAULT_LOG_BYTES, LogBudget, LogFile, Tally, is_ours, log_files, rewrite
from visualdl_embedding.runs._process import TableAnalyzer, alert_records, records_of
from visualdl_embedding.store import Run, TableStore, open_run, read_alerts

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
    """

    table: str
    steps: tuple[int, ...]
    kept: int


def analyze_run(
    path: str | Path,
    *,
    tables: Sequence[str] | None = None,
    force: bool = False,
    on_step: OnStep | None = None,
) -> list[Replayed]:
    """Analyze the snapshots of a run in order, from the first one without an analysis.

    An analysis depends on the previous one, so all snapshots after a gap are analyzed again. The numbers equal those of
    a training that skips no snapshot.

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
    done = []
    for name in tables if tables is not None else run.tables():
        store = TableStore.open(run.path, name)
        steps = run.steps(name)
        analyzed = set() if force else set(run.steps(name, analyzed=True))
        kept = next((i for i, step in enumerate(steps) if step not in analyzed), len(steps))
        todo = steps[kept:]
        if todo:
            analyzer = TableAnalyzer(store, before=todo[0])
            store.drop_alerts(since=todo[0])
        for i, step in enumerate(todo):
            if on_step is not None:
                on_step(name, step, i, len(todo))
            for alert in analyzer.process(store.read_snapshot(step)).alerts:
                store.append_alert(alert.to_dict())
        done.append(Replayed(name, tuple(todo), kept))
    return done


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
    The logged steps of each table; `Replayed.kept` counts the snapshots without an analysis.
    """
    run = open_run(path)
    tables = run.tables()
    if not log_files(run.path):
        LogFile.open(run.path).close()
    records = (r for name in tables for r in _records_of_table(run, name, max_log_bytes, on_step))
    rewrite(log_files(run.path), keep=lambda tag: not is_ours(tag, tables), append=records)
    logged = {name: tuple(run.steps(name, analyzed=True)) for name in tables}
    return [Replayed(name, steps, kept=len(run.steps(name)) - len(steps)) for name, steps in logged.items()]


def _records_of_table(run: Run, name: str, max_bytes: int | None, on_step: OnStep | None) -> Iterator[bytes]:
    steps = run.steps(name, analyzed=True)
    budget = LogBudget(max_bytes, frames=max(1, len(steps)))
    tally = Tally()
    alerts = read_alerts(run.reader(name).folder / "alerts.jsonl")
    for i, step in enumerate(steps):
        if on_step is not None:
            on_step(name, step, i, len(steps))
        snapshot, analysis = run.snapshot(name, step), run.analysis(name, step)
        projections = {key: run.projection(name, step, key) for key in analysis.projections}
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
