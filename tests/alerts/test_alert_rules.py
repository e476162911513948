from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from alert_examples import curve
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.alerts import (
    Above,
    Below,
    Changes,
    Collapsed,
    DriftTowards,
    GroupMixing,
    History,
    NonFinite,
    Rule,
    TailCrowding,
)
from visualdl_embedding.alerts._history import HistoryView
from visualdl_embedding.alerts._rule import Judgment, matches
from visualdl_embedding.analysis import Config, analyze
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot


def last(rule: Rule, history: History, baseline: dict[str, float] | None = None) -> Judgment:
    (judgment,) = rule.judge(HistoryView(history, len(history) - 1, baseline))
    return judgment


def status(rule: Rule, *values: float | None, key: str = "isoscore", baseline: dict[str, float] | None = None) -> str:
    return last(rule, curve(key, values), baseline).status


def test_above_and_below_are_strict() -> None:
    assert [status(Above("isoscore", 0.5), v) for v in (0.4, 0.5, 0.6)] == ["clear", "clear", "holds"]
    assert [status(Below("isoscore", 0.5), v) for v in (0.4, 0.5, 0.6)] == ["holds", "clear", "clear"]


ALL = (
    (Above("isoscore", 0.5), "isoscore"),
    (Below("isoscore", 0.5), "isoscore"),
    (Changes("isoscore", 0.5), "isoscore"),
    (GroupMixing(), "group_purity"),
    (GroupMixing("正面"), "group/正面/purity"),
    (TailCrowding(0.5), "crowding"),
    (TailCrowding(0.5), "stratum/tail/crowding"),
    (NonFinite(), "nonfinite_rows"),
    (Collapsed(), "mean_cosine"),
)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("rule", "key"), ALL)
def test_a_missing_or_non_finite_value_is_unknown(rule: Rule, key: str, value: float | None) -> None:
    judgment = last(rule, curve(key, [0.0, value]))
    assert judgment.status == "unknown"
    assert math.isnan(judgment.value)


@pytest.mark.parametrize(("rule", "key"), ALL)
def test_every_sentence_is_there_in_both_languages(rule: Rule, key: str) -> None:
    for values in ([0.2, 0.95], [0.95, 0.2], [0.2, None]):
        text = last(rule, curve(key, values)).text
        assert text.en.endswith(".")
        assert text.zh.endswith("。")


class TestChanges:
    def test_against_the_snapshot_before(self) -> None:
        assert status(Changes("isoscore", 0.2), 0.5, 0.7) == "holds"
        assert status(Changes("isoscore", 0.2), 0.5, 0.3) == "holds"
        assert status(Changes("isoscore", 0.2), 0.5, 0.65) == "clear"

    def test_one_bit_of_rounding_is_ignored(self) -> None:
        assert 0.3 - 0.1 < 0.2
        assert status(Changes("isoscore", 0.2), 0.1, 0.3) == "holds"

    def test_direction(self) -> None:
        up, down = Changes("isoscore", 0.2, direction="up"), Changes("isoscore", 0.2, direction="down")
        assert (status(up, 0.1, 0.5), status(up, 0.5, 0.1)) == ("holds", "clear")
        assert (status(down, 0.1, 0.5), status(down, 0.5, 0.1)) == ("clear", "holds")

    def test_within_limits_the_earlier_snapshots(self) -> None:
        assert status(Changes("isoscore", 0.3, within=2), 0.1, 0.3, 0.45) == "holds"
        assert status(Changes("isoscore", 0.3, within=1), 0.1, 0.3, 0.45) == "clear"
        found = last(Changes("isoscore", 0.3, within=3, direction="down"), curve("isoscore", [0.9, 0.2, 0.5, 0.4]))
        assert found.value == pytest.approx(-0.5)
        assert found.evidence["before_step"] == 0

    def test_relative_is_a_share_of_the_earlier_size(self) -> None:
        rule = Changes("hubness", 0.5, relative=True, direction="up")
        assert status(rule, 2.0, 3.0, key="hubness") == "holds"
        assert status(rule, 4.0, 5.0, key="hubness") == "clear"
        assert status(rule, -2.0, -1.0, key="hubness") == "holds"

    def test_relative_to_nothing_is_unknown(self) -> None:
        found = last(Changes("isoscore", 0.5, relative=True), curve("isoscore", [0.0, 0.5]))
        assert found.status == "unknown"
        assert "other than 0" in found.text.en

    def test_a_gap_is_bridged_only_within_the_limit(self) -> None:
        assert status(Changes("isoscore", 0.3, within=2), 0.1, None, 0.5) == "holds"
        assert status(Changes("isoscore", 0.3, within=1), 0.1, None, 0.5) == "unknown"

    def test_a_baseline_replaces_the_snapshots_before(self) -> None:
        rule = Changes("isoscore", 0.3)
        assert status(rule, 0.1, 0.5, baseline={"isoscore": 0.45}) == "clear"
        assert status(rule, 0.5, 0.5, baseline={"isoscore": 0.1}) == "holds"
        for baseline in ({}, {"isoscore": math.nan}):
            found = last(rule, curve("isoscore", [0.1, 0.5]), baseline)
            assert found.status == "unknown"
            assert "baseline" in found.text.en

    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6), st.floats(1e-3, 1e6), st.integers(1, 5))
    def test_any_is_up_or_down(self, values: list[float], by: float, within: int) -> None:
        results = {
            way: status(Changes("hubness", by, within=within, direction=way), *values, key="hubness")
            for way in ("any", "up", "down")
        }
        assert (results["any"] == "holds") == ("holds" in (results["up"], results["down"]))


class TestSpace:
    def test_non_finite_counts_rows(self) -> None:
        history = History.of("word", {0: {"nonfinite_rows": 2.0, "num_rows": 5.0, "zero_rows": 3.0}})
        assert last(NonFinite(), history).status == "holds"
        assert last(NonFinite(rows=3), history).status == "clear"
        assert last(NonFinite(), history).text.en == "2 of 10 watched rows contain NaN or inf."

    def test_collapse_is_a_cone_or_a_loss_of_rank(self) -> None:
        def at(first: float, rank: float, cosine: float) -> Judgment:
            scalars = [{"effective_rank": r, "mean_cosine": c} for r, c in ((first, 0.0), (rank, cosine))]
            return last(Collapsed(), History("word", (0, 1), tuple(scalars)))

        assert at(50, 40, 0.1).status == "clear"
        assert (at(50, 40, 0.95).status, at(50, 40, 0.95).metric) == ("holds", "mean_cosine")
        assert (at(50, 4, 0.1).status, at(50, 4, 0.1).metric) == ("holds", "effective_rank")
        assert at(50, 4, 0.1).threshold == pytest.approx(5)

    def test_one_sign_of_collapse_is_enough_though_the_other_is_unknown(self) -> None:
        assert last(Collapsed(), curve("mean_cosine", [0.95])).status == "holds"
        assert last(Collapsed(), curve("mean_cosine", [0.1])).status == "unknown"

    def test_collapse_against_a_baseline(self) -> None:
        history = History.of("word", {0: {"effective_rank": 4.0, "mean_cosine": 0.0}})
        assert last(Collapsed(), history).status == "clear"
        assert last(Collapsed(), history, {"effective_rank": 50.0}).status == "holds"
        assert last(Collapsed(), history, {"effective_rank": math.nan}).status == "unknown"

    def test_mixing_is_what_purity_leaves(self) -> None:
        assert status(GroupMixing(over=0.4), 0.55, key="group_purity") == "holds"
        assert status(GroupMixing(over=0.4), 0.65, key="group_purity") == "clear"
        assert status(GroupMixing("a/b", over=0.4), 0.5, key="group/a／b/purity") == "holds"
        assert status(GroupMixing("other"), 0.5, key="group/a/purity") == "unknown"

    def test_the_tail_is_read_and_not_mixed_with_all_rows(self) -> None:
        both = History.of("word", {0: {"crowding": 0.9, "stratum/tail/crowding": 0.1}, 1: {"crowding": 0.9}})
        assert last(TailCrowding(0.5), History("word", both.steps[:1], both.scalars[:1])).status == "clear"
        assert last(TailCrowding(0.5), both).status == "unknown"
        assert status(TailCrowding(0.5), 0.9, key="crowding") == "holds"


def make_snapshot(vectors: np.ndarray) -> Snapshot:
    rows = Rows(np.arange(len(vectors), dtype=np.int64), tuple(map(str, range(len(vectors)))))
    return Snapshot("word", 0, rows, vectors.astype(np.float32))


def test_the_built_in_rules_read_what_analyze_writes() -> None:
    rng = np.random.default_rng(0)
    good = rng.normal(size=(60, 16))
    cone, flat, broken = good + 30, good * np.geomspace(1, 1e-9, 16) ** 2, good.copy()
    broken[3, 2] = np.nan
    scalars = [
        dict(analyze(make_snapshot(v), config=Config(methods=()))[0].scalars) for v in (good, cone, flat, broken)
    ]
    for found, (collapsed, non_finite) in zip(
        scalars, [("clear", "clear"), ("holds", "clear"), ("holds", "clear"), ("clear", "holds")], strict=True
    ):
        history = History("word", (0, 1), (scalars[0], found))
        assert (last(Collapsed(), history).status, last(NonFinite(), history).status) == (collapsed, non_finite)


def test_a_single_column_cannot_collapse_and_says_why() -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 1))
    scalars = dict(analyze(make_snapshot(vectors), config=Config(methods=()))[0].scalars)
    judged = last(Collapsed(), History("word", (0,), (scalars,)))
    assert judged.status == "clear"
    assert judged.text.en.startswith("The table has one column")


class TestRule:
    def test_names_are_made_from_the_values(self) -> None:
        assert Above("isoscore", 0.5).name == "isoscore above 0.5"
        assert Changes("isoscore", 0.2, relative=True, direction="down").name == "isoscore falls by 20%"
        assert GroupMixing("positive", tables="encoder.*").name == "group mixing of positive in encoder.*"
        assert Above("isoscore", 0.5, name="mine").name == "mine"

    def test_severities(self) -> None:
        assert {type(r).__name__ for r, _ in ALL if r.severity == "critical"} == {"NonFinite", "Collapsed"}
        assert NonFinite(severity="warning").severity == "warning"

    def test_tables_are_patterns_or_names(self) -> None:
        assert matches(NonFinite(), "anything/at all")
        assert matches(NonFinite(tables="encoder.*"), "encoder.word")
        assert not matches(NonFinite(tables="encoder.*"), "Encoder.word")
        assert matches(NonFinite(tables="table[0]"), "table[0]")

    def test_rules_are_values(self) -> None:
        one, two = (DriftTowards("negative", words=["a", "a", "b"]) for _ in range(2))  # type: ignore[arg-type]
        assert one == two
        assert hash(one) == hash(two)
        assert one.words == ("a", "b")

    @pytest.mark.parametrize(
        ("make", "error", "says"),
        [
            (lambda: Above("isoscore", math.nan), ValueError, "value must be a finite number, not nan"),
            (lambda: Above("isoscore", 10**400), ValueError, "value must be a finite number"),
            (lambda: Above("isoscore", "high"), TypeError, "value must be a finite number, not 'high'"),
            (lambda: Above("isoscore", True), TypeError, "value must be a finite number, not True"),
            (lambda: Above(3, 0.5), TypeError, "metric must be text"),
            (lambda: Below("isoscore", 0.5, for_snapshots=0), ValueError, "for_snapshots must be an integer"),
            (lambda: Below("isoscore", 0.5, for_snapshots=1.5), TypeError, "for_snapshots must be an integer"),
            (lambda: Below("isoscore", 0.5, severity="bad"), ValueError, "severity must be one of 'critical', 'warn"),
            (lambda: Below("isoscore", 0.5, tables=""), ValueError, "tables must be text"),
            (lambda: Below("isoscore", 0.5, message=1), TypeError, "message must be text"),
            (lambda: Changes("isoscore", 0), ValueError, "by must be a positive number, not 0"),
            (lambda: Changes("isoscore", 1, relative=1), TypeError, "relative must be true or false"),
            (lambda: Changes("isoscore", 1, within=0), ValueError, "within must be an integer"),
            (lambda: Changes("isoscore", 1, direction="left"), ValueError, "direction must be one of"),
            (lambda: GroupMixing(over=1.2), ValueError, "over must be a share from 0 to 1"),
            (lambda: GroupMixing(""), ValueError, "group must be text"),
            (lambda: TailCrowding(-1), ValueError, "over must be a share"),
            (lambda: DriftTowards("n", "加息"), TypeError, "words must be a list of labels"),
            (lambda: DriftTowards("n", alpha=0), ValueError, "alpha must be between 0 and 1"),
            (lambda: DriftTowards("n", looks=0), ValueError, "looks must be an integer"),
            (lambda: NonFinite(rows=0), ValueError, "rows must be an integer"),
            (lambda: Collapsed(rank_share=2), ValueError, "rank_share must be a share"),
            (lambda: Collapsed(mean_cosine=2), ValueError, "mean_cosine must be a cosine"),
        ],
    )
    def test_values_that_make_no_sense_are_refused(self, make: Any, error: type[Exception], says: str) -> None:
        with pytest.raises(error, match=says):
            make()


@pytest.mark.parametrize(
    "metric",
    [
        "mean_cosine",
        "tsne/trustworthiness",
        "umap_3d/motion",
        "tsne_perplexity5_seed43/trustworthiness",
        "group_purity",
        "group/positive/purity",
        "watch/加息/displacement",
        "watch/加息/norm",
        "watch/加息/tsne/x",
        "stratum/tail/effective_rank",
        "crowding",
    ],
)
def test_metrics_that_an_analysis_writes_are_known(metric: str) -> None:
    assert Above(metric, 0.5).metric == metric


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("mean_cosin", "did you mean 'mean_cosine'"),
        ("tsne/trustworthines", "did you mean 'tsne/trustworthiness'"),
        ("group/positive/puriti", "did you mean 'group/positive/purity'"),
        ("tnse/trustworthiness", "did you mean 'tsne'"),
        ("wach/加息/norm", "did you mean 'watch'"),
        ("trustworthiness", "write 'pca/trustworthiness'"),
        ("tsne/mean_cosine", "write 'mean_cosine'"),
        ("norm", "write 'watch/LABEL/norm'"),
        ("watch/norm", "write 'watch/NAME/METRIC'"),
        ("watch/加息/tsne/y/x", "begins with 'tsne/y', which is unknown; did you mean 'tsne'"),
        ("vectors_variance_kept", "is not part of an analysis, only of a log"),
        ("watch/加息/stability", "is not part of an analysis, only of a report"),
        ("qqqqqqqq", "known are 'trustworthiness'"),
        ("", "is empty"),
    ],
)
def test_an_unknown_metric_names_the_nearest(metric: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Above(metric, 0.5)


def test_an_unknown_value_names_what_is_there() -> None:
    found = last(Above("watch/加息/norm", 1.0), History.of("word", {5: {"watch/加薪/norm": 1.0}}))
    assert "no finite value at step 5. Nearest here: watch/加薪/norm." in found.text.en


class TestHistory:
    def test_steps_ascend(self) -> None:
        for steps in ((1, 0), (1, 1)):
            with pytest.raises(ValueError, match="must be ascending"):
                History("word", steps, ({}, {}))
        with pytest.raises(ValueError, match="one mapping per step: 1 mappings for 2 steps"):
            History("word", (0, 1), ({},))
