"""Analysis of stored snapshots, evaluation of their alert rules, and conversion to VisualDL's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from visualdl_embedding.alerts import Alert, DriftEvidence, History, Rule, RuleState, evaluate, load_rules
from visualdl_embedding.analysis import Analysis, Projection, analyze
from visualdl_embedding.core.privacy import Privacy, publish
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.figures import missing_font_note, render_map
from visualdl_embedding.logs import snapshot_records, text_record
from visualdl_embedding.store import TableReader, TableStore

__all__ = ["Processed", "TableAnalyzer", "alert_records", "alert_text", "notes_of", "records_of", "rules_as_extra"]

_RULES_KEY = "alerts"


def rules_as_extra(rules: Iterable[Rule]) -> dict[str, Any]:
    """Convert rules to the form in which ``table.json`` stores them."""
    return {_RULES_KEY: {"rule": [rule.to_dict() for rule in rules]}}


def alert_text(alert: Alert) -> str:
    """Describe an alert in one line: severity, message, age of the frame."""
    return f"{alert.severity}: {alert.message} {alert.lag}".rstrip()


def alert_records(alerts: Iterable[Alert], *, walltime: int | None = None) -> list[bytes]:
    """Build VisualDL's text records of alerts, one for each table and step."""
    texts: dict[tuple[str, int], list[str]] = {}
    for alert in alerts:
        texts.setdefault((alert.table, alert.step), []).append(alert_text(alert))
    return [
        text_record(table, "alerts", "\n\n".join(lines), step=step, walltime=walltime)
        for (table, step), lines in texts.items()
    ]


class AlertMonitor:
    """Evaluates the rules of one table, snapshot by snapshot.

    The rules and the earlier analyses come from the stored table. A rule that was added to an existing run fires even
    if it has held before, because no alert was raised then.

    Parameters
    ----------
    store
        Stored table.
    before
        Evaluate only stored steps before this one; None for all.

    Attributes
    ----------
    rules
        Rules of the table.
    """

    def __init__(self, store: TableReader, *, before: int | None = None) -> None:
        description = store.description
        stored = description.extra.get(_RULES_KEY, {})
        self.rules: tuple[Rule, ...] = tuple(load_rules(stored)) if stored.get("rule") else ()
        self._table = description.table.name
        self._scalars: dict[int, Mapping[str, float]] = {}
        self._evidence: dict[int, Sequence[DriftEvidence]] = {}
        self._state: RuleState | None = None
        for step in store.steps(analyzed=True) if self.rules else ():
            if before is None or step < before:
                self._evaluate(step, *store.read_numbers(step))
        if self._state is not None:
            raised = {(alert.get("rule"), alert.get("step")) for alert in store.alerts()}
            fired = {
                rule: {subject: step for subject, step in subjects.items() if (rule, step) in raised}
                for rule, subjects in self._state.fired.items()
            }
            self._state = replace(self._state, fired={rule: subjects for rule, subjects in fired.items() if subjects})

    def evaluate(self, analysis: Analysis) -> tuple[Alert, ...]:
        """Evaluate the rules on the next analysis; return the alerts that fire."""
        return self._evaluate(analysis.step, analysis.scalars, analysis.directions) if self.rules else ()

    def _evaluate(
        self, step: int, scalars: Mapping[str, float], directions: Sequence[DriftEvidence]
    ) -> tuple[Alert, ...]:
        self._scalars[step] = scalars
        self._evidence[step] = directions
        history = History.of(self._table, self._scalars, evidence=self._evidence)
        alerts, self._state = evaluate(self.rules, history, self._state)
        return alerts


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
    rows, numbers = snapshot.rows, analysis.numbers(key)
    return render_map(
        projection,
        rows.labels,
        groups=rows.columns.get("group"),
        watch=rows.watch,
        ids=rows.ids,
        table=snapshot.table,
        step=snapshot.step,
        quality={
            name: numbers[name]
            for name in ("trustworthiness", "continuity", "explained_variance", "motion")
            if name in numbers
        },
    )
