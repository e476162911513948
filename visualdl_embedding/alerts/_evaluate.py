"""Evaluation of rules; each alert fires once per episode, across restarts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from visualdl_embedding.alerts._alert import Alert
from visualdl_embedding.alerts._history import History, HistoryView
from visualdl_embedding.alerts._rule import Judgment, Rule, distinct, matches
from visualdl_embedding.core.text import Text

__all__ = ["RuleState", "evaluate", "replay", "worded"]


@dataclass(frozen=True)
class RuleState:
    """State of the rules for one table, in plain values.

    Attributes
    ----------
    step
        Last evaluated step; None before the first.
    held
        Number of consecutive snapshots at which the rule holds, by rule and subject.
    fired
        Step of the last alert, by rule and subject, until the condition is clear.
    judged
        Number of snapshots with a known value, by rule.
    """

    step: int | None = None
    held: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    fired: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    judged: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "step": self.step,
            "held": {rule: dict(subjects) for rule, subjects in self.held.items()},
            "fired": {rule: dict(subjects) for rule, subjects in self.fired.items()},
            "judged": dict(self.judged),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RuleState:
        """Create a state from `to_dict`.

        Raises
        ------
        ValueError
            If a value has a wrong type.
        """
        step, judged = values.get("step"), values.get("judged", {})
        nested = [values.get("held", {}), values.get("fired", {})]
        subjects = [s for by_rule in nested if isinstance(by_rule, Mapping) for s in by_rule.values()]
        if (
            not (step is None or _is_count(step))
            or not all(isinstance(by_rule, Mapping) for by_rule in [*nested, judged, *subjects])
            or not all(_is_count(n) for counts in [*subjects, judged] for n in counts.values())
        ):
            raise ValueError("These values are not a state of rules; pass None to start a new one.")
        return cls(step, nested[0], nested[1], judged)


def evaluate(
    rules: Iterable[Rule], history: History, state: RuleState | None = None, *, trained_step: int | None = None
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
    trained_step
        Current step of the training, for the alerts.

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
    chosen = [rule for rule in distinct(rules) if matches(rule, history.table)]
    state = state or RuleState()
    if not len(history) or history.steps[-1] == state.step:
        return (), state
    work = _Work.of(state, back_to=history.steps[-1])
    alerts: list[Alert] = []
    for index, step in enumerate(history.steps):
        if work.step is None or step > work.step:
            newest = index == len(history) - 1
            for rule in chosen:
                for judgment in work.see(rule, history, index):
                    if newest and work.fires(rule, judgment, step):
                        text = worded(rule, judgment)
                        alerts.append(
                            Alert.of(rule, judgment, text, table=history.table, step=step, trained_step=trained_step)
                        )
    return tuple(alerts), work.finish(history.steps[-1], chosen)


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


class _Work:
    """Mutable state during an evaluation."""

    def __init__(
        self,
        step: int | None,
        held: dict[str, dict[str, int]],
        fired: dict[str, dict[str, int]],
        judged: dict[str, int],
    ) -> None:
        self.step, self.held, self.fired, self.judged = step, held, fired, judged

    @classmethod
    def of(cls, state: RuleState, *, back_to: int) -> _Work:
        fired = {rule: dict(subjects) for rule, subjects in state.fired.items()}
        if state.step is None or back_to > state.step:
            held = {rule: dict(subjects) for rule, subjects in state.held.items()}
            return cls(state.step, held, fired, dict(state.judged))
        # Training restarted earlier: recount rows and looks from the history, and keep alerts from before that step.
        kept = {
            rule: {subject: at for subject, at in subjects.items() if at < back_to} for rule, subjects in fired.items()
        }
        return cls(None, {}, kept, {})

    def see(self, rule: Rule, history: History, index: int) -> Iterator[Judgment]:
        """Evaluate one snapshot and update the counts."""
        seen = self.judged.get(rule.name, 0)
        judgments = rule.judge(HistoryView(history, index, look=seen + 1))
        if any(judgment.status != "unknown" for judgment in judgments):
            self.judged[rule.name] = seen + 1
        held, fired = self.held.setdefault(rule.name, {}), self.fired.setdefault(rule.name, {})
        for judgment in judgments:
            subject = judgment.subject
            if judgment.status == "holds":
                held[subject] = held.get(subject, 0) + 1
            elif judgment.status == "clear":
                held.pop(subject, None)
                # After a restart the history contains snapshots from before the alert, which must not clear it.
                if fired.get(subject, -1) < history.steps[index]:
                    fired.pop(subject, None)
            yield judgment

    def fires(self, rule: Rule, judgment: Judgment, step: int) -> bool:
        """Whether the last judgment begins an episode; if so, the episode is recorded."""
        held, fired = self.held[rule.name], self.fired[rule.name]
        subject = judgment.subject
        if judgment.status != "holds" or held[subject] < rule.for_snapshots or subject in fired:
            return False
        fired[subject] = step
        return True

    def finish(self, step: int, rules: Iterable[Rule]) -> RuleState:
        names = [rule.name for rule in rules]
        return RuleState(
            step,
            {name: self.held[name] for name in names if self.held.get(name)},
            {name: self.fired[name] for name in names if self.fired.get(name)},
            {name: self.judged[name] for name in names if name in self.judged},
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
