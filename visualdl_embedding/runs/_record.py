"""Recording of a single snapshot, for example of a weekly checkpoint."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from visualdl_embedding.alerts import Rule, default_rules, require_reachable
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.logs import LogBudget, LogFile
from visualdl_embedding.models import ModelTable
from visualdl_embedding.runs._process import Processed, TableAnalyzer, alert_records, records_of, rules_as_extra
from visualdl_embedding.store import TableStore, is_run, open_run

__all__ = ["check_joins", "next_step", "record_once", "watch_for"]


def next_step(log_dir: str | os.PathLike[str], table: str) -> int:
    """Return the step after the last stored one of a table; 0 for a new run or table."""
    store = _stored(log_dir, table)
    return 0 if store is None else max(store.steps()) + 1


def check_joins(
    log_dir: str | os.PathLike[str],
    table: Table,
    rows: Rows,
    *,
    step: int | None = None,
    rules: Sequence[Rule] = (),
    config: Config | None = None,
) -> tuple[str, ...]:
    """Check that a snapshot can join a run before it is computed; nothing is written.

    Parameters
    ----------
    log_dir
        Directory of the run; it need not exist.
    table, rows
        Table and rows of the snapshot.
    step
        Step of the snapshot; None for the one after the stored ones.
    rules
        New alert rules. Words and groups of earlier snapshots, and of other tables of the run, may be missing.
    config
        Settings of a new run; an existing run has its own.

    Returns
    -------
    Notes for the user: on watched labels that are missing, and on a table that is new in its run.

    Raises
    ------
    ValueError
        If the step is not after the stored ones, the width differs, no label is in the newest stored rows, or a rule
        cannot fire.
    """
    store = _stored(log_dir, table.name)
    others = [name for name in open_run(log_dir).tables() if name != table.name] if is_run(log_dir) else []
    null_pairs = (config or Config()).null_pairs if store is None else store.description.config.null_pairs
    if store is None:
        known = [rows]
    else:
        last = max(store.steps())
        store.check_joins(table, rows, step=last + 1 if step is None else step)
        known = [rows, *store.all_rows()]
    elsewhere = {name: TableStore.open(log_dir, name).all_rows() for name in others} if rules else {}
    require_reachable(rules, {table.name: known}, others=elsewhere, null_pairs=null_pairs)
    if store is None:
        named = ", ".join(map(repr, others))
        return (f"The timeline of table {table.name!r} begins here; the run holds {named}.",) if others else ()
    missing = store.missing_watched(rows)
    named = ", ".join(missing)
    return (f"Watched before, but not among these rows, so the curves have a gap: {named}.",) if missing else ()


def watch_for(log_dir: str | os.PathLike[str], table: ModelTable, labels: Sequence[str]) -> list[str]:
    """Choose the labels to watch in the next snapshot of a run, without those that only the run has.

    Other labels that the table lacks are kept: choosing the rows raises an error that suggests similar ones.
    """
    store = _stored(log_dir, table.name)
    in_run = set() if store is None else {*store.read_rows().labels, *store.missing_watched(store.read_rows())}
    return [label for label in labels if label not in in_run or table.has(label)]


def _stored(log_dir: str | os.PathLike[str], table: str) -> TableStore | None:
    """Open a table of a run; None if the run has no snapshot of it."""
    try:
        store = TableStore.open(log_dir, table)
    except FileNotFoundError:
        return None
    return store if store.steps() else None


def record_once(
    log_dir: str | os.PathLike[str],
    snapshot: Snapshot,
    *,
    table: Table,
    config: Config | None = None,
    rules: Sequence[Rule] | None = None,
) -> Processed:
    """Store a snapshot in a run, analyze it in relation to the earlier ones, and log it for VisualDL.

    Its rows can differ from earlier ones, for example after a vocabulary was rebuilt: rows are paired by label.

    Parameters
    ----------
    log_dir
        Directory of the run; created if missing.
    snapshot
        Snapshot; its step must be after the stored ones.
    table
        Table of the snapshot.
    config
        Settings of a new run. An existing run keeps its own, so that its frames are comparable.
    rules
        Alert rules from now on. Default: the rules of the run, or `default_rules` for a new one.

    Returns
    -------
    The analysis, with the alerts that it raised and the notes of `check_joins`.

    Raises
    ------
    ValueError
        As in `check_joins`, and if `config` differs from that of the run, or `table` is not that of the snapshot.
        Nothing is computed or written then.
    OSError
        If the run cannot be written.
    """
    if (snapshot.table, snapshot.vectors.shape[1]) != (table.name, table.dim):
        raise ValueError(
            f"The snapshot is of table {snapshot.table!r} with {snapshot.vectors.shape[1]} columns, not of "
            f"{table.name!r} with {table.dim}. Pass the table that it was made from."
        )
    notes = check_joins(log_dir, table, snapshot.rows, step=snapshot.step, rules=rules or (), config=config)
    store = _stored(log_dir, table.name)
    if store is None:
        config = config or Config()
        extra = rules_as_extra(default_rules() if rules is None else rules)
        store = TableStore.open_for_writing(log_dir, table, snapshot.rows, config=config, extra=extra)
    else:
        if config is not None and replace(config, n_jobs=1) != replace(store.description.config, n_jobs=1):
            raise ValueError(
                f"{os.fspath(log_dir)} was analyzed with other settings ({store.description.config}), so its frames "
                "would not be comparable with this one. Use the same settings, or another run."
            )
        snapshot = replace(snapshot, rows=store.add_rows(snapshot.rows))
        if rules is not None:
            store.describe_further(rules_as_extra(rules))
    log = LogFile.open(Path(log_dir))
    try:
        store.write_snapshot(snapshot)
        done = TableAnalyzer(store, before=snapshot.step).process(snapshot, store_alerts=True)
        choice = LogBudget().choose(
            snapshot, store.description.config, frame=done.analysis.frame, spent=log.tally.of(table.name)
        )
        for record in (*records_of(snapshot, done.analysis, choice), *alert_records(done.alerts)):
            log.append(record)
    finally:
        log.close()
    if log.error is not None:
        raise log.error
    return replace(done, notes=notes)
