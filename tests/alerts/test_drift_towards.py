"""The rule about watched words that move towards a group."""

from __future__ import annotations

import math

import numpy as np
import pytest
from alert_examples import moved
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.alerts import (
    DriftTowards,
    History,
    NonFinite,
    Rule,
    require_reachable,
)
from visualdl_embedding.alerts._history import HistoryView
from visualdl_embedding.alerts._rule import Judgment
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.drift import Direction


class TestDriftTowards:
    def judge(self, rule: DriftTowards, *evidence: Direction, look: int | None = None) -> dict[str, Judgment]:
        history = History.of("word", {7: {}}, evidence={7: evidence})
        return {judgment.subject: judgment for judgment in rule.judge(HistoryView(history, 0, look=look))}

    def test_a_word_that_moved(self) -> None:
        found = self.judge(DriftTowards("negative", ("加息",)), moved("加息", 0.002), moved("加息", 0.9, group="x"))
        assert found["加息"].status == "holds"
        assert found["加息"].text.en == (
            "加息 moved towards negative: its share of negative neighbors went from 0.1 to 0.6, p = 0.002 corrected "
            "over 1 word(s), with a limit of 0.05."
        )

    def test_words_are_corrected_for_being_several(self) -> None:
        words = tuple("abcd")
        found = self.judge(DriftTowards("negative", words), moved("a", 0.012), moved("b", 0.02), moved("c", 0.9))
        assert found["a"].value == pytest.approx(4 * 0.012)
        assert found["b"].value == pytest.approx(3 * 0.02)
        assert [found[w].status for w in words] == ["holds", "clear", "clear", "unknown"]

    def test_without_words_all_of_the_evidence_is_meant(self) -> None:
        found = self.judge(DriftTowards("negative"), moved("a", 0.001), moved("b", 0.001, group="positive"))
        assert list(found) == ["a"]
        assert [j.status for j in self.judge(DriftTowards("negative")).values()] == ["unknown"]

    @pytest.mark.parametrize("p_value", [math.nan, -0.1, 1.5])
    def test_invalid_p_values_are_unknown(self, p_value: float) -> None:
        assert self.judge(DriftTowards("negative", ("a",)), moved("a", p_value))["a"].status == "unknown"

    def test_a_word_that_left_the_group_is_clear(self) -> None:
        rule = DriftTowards("negative", ("a",))
        assert self.judge(rule, moved("a", 0.001, share=(0.6, 0.1)))["a"].status == "clear"
        # The lean is finer than a share of 15 neighbors.
        grew = moved("a", 0.001, share=(0.2, 0.2), lean=(0.1, 0.3))
        assert self.judge(rule, grew)["a"].status == "holds"

    def test_later_looks_have_a_lower_level(self) -> None:
        rule = DriftTowards("negative", ("a",))
        assert self.judge(rule, moved("a", 0.02), look=1)["a"].status == "holds"
        assert self.judge(rule, moved("a", 0.02), look=2)["a"].status == "clear"
        planned = DriftTowards("negative", ("a",), looks=10)
        assert [self.judge(planned, moved("a", 0.004), look=n)["a"].status for n in (1, 10, 500)] == ["holds"] * 3
        assert self.judge(planned, moved("a", 0.006), look=1)["a"].status == "clear"

    def test_a_level_that_no_p_value_can_reach_is_unknown(self) -> None:
        rule = DriftTowards("negative", ("a",), looks=52)
        found = self.judge(rule, moved("a", 0.02, smallest_p=0.02), look=1)["a"]
        assert found.status == "unknown"
        assert "p-values are at least 0.02 among these rows" in found.text.en
        assert "requires 0.0009615 or less" in found.text.en
        assert "至少为 0.02" in found.text.zh
        assert self.judge(rule, moved("a", 0.0005, smallest_p=1e-6), look=1)["a"].status == "holds"
        several = DriftTowards("negative", ("a", "b", "c"))
        at_least = moved("a", 0.02, smallest_p=0.02), moved("b", 0.5, smallest_p=0.02)
        assert self.judge(several, *at_least)["a"].status == "unknown"
        assert self.judge(DriftTowards("negative", ("a", "b")), *at_least)["a"].status == "holds"

    @pytest.mark.parametrize(
        ("rule", "n", "null_pairs", "refused"),
        [
            (DriftTowards("negative", ("a",), looks=52), 60, 0, True),
            (DriftTowards("negative", ("a",), looks=52), 101, 0, False),
            (DriftTowards("negative", ("a",), looks=52), 60, 1, False),
            (DriftTowards("negative", ("a",)), 60, 0, False),
            (DriftTowards("negative", ("a",)), 30, 0, True),
            (DriftTowards("negative", ("a",), alpha=1e-5, looks=52), 500, 0, True),
            (DriftTowards("negative", ("a",), looks=52, tables="other"), 60, 0, False),
            (NonFinite(), 60, 0, False),
        ],
    )
    def test_rules_that_cannot_fire_are_refused(self, rule: Rule, n: int, null_pairs: int, refused: bool) -> None:
        labels = ("a", *(f"w{i}" for i in range(n - 1)))
        groups = tuple(("negative", "positive")[i % 2] for i in range(n))
        rows = {"word": [Rows(np.arange(n), labels, {"group": groups}, watch=("a",))]}
        if refused:
            with pytest.raises(ValueError, match="cannot fire for 'word': the p-values are at least"):
                require_reachable([rule], rows, null_pairs=null_pairs)
        else:
            require_reachable([rule], rows, null_pairs=null_pairs)

    @given(st.lists(st.floats(0, 1), max_size=8), st.integers(0, 3))
    def test_holm_is_stepwise_bonferroni(self, p_values: list[float], more: int) -> None:
        n = len(p_values) + more
        words = [str(i) for i in range(n)]
        evidence = [moved(word, p) for word, p in zip(words, p_values, strict=False)]
        found = self.judge(DriftTowards("negative", tuple(words)), *evidence) if words else {}
        corrected = [found[word].value for word, _ in zip(words, p_values, strict=False)]
        # Holm's own form: go through the ordered p-values and stop at the first above alpha / (tests left).
        for alpha in (0.01, 0.05, 0.3):
            rejected = set()
            for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
                if (n - rank) * p_values[i] > alpha:
                    break
                rejected.add(i)
            assert rejected == {i for i, p in enumerate(corrected) if p <= alpha}

    def test_false_alarms_over_many_words_and_looks_stay_below_alpha(self) -> None:
        rng = np.random.default_rng(0)
        words, runs, looks, alarms = tuple("abcde"), 400, 12, 0
        rule = DriftTowards("negative", words, alpha=0.2, looks=looks)
        for _ in range(runs):
            p = rng.random((looks, len(words)))
            alarms += any(
                j.status == "holds"
                for look in range(looks)
                for j in self.judge(
                    rule, *(moved(w, float(x)) for w, x in zip(words, p[look], strict=True)), look=look + 1
                ).values()
            )
        # Expected 0.2 at most; 0.02 is the standard error of 400 runs.
        assert 0.1 < alarms / runs < 0.26
