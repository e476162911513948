"""Evaluation of rules on a snapshot or a whole run, for CI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from visualdl_embedding.alerts._alert import Status, Verdict
from visualdl_embedding.alerts._evaluate import worded
from visualdl_embedding.alerts._history import History, HistoryView
from visualdl_embedding.alerts._rule import Judgment, Rule, distinct, matches
from visualdl_embedding.core.text import Text
from visualdl_embedding.drift import Direction

__all__ = ["check_scalars", "unmatched"]

_STATUS: Mapping[str, Status] = {"holds": "failed", "clear": "passed", "unknown": "unknown"}


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
    """Names of the rules that match none of these tables, probably because of a typing error."""
    known = list(tables)
    return tuple(rule.name for rule in rules if not any(matches(rule, table) for table in known))


def _verdict(rule: Rule, judgment: Judgment, view: HistoryView) -> Verdict:
    text, status = worded(rule, judgment), _STATUS[judgment.status]
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
