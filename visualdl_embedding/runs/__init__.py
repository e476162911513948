"""Stored runs: record a snapshot, replay, compare two sides, check rules, and joint maps of two runs.

`visualdl_embedding.runs.joint_worker` is the child process in which the server computes joint maps.
"""

from visualdl_embedding.runs._check import Checked, check
from visualdl_embedding.runs._drift import drift_between
from visualdl_embedding.runs._joint import (
    Joint,
    SnapshotReference,
    align_maps,
    cache_folder,
    compare,
    project_jointly,
    read_cached,
    turn_onto,
)
from visualdl_embedding.runs._process import (
    Processed,
    TableAnalyzer,
    alert_records,
    alert_text,
    notes_of,
    records_of,
    rules_as_extra,
)
from visualdl_embedding.runs._record import check_joins, next_step, record_once, watch_for
from visualdl_embedding.runs._replay import OnStep, Replayed, analyze_run, relog_run

analyse_run = analyze_run
"""Old spelling of `analyze_run`."""

__all__ = [
    "Checked",
    "Joint",
    "OnStep",
    "Processed",
    "Replayed",
    "SnapshotReference",
    "TableAnalyzer",
    "alert_records",
    "alert_text",
    "align_maps",
    "analyse_run",
    "analyze_run",
    "cache_folder",
    "check",
    "check_joins",
    "compare",
    "drift_between",
    "next_step",
    "notes_of",
    "project_jointly",
    "read_cached",
    "record_once",
    "records_of",
    "relog_run",
    "rules_as_extra",
    "turn_onto",
    "watch_for",
]
