"""Analysis of stored snapshots, evaluation of their alert rules, and conversion to VisualDL's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from visualdl_embedding.alerts import Alert, History, Rule, RuleState, evaluate, stored_rules
from visualdl_embedding.analysis import Analysis, analyze
from visualdl_embedding.core.privacy import Privacy, publish
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.drift import Direction
from visualdl_embedding.figures import missing_font_note, render_map
from visualdl_embedding.logs import snapshot_records, text_record
from visualdl_embedding.store import TableReader, TableStore

__all__ = [
    "Processed",
    "TableAnalyzer",
    "alert_records",
    "alert_text",
    "notes_of",
    "records_of",
    "rules_as_extra",
    "rules_of",
]

_RULES_KEY = "alerts"
_QUALITY = ("trustworthiness", "continuity", "explained_variance", "motion")
"""Metrics in the captions of pictures."""


def rules_as_extra(rules: Iterable[Rule]) -> dict[str, Any]:
    """Convert rules to the form in which ``table.json`` stores them."""
    return {_RULES_KEY: {"rule": [rule.to_dict() for rule in rules]}}


def rules_of(reader: TableReader) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Read the rules that a table stores, and notes on those that this version does not know (`stored_rules`)."""
    return stored_rules(reader.description.extra.get(_RULES_KEY, {}))


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


@dataclass(frozen=True)
class Processed:
    """Stored analysis of a snapshot, the alerts that it raised, and notes for the user on how it joins its run."""

    analysis: Analysis
    alerts: tuple[Alert, ...] = ()
    notes: tuple[str, ...] = ()


class TableAnalyzer:
    """Analyzes the snapshots of one table in order, evaluates its rules, and stores the analyses.

    The settings, the rules and the earlier analyses come from the stored table. A rule that was added to an existing
    run fires even if it has held before, because no alert was raised then.

    Parameters
    ----------
    store
        Stored table.
    before
        Continue from the newest analysis before this step; None for the newest one.
    privacy
        Applied to analyses before they are written.

    Attributes
    ----------
    notes
        Sentences about rules that this version does not know, which are not evaluated; every analysis has them.
    """

    def __init__(self, store: TableStore, *, before: int | None = None, privacy: Privacy | None = None) -> None:
        self.store = store
        self._privacy = privacy
        self._state = store.load_state(None if before is None else before - 1)
        self._rules, self.notes = rules_of(store)
        stored = store.description.extra.get(_RULES_KEY, {})
        self._skipped = {rule.get("name") for rule in stored.get("rule", ())} - {rule.name for rule in self._rules}
        self._scalars: dict[int, Mapping[str, float]] = {}
        self._evidence: dict[int, Sequence[Direction]] = {}
        self._rule_state = RuleState()
        for step in store.steps(analyzed=True) if self._rules else ():
            if before is None or step < before:
                try:
                    numbers = store.read_numbers(step)
                except (OSError, ValueError):
                    continue  # damaged
                self._evaluate(step, *numbers)
        raised = {(alert.get("rule"), alert.get("step")) for alert in store.alerts()} if self._rule_state.fired else ()
        fired = {key: step for key, step in self._rule_state.fired.items() if (key[0], step) in raised}
        self._rule_state = replace(self._rule_state, fired=fired)

    def process(self, snapshot: Snapshot, *, store_alerts: bool = False) -> Processed:
        """Analyze a stored snapshot, evaluate the rules, and store the analysis.

        Parameters
        ----------
        snapshot
            Stored snapshot.
        store_alerts
            Replace the stored alerts of the step, before the analysis is stored: after an interruption in between, the
            step is not analyzed yet. A training stores them itself, because it adds its current step to them.

        Raises
        ------
        OSError
            If the store cannot be written; it is then unchanged.
        """
        analysis, state = analyze(snapshot, self._state, self.store.description.config)
        analysis = publish(replace(analysis, notes=(*analysis.notes, *self.notes)), self._privacy)
        alerts: tuple[Alert, ...] = ()
        if self._rules:
            alerts = self._evaluate(analysis.step, analysis.scalars, analysis.directions)
            analysis = replace(analysis, scalars={**analysis.scalars, "num_alerts": float(len(alerts))})
        if store_alerts:
            # Alerts of rules that this version does not know cannot be computed again.
            kept = [
                alert
                for alert in (self.store.alerts() if self._skipped else ())
                if alert.get("step") == analysis.step and alert.get("rule") in self._skipped
            ]
            self.store.replace_alerts(analysis.step, [*kept, *(alert.to_dict() for alert in alerts)])
        self.store.write_analysis(analysis)
        self._state = state
        return Processed(analysis, alerts)

    def _evaluate(self, step: int, scalars: Mapping[str, float], directions: Sequence[Direction]) -> tuple[Alert, ...]:
        self._scalars[step], self._evidence[step] = scalars, directions
        history = History.of(self.store.description.table.name, self._scalars, evidence=self._evidence)
        alerts, self._rule_state = evaluate(self._rules, history, self._rule_state)
        return alerts


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
    rows, images = snapshot.rows, {}
    for key, projection in analysis.projections.items() if choice["images"] else ():
        numbers = analysis.numbers(key)
        images[key] = render_map(
            projection,
            rows.labels,
            groups=rows.columns.get("group"),
            watch=rows.watch,
            ids=rows.ids,
            table=snapshot.table,
            step=snapshot.step,
            quality={name: numbers[name] for name in _QUALITY if name in numbers},
        )
    return snapshot_records(
        snapshot,
        analysis,
        images=images,
        vectors=choice["vectors"],
        projections=choice["projections"],
        walltime=walltime,
    )


def notes_of(analysis: Analysis, choice: Mapping[str, bool]) -> list[str]:
    """List the notes on a frame for the user, including a missing font for its pictures."""
    note = missing_font_note() if choice["images"] else None
    return [*analysis.notes, *([note] if note else [])]
