"""Judging a snapshot or a whole run once, for CI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from visualdl_embedding.alerts._evaluate import worded
from visualdl_embedding.alerts._evidence import Evidence
from visualdl_embedding.alerts._history import History, View
from visualdl_embedding.alerts._rule import Judgment, Rule, Severity, Text, distinct, matches
from visualdl_embedding.core.jsonable import plain

__all__ = ["STATUSES", "Status", "Verdict", "check", "unmatched"]

Status = Literal["passed", "failed", "unknown"]
STATUSES: tuple[Status, ...] = ("failed", "unknown", "passed")
"""What asks for attention first."""


@dataclass(frozen=True)
class Verdict:
    """What a rule says of a run or a model.

    Attributes
    ----------
    table, step
        The snapshot that was judged; the step is None where a single snapshot was given without one.
    rule, severity
        Name of the rule; ``"warning"`` or ``"critical"``.
    status
        ``"passed"``, ``"failed"``, or ``"unknown"`` where a value is missing or no finite number.
    metric
        Scalar key, or what stands for one.
    value, threshold
        What was held against what; NaN where unknown.
    message, message_zh
        A sentence or two, in English and in Chinese.
    evidence
        Plain values by name.
    """

    table: str
    step: int | None
    rule: str
    severity: Severity
    status: Status
    metric: str
    value: float
    threshold: float
    message: str
    message_zh: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON; NaN and the infinities become None."""
        return {name: plain(getattr(self, name)) for name in self.__dataclass_fields__}


def check(
    rules: Iterable[Rule],
    scalars: Mapping[str, float] | History,
    baseline_scalars: Mapping[str, float] | History | None = None,
    *,
    table: str = "",
    evidence: Sequence[Evidence] = (),
) -> tuple[Verdict, ...]:
    """Judge one table of a model, or of a whole run, once.

    Of a run the newest snapshot is judged; those before it tell for how many in a row a rule has held. A run shorter
    than a rule's `for_snapshots` fails when the rule holds throughout, and a single snapshot is a run of one.

    Parameters
    ----------
    rules
        Those whose `tables` does not match are passed over; see `unmatched`.
    scalars
        Of one snapshot, or of a run.
    baseline_scalars
        What changes and a fall of the effective rank are measured against; of a run the newest snapshot. Without it
        they are measured inside the run.
    table
        Name of the table, where `scalars` is no history, which brings its own.
    evidence
        What a drift computation found against the baseline, where `scalars` is no history, which brings its own.

    Returns
    -------
    One verdict for each thing that each rule watches, in the order of the rules.

    Raises
    ------
    ValueError
        If two rules have one name, or a run or baseline holds no snapshot.

    Examples
    --------
    >>> from visualdl_embedding.alerts import Above
    >>> check([Above("mean_cosine", 0.8)], {"mean_cosine": float("nan")})[0].status
    'unknown'
    """
    timeless = not isinstance(scalars, History)
    history = scalars if isinstance(scalars, History) else History(table, (0,), (scalars,), {0: evidence})
    if isinstance(baseline_scalars, History):
        if not len(baseline_scalars):
            raise ValueError("The baseline holds no analyzed snapshot; analyze it first, or give another.")
        baseline_scalars = baseline_scalars.scalars[-1]
    if not len(history):
        raise ValueError(f"The run holds no analyzed snapshot of {history.table!r}; analyze it first.")
    verdicts: list[Verdict] = []
    for rule in distinct(rules):
        if matches(rule, history.table):
            for judgment in rule.judge(View(history, len(history) - 1, baseline_scalars, timeless=timeless)):
                held = _held(rule, history, judgment, baseline_scalars)
                verdicts.append(_verdict(rule, judgment, history, held=held, timeless=timeless))
    return tuple(verdicts)


def unmatched(rules: Iterable[Rule], tables: Iterable[str]) -> tuple[str, ...]:
    """Names of the rules that are for none of these tables: they guard nothing, most likely for a slip of the pen."""
    known = list(tables)
    return tuple(rule.name for rule in rules if not any(matches(rule, table) for table in known))


def _held(rule: Rule, history: History, judgment: Judgment, baseline: Mapping[str, float] | None) -> bool:
    """Whether the rule holds, and has for as many snapshots as it asks for, as far as the run reaches back."""
    if judgment.status != "holds":
        return False
    held = 1
    for index in reversed(range(len(history) - 1)):
        if held >= rule.for_snapshots:
            break
        earlier = {j.subject: j.status for j in rule.judge(View(history, index, baseline))}
        status = earlier.get(judgment.subject, "unknown")
        if status == "clear":
            return False
        held += status == "holds"
    return True


def _verdict(rule: Rule, judgment: Judgment, history: History, *, held: bool, timeless: bool) -> Verdict:
    status: Status = "unknown" if judgment.status == "unknown" else "failed" if held else "passed"
    text = worded(rule, judgment)
    if judgment.status == "holds" and not held:
        text = Text(f"{text.en} It has not held that long.", f"{text.zh}目前尚未持续那么久。")
    return Verdict(
        table=history.table,
        step=None if timeless else history.steps[-1],
        rule=rule.name,
        severity=rule.severity,
        status=status,
        metric=judgment.metric,
        value=judgment.value,
        threshold=judgment.threshold,
        message=text.en,
        message_zh=text.zh,
        evidence=judgment.evidence,
    )
