"""Go over a stored run again: analyze what was skipped, or rebuild VisualDL's log from the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from visualdl_embedding.analysis import State
from visualdl_embedding.logs import DEFAULT_LOG_BYTES, LogBudget, LogFile, Tally, is_ours, log_files, rewrite
from visualdl_embedding.runs._alerts import AlertMonitor, alert_records
from visualdl_embedding.runs._process import process_snapshot, records_of
from visualdl_embedding.store import Run, TableStore, open_run, read_alerts

__all__ = ["OnStep", "Replayed", "analyze_run", "relog_run"]

OnStep = Callable[[str, int, int, int], None]
"""Called before each step with table, step, its position from 0, and how many there are."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did to one table.

    Attributes
    ----------
    table
        Its name.
    steps
        The steps that were analyzed or logged.
    kept
        How many analyses were good as they were.
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
    """Analyze the snapshots of a run in order, from the first one that has no analysis.

    An analysis depends on the one before it, so everything after a gap is computed again; with the configuration and
    seed of the run the numbers are those that a training with time enough would have given.

    Parameters
    ----------
    path
        The run directory.
    tables
        All if None.
    force
        Analyze everything again.
    on_step
        For a progress bar.
    """
    run = open_run(path)
    done = []
    for name in tables if tables is not None else run.tables():
        store = TableStore.open(run.path, name)
        steps = run.steps(name)
        analyzed = set() if force else set(run.steps(name, analyzed=True))
        kept = next((i for i, step in enumerate(steps) if step not in analyzed), len(steps))
        todo = steps[kept:]
        state = store.load_state(steps[kept - 1]) if kept and todo else State()
        monitor = AlertMonitor.of(store, before=todo[0]) if todo else None
        if todo:
            store.drop_alerts(since=todo[0])
        for i, step in enumerate(todo):
            if on_step is not None:
                on_step(name, step, i, len(todo))
            made = process_snapshot(
                store, store.read_snapshot(step), state, config=store.description.config, monitor=monitor
            )
            state = made.state
            for alert in made.alerts:
                store.append_alert(alert.to_dict())
        done.append(Replayed(name, tuple(todo), kept))
    return done


def relog_run(
    path: str | Path,
    *,
    max_log_bytes: int | None = DEFAULT_LOG_BYTES,
    on_step: OnStep | None = None,
) -> list[Replayed]:
    """Build VisualDL's log anew from the store, keeping the records that are not ours, such as ``train/loss``.

    Frames of PCA are drawn on the newest basis, so that all of them compare.

    Parameters
    ----------
    path
        The run directory. No training may be writing to it.
    max_log_bytes
        Bound of the new log, see `LogBudget`; None for none.
    on_step
        For a progress bar.

    Returns
    -------
    For each table the steps logged; `Replayed.kept` counts the snapshots that have no analysis.
    """
    run = open_run(path)
    tables = run.tables()
    if not log_files(run.path):
        LogFile.open(run.path).close()
    records = (r for name in tables for r in _records_of_table(run, name, max_log_bytes, on_step))
    rewrite(log_files(run.path), keep=lambda tag: not is_ours(tag, tables), append=records)
    done = []
    for name in tables:
        logged = run.steps(name, analyzed=True)
        done.append(Replayed(name, tuple(logged), kept=len(run.steps(name)) - len(logged)))
    return done


def _records_of_table(run: Run, name: str, max_bytes: int | None, on_step: OnStep | None) -> Iterator[bytes]:
    steps = run.steps(name, analyzed=True)
    budget = LogBudget(max_bytes, frames=max(1, len(steps)))
    tally = Tally()
    alerts = read_alerts(run.reader(name).folder / "alerts.jsonl")
    for i, step in enumerate(steps):
        if on_step is not None:
            on_step(name, step, i, len(steps))
        snapshot, analysis = run.snapshot(name, step), run.analysis(name, step)
        projections = {
            key: run.projection(name, step, p.method, n_components=p.coordinates.shape[1])
            for key, p in analysis.projections.items()
        }
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
