"""Evaluation of a table's alert rules: in a training, in a replay, and for a single snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from visualdl_embedding.alerts import Alert, DriftEvidence, History, Rule, RuleState, evaluate, load_rules
from visualdl_embedding.analysis import Analysis
from visualdl_embedding.logs import text_record
from visualdl_embedding.store import TableReader

__all__ = ["AlertMonitor", "alert_records", "alert_text", "rules_as_extra"]

_KEY = "alerts"


def rules_as_extra(rules: Iterable[Rule]) -> dict[str, Any]:
    """Give rules the form in which a table's description keeps them."""
    return {_KEY: {"rule": [rule.to_dict() for rule in rules]}}


def alert_text(alert: Alert) -> str:
    """Say an alert in a line: how grave, what, and how old the frame is."""
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

    Attributes
    ----------
    rules
        Empty: nothing is ever raised.
    """

    def __init__(self, table: str, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._table = table
        self._scalars: dict[int, Mapping[str, float]] = {}
        self._evidence: dict[int, Sequence[DriftEvidence]] = {}
        self._state: RuleState | None = None

    @classmethod
    def of(cls, store: TableReader, *, before: int | None = None) -> AlertMonitor:
        """Take the rules of a stored table, and let them see its analyses.

        Parameters
        ----------
        store
            The table.
        before
            Only the steps before this one; None for all.
        """
        description = store.description
        stored = description.extra.get(_KEY, {})
        monitor = cls(description.table.name, load_rules(stored) if stored.get("rule") else ())
        if monitor.rules:
            for step in store.steps(analyzed=True):
                if before is None or step < before:
                    scalars, directions = store.read_numbers(step)
                    monitor._judge(step, scalars, directions)
            monitor._forget_untold({(alert.get("rule"), alert.get("step")) for alert in store.alerts()})
        return monitor

    def _forget_untold(self, told: Collection[tuple[Any, Any]]) -> None:
        """Let a rule that is new to the run fire, though it has held for long: nobody was told."""
        if self._state is not None:
            fired = {
                rule: {subject: step for subject, step in subjects.items() if (rule, step) in told}
                for rule, subjects in self._state.fired.items()
            }
            self._state = replace(self._state, fired={rule: subjects for rule, subjects in fired.items() if subjects})

    def judge(self, analysis: Analysis) -> tuple[Alert, ...]:
        """Judge the newest analysis."""
        if not self.rules:
            return ()
        return self._judge(analysis.step, analysis.scalars, analysis.directions)

    def _judge(self, step: int, scalars: Mapping[str, float], directions: Sequence[DriftEvidence]) -> tuple[Alert, ...]:
        self._scalars[step] = scalars
        self._evidence[step] = directions
        history = History.of(self._table, self._scalars, evidence=self._evidence)
        alerts, self._state = evaluate(self.rules, history, self._state)
        return alerts
