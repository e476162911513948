"""Recording of a single snapshot, for example of a weekly checkpoint."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from visualdl_embedding.alerts import Rule, default_rules, require_reachable
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.logs import LogBudget, LogFile
from visualdl_embedding.runs._process import Processed, TableAnalyzer, alert_records, records_of, rules_as_extra
from visualdl_embedding.store import TableStore, open_run

__all__ = ["next_step", "record_once"]


def next_step(log_dir: str | os.PathLike[str], table: str) -> int:
    """Return the step after the last stored one of a table; 0 for a new run or table."""
    try:
        return max(open_run(log_dir).steps(table), default=-1) + 1
    except (FileNotFoundError, ValueError):
        return 0


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
    The analysis, with the alerts that it raised.

    Raises
    ------
    ValueError
        If the step is not after the last one, `config` differs from that of the run, or no p-value among so few rows
        can reach the level of a rule about drift.
    OSError
        If the run cannot be written.
    """
    following = next_step(log_dir, table.name)
    if following == 0:
        config = config or Config()
        require_reachable(rules or (), table.name, snapshot.rows, null_pairs=config.null_pairs)
        extra = rules_as_extra(default_rules() if rules is None else rules)
        store = TableStore.open_for_writing(log_dir, table, snapshot.rows, config=config, extra=extra)
    else:
        if snapshot.step < following:
            raise ValueError(
                f"Step {snapshot.step} of table {table.name!r} cannot join {os.fspath(log_dir)}, which is at step "
                f"{following - 1}: frames are recorded in order. Give a step from {following} on."
            )
        store = TableStore.open(log_dir, table.name)
        if config is not None and replace(config, n_jobs=1) != replace(store.description.config, n_jobs=1):
            raise ValueError(
                f"{os.fspath(log_dir)} was analyzed with other settings ({store.description.config}), so its frames "
                "would not be comparable with this one. Use the same settings, or another run."
            )
        require_reachable(rules or (), table.name, snapshot.rows, null_pairs=store.description.config.null_pairs)
        store.add_rows(snapshot.rows)
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
    return done
