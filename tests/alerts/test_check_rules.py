from __future__ import annotations

import json
import math
from xml.etree import ElementTree as ET

import pytest
from alert_examples import curve, make_verdict, moved
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.alerts import (
    Above,
    Below,
    Changes,
    Collapsed,
    DriftTowards,
    History,
    NonFinite,
    Verdict,
    check_scalars,
    default_rules,
    evaluate,
    to_json,
    to_junit_xml,
    unmatched,
    verdict_table,
)

RULES = (Above("mean_cosine", 0.8), Below("isoscore", 0.2), Changes("isoscore", 0.3))


def statuses(verdicts: tuple[Verdict, ...]) -> list[str]:
    return [verdict.status for verdict in verdicts]


class TestCheck:
    def test_a_single_snapshot(self) -> None:
        found = check_scalars(RULES, {"mean_cosine": 0.9, "isoscore": 0.5}, table="word")
        assert statuses(found) == ["failed", "passed", "unknown"]
        assert [(v.table, v.step) for v in found] == [("word", None)] * 3
        assert "no baseline" in found[2].message

    def test_changes_are_measured_against_the_baseline(self) -> None:
        for baseline, status in (({"isoscore": 0.5}, "passed"), ({"isoscore": 0.9}, "failed")):
            assert statuses(check_scalars(RULES[2:], {"isoscore": 0.5}, baseline)) == [status]
        (run,) = check_scalars(RULES[2:], {"isoscore": 0.5}, curve("isoscore", [0.5, 0.9]))
        assert run.status == "failed"

    @pytest.mark.parametrize("bad", [{}, {"isoscore": math.nan}, {"isoscore": math.inf}])
    def test_what_is_missing_or_nan_never_passes(self, bad: dict[str, float]) -> None:
        rules = (Above("isoscore", 0.2), Below("isoscore", 0.2), Changes("isoscore", 0.3))
        assert statuses(check_scalars(rules, bad, {"isoscore": 0.5})) == ["unknown"] * 3
        assert statuses(check_scalars(rules[2:], {"isoscore": 0.5}, bad)) == ["unknown"]
        assert statuses(check_scalars(default_rules(), bad)) == ["unknown"] * 2

    def test_a_sound_model_passes_the_default_rules_without_a_baseline(self) -> None:
        sound = {"nonfinite_rows": 0.0, "mean_cosine": 0.1, "effective_rank": 40.0}
        assert statuses(check_scalars(default_rules(), sound)) == ["passed", "passed"]
        (_, collapsed) = check_scalars(default_rules(), {**sound, "effective_rank": 3.0}, sound)
        assert (collapsed.status, collapsed.metric) == ("failed", "effective_rank")

    def test_the_newest_snapshot_of_a_run_is_judged(self) -> None:
        (verdict,) = check_scalars(RULES[1:2], curve("isoscore", [0.01, 0.5]))
        assert (verdict.status, verdict.step) == ("passed", 100)
        assert statuses(check_scalars(RULES[2:], curve("isoscore", [0.1, 0.5]))) == ["failed"]

    def test_in_a_row(self) -> None:
        rule = [Above("isoscore", 0.5, for_snapshots=3)]
        assert statuses(check_scalars(rule, curve("isoscore", [0.9, 0.9, 0.9]))) == ["failed"]
        assert statuses(check_scalars(rule, curve("isoscore", [0.1, 0.9, 0.9]))) == ["passed"]
        assert statuses(check_scalars(rule, curve("isoscore", [0.1, 0.9, None, 0.9, 0.9]))) == ["failed"]
        assert statuses(check_scalars(rule, curve("isoscore", [0.1, 0.9, None, 0.9]))) == ["passed"]
        # A run too short to tell is given no benefit of the doubt.
        assert statuses(check_scalars(rule, curve("isoscore", [0.9, 0.9]))) == ["failed"]
        assert statuses(check_scalars(rule, {"isoscore": 0.9})) == ["failed"]

    @given(st.lists(st.sampled_from([0.9, 0.1]), min_size=1, max_size=12), st.integers(1, 4))
    def test_it_agrees_with_evaluate_on_a_run_long_enough(self, values: list[float], for_snapshots: int) -> None:
        rule, history = Above("isoscore", 0.5, for_snapshots=for_snapshots), curve("isoscore", [0.1, *values])
        (verdict,) = check_scalars([rule], history)
        assert (verdict.status == "failed") == bool(evaluate([rule], history)[0])

    def test_drift_in_ci_counts_as_one_look(self) -> None:
        rule = DriftTowards("negative", ("加息", "降息"))
        found = check_scalars([rule], {}, evidence=[moved("加息", 0.02)])
        assert statuses(found) == ["failed", "unknown"]
        assert (found[0].value, found[0].threshold) == (pytest.approx(0.04), 0.05)

    def test_a_run_without_snapshots_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="no analyzed snapshot of 'word'"):
            check_scalars(RULES, History.of("word", {}))
        with pytest.raises(ValueError, match="baseline has no analyzed"):
            check_scalars(RULES, {}, History.of("word", {}))

    def test_rules_that_are_for_no_table_are_named(self) -> None:
        rules = [NonFinite(tables="encoder.*"), Collapsed(), Above("isoscore", 0.5, tables="encodr.*")]
        assert check_scalars(rules[:1], {}, table="word") == ()
        assert unmatched(rules, ["encoder.word", "item"]) == ("isoscore above 0.5 in encodr.*",)


NASTY = 'a<b>&"c"\x00\x1b[31m\n\ud800\uffff]]>加息'
VERDICTS = (
    make_verdict(status="passed"),
    make_verdict(table="item", rule="drift", metric="watch/a/p_value", severity="critical"),
    make_verdict(table="item", rule="drift", metric="watch/b/p_value", status="unknown", value=math.nan),
    make_verdict(table=NASTY, rule=NASTY, metric=NASTY, message=NASTY, message_zh=NASTY, value=-math.inf),
)


class TestTable:
    def test_what_asks_for_attention_comes_first(self) -> None:
        header, *rows = verdict_table(VERDICTS)
        assert header[0] == "Status"
        assert [row[:2] for row in rows] == [
            ("failed", "critical"),
            ("failed", "warning"),
            ("unknown", "warning"),
            ("passed", "warning"),
        ]
        assert rows[3][2:7] == ("encoder.word", "mean_cosine above 0.8", "mean_cosine", "0.9", "0.8")
        assert rows[2][5] == ""

    def test_cells_are_one_printable_line_each(self) -> None:
        for row in verdict_table(VERDICTS):
            assert all(cell.isprintable() or "\ufffd" in cell for cell in row)
            assert not any(c in cell for cell in row for c in "\x00\x1b\n\ud800")

    def test_in_chinese(self) -> None:
        header, first, *_ = verdict_table(VERDICTS, language="zh")
        assert header[0] == "结果"
        assert first[0] == "未通过"
        assert first[-1] == "mean_cosine 为 0.9，高于 0.8。"


def test_json_is_strict_and_complete() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = to_json(VERDICTS)
    found = json.loads(text.encode("utf-8"), parse_constant=refuse)
    assert found["counts"] == {"failed": 2, "unknown": 1, "passed": 1}
    assert [v["status"] for v in found["verdicts"]] == ["passed", "failed", "unknown", "failed"]
    assert found["verdicts"][2]["value"] is None
    assert found["verdicts"][3]["message"] == NASTY


# What Jenkins' xUnit plugin and GitLab read: attributes that must be there, and those that may.
ATTRIBUTES = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}),
    "testsuite": ({"name", "tests", "failures", "errors"}, {"skipped", "time"}),
    "testcase": ({"name", "classname"}, {"time"}),
    "failure": (set(), {"message", "type"}),
    "error": (set(), {"message", "type"}),
}
CHILDREN = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}, "testcase": {"failure", "error"}}


def check_structure(root: ET.Element) -> None:
    for element in root.iter():
        must, may = ATTRIBUTES[element.tag]
        assert must <= set(element.attrib) <= must | may
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
    for suite in (root, *root.iter("testsuite")):
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(suite.attrib[attribute]) == len(list(suite.iter(tag)))
    assert all(len(case) <= 1 for case in root.iter("testcase"))


def parse(verdicts: tuple[Verdict, ...]) -> ET.Element:
    return ET.fromstring(to_junit_xml(verdicts).encode("utf-8"))


class TestJUnit:
    def test_structure_and_counts(self) -> None:
        root = parse(VERDICTS)
        check_structure(root)
        assert root.tag == "testsuites"
        counts = [(s.attrib["tests"], s.attrib["failures"], s.attrib["errors"], s.attrib["skipped"]) for s in root]
        assert counts == [("1", "0", "0", "0"), ("2", "1", "1", "0"), ("1", "1", "0", "0")]

    def test_cases_contain_value_and_threshold(self) -> None:
        failed, unknown = parse(VERDICTS).findall("testsuite")[1]
        assert failed.attrib["name"] == "drift: watch/a/p_value"
        assert failed.attrib["classname"] == "item"
        (failure,), (error,) = failed, unknown
        assert (failure.tag, failure.attrib["type"]) == ("failure", "critical")
        assert failure.attrib["message"] == "mean_cosine is 0.9, above 0.8."
        assert "watch/a/p_value at step 300: value 0.9, threshold 0.8" in failure.text
        assert "mean_cosine 为 0.9，高于 0.8。" in failure.text
        assert (error.tag, error.attrib["type"]) == ("error", "unknown")
        assert "value unknown" in error.text

    def test_no_verdict_is_an_empty_result(self) -> None:
        root = parse(())
        check_structure(root)
        assert root.attrib["tests"] == "0"

    @given(st.lists(st.tuples(st.text(), st.text(), st.sampled_from(["passed", "failed", "unknown"])), max_size=5))
    def test_any_label_gives_valid_xml(self, drawn: list[tuple[str, str, str]]) -> None:
        verdicts = tuple(make_verdict(table=a, rule=b, message=a + b, metric=b, status=c) for a, b, c in drawn)
        check_structure(parse(verdicts))
