"""Rule for words that move towards a group, with alpha spending over repeated tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from visualdl_embedding.alerts._history import HistoryView
from visualdl_embedding.alerts._rule import (
    Judgment,
    Rule,
    as_text,
    check_count,
    check_number,
    check_text,
    unknown,
)
from visualdl_embedding.core.names import escape
from visualdl_embedding.core.text import Text
from visualdl_embedding.drift import ROWS_FOR_TAIL, Direction, correct, spend_alpha

__all__ = ["DriftTowards", "out_of_reach"]

_VALUES = ("share_before", "share_after", "lean_before", "lean_after")


@dataclass(frozen=True)
class DriftTowards(Rule):
    """Fires if words move significantly towards a group.

    Uses the p-values of a drift computation (`Direction`), corrected over the words (Holm) and over the snapshots
    (`spend_alpha`), but not over several rules. A p-value counts only for a word whose lean towards the group, or else
    whose share of the group among its neighbors, increases.

    Attributes
    ----------
    group
        Target group.
    words
        Labels; empty for all words of the evidence.
    alpha
        Probability of a false alarm of this rule, between 0 and 1.
    looks
        Number of snapshots that `alpha` is spent on, at each of which the level is ``alpha / looks``. None for an
        unlimited number in a run; a single evaluation (CI) then has the whole `alpha`.
    """

    kind: ClassVar[str] = "drift_towards"

    group: str
    words: tuple[str, ...] = ()
    alpha: float = 0.05
    looks: int | None = None

    def _validate(self) -> None:
        check_text("group", self.group, "the name of a group")
        if isinstance(self.words, str) or not isinstance(self.words, Sequence):
            raise TypeError(f"words must be a list of labels such as ['加息'], not {self.words!r}.")
        for word in self.words:
            check_text("words", word, "labels such as '加息'")
        object.__setattr__(self, "words", tuple(dict.fromkeys(self.words)))
        check_number("alpha", self.alpha, low=math.ulp(0.0), high=1 - math.ulp(0.5), what="between 0 and 1")
        if self.looks is not None:
            check_count("looks", self.looks)

    def _default_name(self) -> str:
        some = ", ".join(self.words[:3]) + (f" and {len(self.words) - 3} more" if len(self.words) > 3 else "")
        return f"drift of {some} towards {self.group}" if some else f"drift towards {self.group}"

    def level(self, look: int | None) -> float:
        """Level of one snapshot; `look` counts the snapshots evaluated so far, None for a single evaluation (CI)."""
        if look is None and self.looks is None:
            return self.alpha
        return spend_alpha(self.alpha, (look or 1) - 1, horizon=self.looks)

    def judge(self, view: HistoryView) -> tuple[Judgment, ...]:
        """Evaluate the last snapshot of a view, once for each word."""
        found = {e.label: e for e in view.evidence if e.group == self.group}
        words = self.words or tuple(found)
        level = self.level(view.look)
        if not words:
            nothing = Text(
                f"No drift towards {self.group} was computed {view.at[0]}.",
                f"{view.at[1]}没有计算朝向 {self.group} 的漂移。",
            )
            return (unknown(view, f"group/{escape(self.group)}/p_value", level, why=nothing),)
        # Words without a p-value count as tests without significance.
        tested = [found[w].p_value if w in found and 0 <= found[w].p_value <= 1 else math.nan for w in words]
        corrected = correct(np.nan_to_num(tested, nan=1.0))
        return tuple(
            self._judge_word(view, word, None if math.isnan(p) else found[word], p=float(c), level=level, n=len(words))
            for word, p, c in zip(words, tested, corrected, strict=True)
        )

    def _judge_word(
        self, view: HistoryView, word: str, evidence: Direction | None, *, p: float, level: float, n: int
    ) -> Judgment:
        metric = f"watch/{escape(word)}/group/{escape(self.group)}/p_value"
        if evidence is None:
            reason = self._why_untested(view, word)
            why = Text(
                f"{word}: no p-value of a drift towards {self.group} {view.at[0]}: {reason.en}.",
                f"{word}：{view.at[1]}没有朝向 {self.group} 漂移的 p 值：{reason.zh}。",
            )
            return unknown(view, metric, level, subject=word, why=why)
        if evidence.smallest_p is not None and n * evidence.smallest_p > level:
            beyond = out_of_reach(n, evidence.smallest_p, level)
            return unknown(view, metric, level, subject=word, why=Text(f"{word}: {beyond.en}", f"{word}：{beyond.zh}"))
        holds = p <= level and _grew(evidence)
        numbers: dict[str, Any] = {"label": word, "group": self.group, "p_value": evidence.p_value, "p_corrected": p}
        numbers |= {"words": n, "look": view.look}
        numbers |= {name: getattr(evidence, name) for name in _VALUES}
        shares, shares_zh = "", ""
        if math.isfinite(evidence.share_before) and math.isfinite(evidence.share_after):
            before, after = as_text(evidence.share_before), as_text(evidence.share_after)
            shares = f": its share of {self.group} neighbors went from {before} to {after}"
            shares_zh = f"：其 {self.group} 近邻的占比由 {before} 变为 {after}"
        verb, verb_zh = ("moved", "移动了") if holds else ("did not move significantly", "没有显著移动")
        text = Text(
            f"{word} {verb} towards {self.group}{shares}, p = {as_text(p)} corrected over {n} word(s), with a limit of "
            f"{as_text(level)}.",
            f"{word} 朝 {self.group} {verb_zh}{shares_zh}，p = {as_text(p)}（已对 {n} 个词校正），要求不超过 "
            f"{as_text(level)}。",
        )
        return Judgment(word, "holds" if holds else "clear", metric, p, level, text, numbers)

    def _why_untested(self, view: HistoryView, word: str) -> Text:
        """Reason for a missing p-value, as far as the results of the snapshot show it."""
        groups = {direction.group for direction in view.evidence if direction.label == word}
        if self.group in groups:
            return Text(
                "it requires other rows of the group, and rows of another group, in both snapshots",
                "两个快照中都须有该组的其他行，以及另一组的行",
            )
        if groups:
            return Text("the group has no rows in both snapshots", "两个快照中没有属于该组的共同行")
        if any(key.startswith(f"watch/{escape(word)}/") for key in view.scalars):
            return Text(
                "it is watched, but no drift was computed, which requires the word in this snapshot and in the earlier "
                "one or the baseline, and two groups with rows in both",
                "该词已被关注，但没有计算漂移；这要求该词同时在此快照和更早的快照（或基线）中，且至少两个组在两者中都有行",
            )
        return Text(
            "there is no value of this word; check its spelling, and that it is watched",
            "没有该词的数值；请检查拼写，并确认它是关注词",
        )


def out_of_reach(n: int, smallest: float, level: float) -> Text:
    """Explain that no p-value among the rows, with a lower limit of `smallest`, reaches a level for n words."""
    least, limit = as_text(n * smallest), as_text(level)
    return Text(
        f"the p-values are at least {least} among these rows, corrected over {n} word(s), but the rule requires "
        f"{limit} or less. Watch at least {ROWS_FOR_TAIL} other rows, use fewer words or looks, or raise alpha.",
        f"在这些行中，对 {n} 个词校正后的 p 值至少为 {least}，而规则要求不超过 {limit}。请至少观察 {ROWS_FOR_TAIL} 个"
        f"其他行，减少词数或 looks，或提高 alpha。",
    )


def _grew(evidence: Direction) -> bool:
    """Whether the word moved towards the group; a two-sided p-value is small for the opposite direction too."""
    for change in (evidence.lean_after - evidence.lean_before, evidence.share_after - evidence.share_before):
        if math.isfinite(change):
            return change > 0
    return True
