"""Analysis of stored snapshots and conversion to VisualDL's records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from visualdl_embedding.alerts import Alert
from visualdl_embedding.analysis import Analysis, Projection, analyze
from visualdl_embedding.core.privacy import Privacy, publish
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.figures import missing_font_note, render_map
from visualdl_embedding.logs import snapshot_records
from visualdl_embedding.runs._alerts import AlertMonitor
from visualdl_embedding.store import TableStore

__all__ = ["Processed", "TableAnalyzer", "notes_of", "records_of"]


@dataclass(frozen=True)
class Processed:
    """Stored analysis of a snapshot, and the alerts that it raised, which are not stored yet."""

    analysis: Analysis
    alerts: tuple[Alert, ...] = ()


class TableAnalyzer:
    """Analyzes the snapshots of one table in order, evaluates its rules, and stores the analyses.

    Parameters
    ----------
    store
        Stored table, with the settings of the analyses.
    before
        Continue from the newest analysis before this step; None for the newest one.
    privacy
        Applied to analyses before they are written.
    """

    def __init__(self, store: TableStore, *, before: int | None = None, privacy: Privacy | None = None) -> None:
        self.store = store
        self._privacy = privacy
        self._state = store.load_state(None if before is None else before - 1)
        self._monitor = AlertMonitor(store, before=before)

    def process(self, snapshot: Snapshot) -> Processed:
        """Analyze a stored snapshot, evaluate the rules, and store the analysis.

        The alerts are not stored: the training process adds its current step to them first.

        Raises
        ------
        OSError
            If the store cannot be written; it is then unchanged.
        """
        analysis, state = analyze(snapshot, self._state, self.store.description.config)
        analysis = publish(analysis, self._privacy)
        alerts = self._monitor.evaluate(analysis)
        if self._monitor.rules:
            analysis = replace(analysis, scalars={**analysis.scalars, "num_alerts": float(len(alerts))})
        self.store.write_analysis(analysis)
        self._state = state
        return Processed(analysis, alerts)


def records_of(
    snapshot: Snapshot, analysis: Analysis, choice: Mapping[str, bool], *, walltime: int | None = None
) -> list[bytes]:
    """Build the serialized VisualDL records of a frame.

    Parameters
    ----------
    snapshot, analysis
        Frame.
    choice
        Whether to log ``"vectors"``, ``"projections"`` and ``"images"`` (`LogBudget.choose`) in addition to scalars and
        histograms.
    walltime
        Milliseconds since 1970; None for now.
    """
    projections = analysis.projections if choice["images"] else {}
    return snapshot_records(
        snapshot,
        analysis,
        images={key: _picture(snapshot, analysis, key, projection) for key, projection in projections.items()},
        vectors=choice["vectors"],
        projections=choice["projections"],
        walltime=walltime,
    )


def notes_of(analysis: Analysis, choice: Mapping[str, bool]) -> list[str]:
    """List the notes on a frame for the user, including a missing font for its pictures."""
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
