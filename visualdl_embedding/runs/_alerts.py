"""Evaluation of a table's alert rules: in a training, in a replay, and for a single snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from visualdl_embedding.alerts import Alert, DriftEvidence, History, Rule, RuleState, evaluate, load_rules
from visualdl_embedding.analysis import Analysis
from visualdl_embedding.logs import text_record
from visualdl_embedding.store import TableReader

__all__ = ["AlertMonitor", "alert_records", "alert_text", "rules_as_extra"]

_KEY = "alerts"


def rules_as_extra(rules: Iterable[Rule]) -> dict[str, Any]:
    """Convert rules to the form in which ``table.json`` stores them."""
    return {_KEY: {"rule": [rule.to_dict() for rule in rules]}}


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
        stored = description.extra.get(_KEY, {})
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

    def _evaluate(self, step: int, scalars: Mapping[str, float], directions: Sequence[DriftEvidence]) -> tuple[Alert, ...]:
        self._scalars[step] = scalars
        self._evidence[step] = directions
        history = History.of(self._table, self._scalars, evidence=self._evidence)
        alerts, self._state = evaluate(self.rules, history, self._state)
        return alerts
