"""From rules and scalars to alerts: once for each episode, whoever dies in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from visualdl_embedding.alerts._alert import Alert
from visualdl_embedding.alerts._history import History, HistoryView
from visualdl_embedding.alerts._rule import Judgment, Rule, distinct, matches
from visualdl_embedding.core.text import Text

__all__ = ["RuleState", "evaluate", "never_judged", "replay", "worded"]


@dataclass(frozen=True)
class RuleState:
    """What has been seen of one table: plain data.

    Attributes
    ----------
    step
        Last step judged; None before the first.
    held
        By rule and subject: snapshots in a row for which it held.
    fired
        By rule and subject: step at which it fired, as long as it has not been clear since.
    judged
        By rule: snapshots at which it found a value.
    """

    step: int | None = None
    held: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    fired: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    judged: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "step": self.step,
            "held": {rule: dict(subjects) for rule, subjects in self.held.items()},
            "fired": {rule: dict(subjects) for rule, subjects in self.fired.items()},
            "judged": dict(self.judged),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RuleState:
        """Undo `to_dict`.

        Raises
        ------
        ValueError
            If something is of a wrong kind.
        """
        step, judged = values.get("step"), values.get("judged", {})
        nested = [values.get("held", {}), values.get("fired", {})]
        subjects = [s for by_rule in nested if isinstance(by_rule, Mapping) for s in by_rule.values()]
        if (
            not (step is None or _is_count(step))
            or not all(isinstance(by_rule, Mapping) for by_rule in [*nested, judged, *subjects])
            or not all(_is_count(n) for counts in [*subjects, judged] for n in counts.values())
        ):
            raise ValueError("This is no state of rules; pass None to begin anew.")
        return cls(step, nested[0], nested[1], judged)


def evaluate(
    rules: Iterable[Rule], history: History, state: RuleState | None = None, *, trained_step: int | None = None
) -> tuple[tuple[Alert, ...], RuleState]:
    """Judge the newest snapshot of a table.

    A rule fires once when it begins to hold (for so many snapshots in a row), and again only after it was clear. An
    unknown value neither counts nor clears.

    Parameters
    ----------
    rules
        Those whose `tables` does not match are passed over.
    history
        Scalars of one table up to the newest snapshot. Older snapshots that the state has not seen are counted, but
        fire nothing.
    state
        What the call before this one returned; None for the first. A newest snapshot that it has seen fires nothing;
        where training went back to an earlier step, what fired after that step is forgotten.
    trained_step
        How far training has gone since, for the alerts.

    Returns
    -------
    The alerts, in the order of the rules, and the state for the next call.

    Raises
    ------
    ValueError
        If two rules have one name.

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
                        alerts.append(_alert(rule, judgment, history.table, step=step, trained_step=trained_step))
    return tuple(alerts), work.finish(history.steps[-1], chosen)


def replay(rules: Iterable[Rule], history: History) -> tuple[tuple[Alert, ...], RuleState]:
    """Judge every snapshot of a history in turn: all alerts that its training would have raised.

    Raises
    ------
    ValueError
        If two rules have one name.
    """
    rules, state = distinct(rules), RuleState()
    alerts: list[Alert] = []
    for end in range(1, len(history) + 1):
        so_far = History(history.table, history.steps[:end], history.scalars[:end], history.evidence)
        found, state = evaluate(rules, so_far, state)
        alerts.extend(found)
    return tuple(alerts), state


def never_judged(rules: Iterable[Rule], state: RuleState, table: str) -> tuple[str, ...]:
    """Names of the rules for a table that have found no value at any snapshot: they guard nothing."""
    return tuple(rule.name for rule in rules if matches(rule, table) and not state.judged.get(rule.name))


def worded(rule: Rule, judgment: Judgment) -> Text:
    """Put the user's words before what was found, and the row of snapshots behind it."""
    en, zh = judgment.text.en, judgment.text.zh
    if judgment.status == "holds" and rule.for_snapshots > 1:
        en += f" The rule asks for {rule.for_snapshots} snapshots in a row."
        zh += f"规则要求连续 {rule.for_snapshots} 个快照。"
    own = rule.message.strip().rstrip(".:。：")
    return Text(f"{own}: {en}", f"{own}：{zh}") if own else Text(en, zh)


class _Work:
    """A state in the making."""

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
        # Training went back: rows and looks are counted anew from the history; what fired before that step stays so.
        kept = {
            rule: {subject: at for subject, at in subjects.items() if at < back_to} for rule, subjects in fired.items()
        }
        return cls(None, {}, kept, {})

    def see(self, rule: Rule, history: History, index: int) -> Iterator[Judgment]:
        """Judge one snapshot and keep count."""
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
                # After a step back the history holds snapshots from before the rule fired, which clear nothing.
                if fired.get(subject, -1) < history.steps[index]:
                    fired.pop(subject, None)
            yield judgment

    def fires(self, rule: Rule, judgment: Judgment, step: int) -> bool:
        """Whether the judgment just seen begins an episode; it is one then."""
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


def _alert(rule: Rule, judgment: Judgment, table: str, *, step: int, trained_step: int | None) -> Alert:
    text = worded(rule, judgment)
    return Alert(
        table=table,
        step=step,
        rule=rule.name,
        severity=rule.severity,
        metric=judgment.metric,
        value=judgment.value,
        threshold=judgment.threshold,
        message=text.en,
        message_zh=text.zh,
        evidence=judgment.evidence,
        trained_step=trained_step,
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
