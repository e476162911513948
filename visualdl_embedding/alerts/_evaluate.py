"""Evaluation of rules: alerts of a training, each once per episode and across restarts, and verdicts for CI."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from visualdl_embedding.alerts._alert import Alert, Status, Verdict
from visualdl_embedding.alerts._history import History, HistoryView
from visualdl_embedding.alerts._rule import Judgment, Rule, distinct, matches
from visualdl_embedding.core.text import Text
from visualdl_embedding.drift import Direction

__all__ = ["RuleState", "check_scalars", "evaluate", "replay", "unmatched"]

_STATUS: Mapping[str, Status] = {"holds": "failed", "clear": "passed", "unknown": "unknown"}


@dataclass(frozen=True)
class RuleState:
    """State of the rules for one table.

    Attributes
    ----------
    step
        Last evaluated step; None before the first.
    held
        Number of consecutive snapshots at which the rule holds, by name of the rule and subject.
    fired
        Step of the last alert, by name of the rule and subject, until the condition is clear.
    judged
        Number of snapshots with a known value, by name of the rule.
    """

    step: int | None = None
    held: Mapping[tuple[str, str], int] = field(default_factory=dict)
    fired: Mapping[tuple[str, str], int] = field(default_factory=dict)
    judged: Mapping[str, int] = field(default_factory=dict)


def evaluate(
    rules: Iterable[Rule], history: History, state: RuleState | None = None
) -> tuple[tuple[Alert, ...], RuleState]:
    """Evaluate rules on the newest snapshot of a table.

    A rule fires once when it has held for the required number of snapshots, and again only after it was clear. Unknown
    values neither count nor clear.

    Parameters
    ----------
    rules
        Rules; those whose `tables` does not match are ignored.
    history
        Scalars of one table up to the newest snapshot. Older snapshots that are not in the state are counted, but fire
        no alert.
    state
        State from the previous call; None for the first. A newest snapshot that is already in the state fires no alert.
        If training restarted from an earlier step, alerts after that step are forgotten.

    Returns
    -------
    The alerts, in the order of the rules, and the state for the next call.

    Raises
    ------
    ValueError
        If two rules have the same name.

    Examples
    --------
    >>> from visualdl_embedding.alerts import Above
    >>> rules = [Above("mean_cosine", 0.8)]
    >>> alerts, state = evaluate(rules, History.of("word", {0: {"mean_cosine": 0.9}}))
    >>> alerts[0].message
    'mean_cosine is 0.9, above 0.8.'
    >>> evaluate(rules, History.of("word", {100: {"mean_cosine": 0.95}}), state)[0]
    ()
    """
    chosen = {rule.name: rule for rule in distinct(rules) if matches(rule, history.table)}
    state = state or RuleState()
    if not len(history) or history.steps[-1] == state.step:
        return (), state
    newest, since = history.steps[-1], -math.inf if state.step is None else state.step
    fired = {key: step for key, step in state.fired.items() if key[0] in chosen and step < newest}
    held = {key: count for key, count in state.held.items() if key[0] in chosen}
    judged = {name: count for name, count in state.judged.items() if name in chosen}
    if newest < since:
        # Training restarted earlier: recount from the history, and keep alerts from before that step.
        held, judged, since = {}, {}, -math.inf
    alerts: list[Alert] = []
    for index in range(bisect_right(history.steps, since), len(history)):
        step = history.steps[index]
        for name, rule in chosen.items():
            look = judged.get(name, 0) + 1
            judgments = rule.judge(HistoryView(history, index, look=look))
            if any(judgment.status != "unknown" for judgment in judgments):
                judged[name] = look
            for judgment in judgments:
                key = name, judgment.subject
                if judgment.status == "holds":
                    held[key] = held.get(key, 0) + 1
                    if step == newest and key not in fired and held[key] >= rule.for_snapshots:
                        fired[key] = step
                        alerts.append(Alert.of(rule, judgment, _worded(rule, judgment), table=history.table, step=step))
                elif judgment.status == "clear":
                    held.pop(key, None)
                    # After a restart the history contains snapshots from before the alert, which must not clear it.
                    if fired.get(key, -math.inf) < step:
                        fired.pop(key, None)
    return tuple(alerts), RuleState(newest, held, fired, judged)


def replay(rules: Iterable[Rule], history: History) -> tuple[tuple[Alert, ...], RuleState]:
    """Evaluate rules on every snapshot of a history and return all alerts that the training would have raised."""
    rules, state = distinct(rules), RuleState()
    alerts: list[Alert] = []
    for end in range(1, len(history) + 1):
        so_far = History(history.table, history.steps[:end], history.scalars[:end], history.evidence)
        found, state = evaluate(rules, so_far, state)
        alerts.extend(found)
    return tuple(alerts), state


def check_scalars(
    rules: Iterable[Rule],
    scalars: Mapping[str, float] | History,
    baseline_scalars: Mapping[str, float] | History | None = None,
    *,
    table: str = "",
    evidence: Sequence[Direction] = (),
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
    newest = HistoryView(history, len(history) - 1, baseline_scalars, timeless=timeless)
    return tuple(
        _verdict(rule, judgment, newest)
        for rule in distinct(rules)
        if matches(rule, history.table)
        for judgment in rule.judge(newest)
    )


def unmatched(rules: Iterable[Rule], tables: Iterable[str]) -> tuple[str, ...]:
    """Names of the rules that match none of these tables."""
    known = list(tables)
    return tuple(rule.name for rule in rules if not any(matches(rule, table) for table in known))


def _verdict(rule: Rule, judgment: Judgment, view: HistoryView) -> Verdict:
    text, status = _worded(rule, judgment), _STATUS[judgment.status]
    if status == "failed" and not _has_held(rule, judgment.subject, view):
        status = "passed"
        text += Text("It has held for fewer snapshots so far.", "目前持续的快照数尚不足。")
    step = None if view.timeless else view.step
    return Verdict.of(rule, judgment, text, table=view.history.table, step=step, status=status)


def _has_held(rule: Rule, subject: str, view: HistoryView) -> bool:
    """Whether a rule that holds has held for the required number of snapshots, as far as the run goes back."""
    held = 1
    for index in reversed(range(view.index)):
        if held >= rule.for_snapshots:
            break
        earlier = {j.subject: j.status for j in rule.judge(HistoryView(view.history, index, view.baseline))}
        if earlier.get(subject) == "clear":
            return False
        held += earlier.get(subject) == "holds"
    return True


def _worded(rule: Rule, judgment: Judgment) -> Text:
    """Prepend the user's message to the finding, and add the required number of snapshots."""
    en, zh = judgment.text.en, judgment.text.zh
    if judgment.status == "holds" and rule.for_snapshots > 1:
        en += f" The rule requires {rule.for_snapshots} consecutive snapshots."
        zh += f"规则要求连续 {rule.for_snapshots} 个快照。"
    own = rule.message.strip().rstrip(".:。：")
    return Text(f"{own}: {en}", f"{own}：{zh}") if own else Text(en, zh)
