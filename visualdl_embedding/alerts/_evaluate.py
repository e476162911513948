"""Evaluation of rules; each alert fires once per episode, across restarts."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from visualdl_embedding.alerts._alert import Alert
from visualdl_embedding.alerts._history import History, HistoryView
from visualdl_embedding.alerts._rule import Judgment, Rule, distinct, matches
from visualdl_embedding.core.text import Text

__all__ = ["RuleState", "evaluate", "replay", "worded"]


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
                        alerts.append(Alert.of(rule, judgment, worded(rule, judgment), table=history.table, step=step))
                elif judgment.status == "clear":
                    held.pop(key, None)
                    # After a restart the history contains snapshots from before the alert, which must not clear it.
                    if fired.get(key, -math.inf) < step:
                        fired.pop(key, None)
    return tuple(alerts), RuleState(newest, held, fired, judged)


def replay(rules: Iterable[Rule], history: History) -> tuple[tuple[Alert, ...], RuleState]:
    """Evaluate rules on every snapshot of a history and return all alerts that the training would have raised.

    Raises
    ------
    ValueError
        If two rules have the same name.
    """
    rules, state = distinct(rules), RuleState()
    alerts: list[Alert] = []
    for end in range(1, len(history) + 1):
        so_far = History(history.table, history.steps[:end], history.scalars[:end], history.evidence)
        found, state = evaluate(rules, so_far, state)
        alerts.extend(found)
    return tuple(alerts), state


def worded(rule: Rule, judgment: Judgment) -> Text:
    """Prepend the user's message to the finding, and add the required number of snapshots."""
    en, zh = judgment.text.en, judgment.text.zh
    if judgment.status == "holds" and rule.for_snapshots > 1:
        en += f" The rule requires {rule.for_snapshots} consecutive snapshots."
        zh += f"规则要求连续 {rule.for_snapshots} 个快照。"
    own = rule.message.strip().rstrip(".:。：")
    return Text(f"{own}: {en}", f"{own}：{zh}") if own else Text(en, zh)
