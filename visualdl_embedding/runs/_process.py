"""One snapshot on its way: analyzed, written back to the store, drawn, turned into VisualDL's records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from visualdl_embedding.alerts import Alert
from visualdl_embedding.analysis import Analysis, Config, Projection, State, analyze
from visualdl_embedding.core.privacy import Privacy, publish
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.figures import missing_font_note, render_map
from visualdl_embedding.logs import snapshot_records
from visualdl_embedding.runs._alerts import AlertMonitor
from visualdl_embedding.store import TableStore

__all__ = ["Processed", "notes_of", "process_snapshot", "records_of"]


@dataclass(frozen=True)
class Processed:
    """What became of a snapshot.

    Attributes
    ----------
    analysis
        As it was written to the store.
    state
        For the next snapshot of the table.
    alerts
        What it raised. They are not in the store yet: the training process writes them, with how far it has gone.
    """

    analysis: Analysis
    state: State
    alerts: tuple[Alert, ...] = ()


def process_snapshot(
    store: TableStore,
    snapshot: Snapshot,
    state: State,
    *,
    config: Config,
    privacy: Privacy | None = None,
    monitor: AlertMonitor | None = None,
) -> Processed:
    """Analyze a stored snapshot, judge it, and write its analysis to the store.

    Raises
    ------
    OSError
        Where the store cannot be written; it then holds what it held before.
    """
    analysis, state = analyze(snapshot, state, config)
    analysis = publish(analysis, privacy)
    alerts = monitor.judge(analysis) if monitor is not None else ()
    if monitor is not None and monitor.rules:
        analysis = replace(analysis, scalars={**analysis.scalars, "num_alerts": float(len(alerts))})
    store.write_analysis(analysis)
    return Processed(analysis, state, alerts)


def records_of(
    snapshot: Snapshot, analysis: Analysis, choice: Mapping[str, bool], *, walltime: int | None = None
) -> list[bytes]:
    """Build the serialized VisualDL records of a frame.

    Parameters
    ----------
    snapshot, analysis
        The frame.
    choice
        Whether ``"vectors"``, ``"projections"`` and ``"images"`` are logged: `LogBudget.choose`. Scalars and histograms
        always are.
    walltime
        Milliseconds since 1970; now if None.
    """
    images = {}
    if choice["images"]:
        images = {
            key: _picture(snapshot, analysis, key, projection) for key, projection in analysis.projections.items()
        }
    return snapshot_records(
        snapshot,
        analysis,
        images=images,
        vectors=choice["vectors"],
        projections=choice["projections"],
        walltime=walltime,
    )


def notes_of(analysis: Analysis, choice: Mapping[str, bool]) -> list[str]:
    """List what the user should know of a frame: the notes of its analysis, and whether its pictures lack a font."""
    note = missing_font_note() if choice["images"] else None
    return [*analysis.notes, *([note] if note else [])]


def _picture(snapshot: Snapshot, analysis: Analysis, key: str, projection: Projection) -> bytes:
    rows = snapshot.rows
    return render_map(
        projection,
        rows.labels,
        groups=rows.columns.get("group"),
        watch=rows.watch,
        ids=rows.ids,
        table=snapshot.table,
        step=snapshot.step,
        quality={
            name: analysis.scalars[f"{key}/{name}"]
            for name in ("trustworthiness", "continuity", "explained_variance", "motion")
            if f"{key}/{name}" in analysis.scalars
        },
    )
