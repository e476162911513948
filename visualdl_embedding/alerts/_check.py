"""Evaluation of rules on a snapshot or a whole run, for CI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from visualdl_embedding.alerts._alert import Alert
from visualdl_embedding.alerts._evaluate import worded
from visualdl_embedding.alerts._evidence import DriftEvidence
from visualdl_embedding.alerts._history import History, HistoryView
from visualdl_embedding.alerts._result import RuleResult
from visualdl_embedding.alerts._rule import Judgment, Rule, distinct, matches
from visualdl_embedding.core.jsonable import plain
from visualdl_embedding.core.text import Text

__all__ = ["STATUSES", "Status", "Verdict", "check_scalars", "unmatched"]

Status = Literal["passed", "failed", "unknown"]
STATUSES: tuple[Status, ...] = ("failed", "unknown", "passed")
"""Order of display."""


@dataclass(frozen=True)
class Verdict(RuleResult):
    """Result of a rule for a run or a model.

    Attributes
    ----------
    status
        ``"passed"``, ``"failed"``, or ``"unknown"`` if a value is missing or not finite.
    """

    status: Status = field(kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for strict JSON; NaN and the infinities become None."""
        return {name: plain(getattr(self, name)) for name in self.__dataclass_fields__}

    def to_alert(self) -> Alert:
        """Return an alert with the same content, as `run_hook` takes it; at step 0 without a step."""
        values = {f.name: getattr(self, f.name) for f in fields(RuleResult)}
        return Alert(**values | {"step": self.step or 0})


def check_scalars(
    rules: Iterable[Rule],
    scalars: Mapping[str, float] | History,
    baseline_scalars: Mapping[str, float] | History | None = None,
    *,
    table: str = "",
    evidence: Sequence[DriftEvidence] = (),
) -> tuple[Verdict, ...]:
    """Evaluate rules once on one table of a model or of a whole run.

    For a run the newest snapshot is evaluated; earlier snapshots count for `for_snapshots`. In a run with fewer
    snapshots than `for_snapshots`, a rule fails if it holds at all of them. A single snapshot is a run of one.

    Parameters
    ----------
    rules
        Rules; those whose `tables` does not match are ignored, see `unmatched`.
    scalars
        Scalars of one snapshot, or the history of a run.
    baseline_scalars
        Reference for changes and for a fall of the effective rank; of a run the newest snapshot is used. Without it the
        reference is an earlier snapshot of the run.
    table
        Name of the table, if `scalars` is not a history.
    evidence
        Drift results against the baseline, if `scalars` is not a history.

    Returns
    -------
    One verdict for each subject of each rule, in the order of the rules.

    Raises
    ------
    ValueError
        If two rules have the same name, or a run or baseline has no analyzed snapshot.

    Examples
    --------
    >>> from visualdl_embedding.alerts import Above
    >>> check_scalars([Above("mean_cosine", 0.8)], {"mean_cosine": float("nan")})[0].status
    'unknown'
    """
    timeless = not isinstance(scalars, History)
    history = scalars if isinstance(scalars, History) else History(table, (0,), (scalars,), {0: evidence})
    if isinstance(baseline_scalars, History):
        if not len(baseline_scalars):
            raise ValueError("The baseline has no analyzed snapshot; analyze it first, or use another baseline.")
        baseline_scalars = baseline_scalars.scalars[-1]
    if not len(history):
        raise ValueError(f"The run has no analyzed snapshot of {history.table!r}; analyze it first.")
    verdicts: list[Verdict] = []
    for rule in distinct(rules):
        if matches(rule, history.table):
            for judgment in rule.judge(HistoryView(history, len(history) - 1, baseline_scalars, timeless=timeless)):
                held = _held(rule, history, judgment, baseline_scalars)
                verdicts.append(_verdict(rule, judgment, history, held=held, timeless=timeless))
    return tuple(verdicts)


def unmatched(rules: Iterable[Rule], tables: Iterable[str]) -> tuple[str, ...]:
    """Names of the rules that match none of these tables, probably because of a typing error."""
    known = list(tables)
    return tuple(rule.name for rule in rules if not any(matches(rule, table) for table in known))


def _held(rule: Rule, history: History, judgment: Judgment, baseline: Mapping[str, float] | None) -> bool:
    """Whether the rule holds, and has held for the required number of snapshots as far as the run goes back."""
    if judgment.status != "holds":
        return False
    held = 1
    for index in reversed(range(len(history) - 1)):
        if held >= rule.for_snapshots:
            break
        earlier = {j.subject: j.status for j in rule.judge(HistoryView(history, index, baseline))}
        status = earlier.get(judgment.subject, "unknown")
        if status == "clear":
            return False
        held += status == "holds"
    return True


def _verdict(rule: Rule, judgment: Judgment, history: History, *, held: bool, timeless: bool) -> Verdict:
    status: Status = "unknown" if judgment.status == "unknown" else "failed" if held else "passed"
    text = worded(rule, judgment)
    if judgment.status == "holds" and not held:
        text = Text(f"{text.en} It has held for fewer snapshots so far.", f"{text.zh}目前持续的快照数尚不足。")
    step = None if timeless else history.steps[-1]
    return Verdict.of(rule, judgment, text, table=history.table, step=step, status=status)
