"""Formatting of verdicts as a table, as JSON and as JUnit XML."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal
from xml.etree import ElementTree as ET

from visualdl_embedding.alerts._alert import STATUSES, Verdict
from visualdl_embedding.alerts._rule import as_text
from visualdl_embedding.core.jsonable import dumps
from visualdl_embedding.core.severity import SEVERITIES
from visualdl_embedding.core.text import visible_text

__all__ = ["to_json", "to_junit_xml", "verdict_table"]

_HEADER = {
    "en": ("Status", "Severity", "Table", "Rule", "Metric", "Value", "Threshold", "Message"),
    "zh": ("结果", "级别", "表", "规则", "指标", "数值", "阈值", "说明"),
}
_WORDS = {
    "passed": "通过",
    "failed": "未通过",
    "unknown": "未知",
    "info": "信息",
    "warning": "警告",
    "critical": "严重",
}


def verdict_table(verdicts: Sequence[Verdict], *, language: Literal["en", "zh"] = "en") -> list[tuple[str, ...]]:
    """Format verdicts as rows of cells: the header, then failed, unknown and passed verdicts.

    Cells have one line each, with control characters as escapes.
    """
    words = _WORDS if language == "zh" else {}
    ordered = sorted(verdicts, key=lambda v: (STATUSES.index(v.status), SEVERITIES.index(v.severity)))
    rows = [
        (
            words.get(v.status, v.status),
            words.get(v.severity, v.severity),
            v.table,
            v.rule,
            v.metric,
            _number(v.value),
            _number(v.threshold),
            v.message_zh if words else v.message,
        )
        for v in ordered
    ]
    return [_HEADER["zh" if words else "en"], *(tuple(visible_text(cell) for cell in row) for row in rows)]


def to_json(verdicts: Sequence[Verdict]) -> str:
    """Format verdicts as strict JSON: the number of each status, and all verdicts; NaN becomes null."""
    counts = Counter(v.status for v in verdicts)
    content = {
        "counts": {status: counts[status] for status in STATUSES},
        "verdicts": [verdict.to_dict() for verdict in verdicts],
    }
    return dumps(content, indent=2)


def to_junit_xml(verdicts: Sequence[Verdict], *, name: str = "visualdl-embedding check") -> str:
    """Format verdicts as JUnit XML, which Jenkins, GitLab and others read as test results.

    Each table is a suite and each verdict a test case. Failed verdicts are failures; unknown verdicts are errors, so
    that they do not pass silently.

    Parameters
    ----------
    name
        Name of the whole report.

    References
    ----------
    The schema of Jenkins' xUnit plugin, https://github.com/jenkinsci/xunit-plugin (``junit-10.xsd``); "Unit test
    reports" in GitLab's documentation.
    """
    # The schema of Jenkins' xUnit plugin is strict and allows "skipped" only for a single suite.
    totals = {key: number for key, number in _counts(verdicts).items() if key != "skipped"}
    root = ET.Element("testsuites", {"name": visible_text(name), **totals})
    for table in dict.fromkeys(v.table for v in verdicts):
        of_table = [v for v in verdicts if v.table == table]
        num_subjects = Counter(v.rule for v in of_table)
        # The part before the last dot is shown as a package, and a table may be named "encoder.word".
        suite_name = visible_text(table) or "table"
        suite = ET.SubElement(root, "testsuite", {"name": suite_name, **_counts(of_table)})
        for v in of_table:
            case_name = visible_text(v.rule if num_subjects[v.rule] == 1 else f"{v.rule}: {v.metric}")
            case = ET.SubElement(suite, "testcase", {"classname": suite_name, "name": case_name, "time": "0"})
            if v.status != "passed":
                tag, kind = ("failure", v.severity) if v.status == "failed" else ("error", v.status)
                found = ET.SubElement(case, tag, {"message": visible_text(v.message), "type": kind})
                found.text = f"{_facts(v)}\n{visible_text(v.message)}\n{visible_text(v.message_zh)}"
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _counts(verdicts: Sequence[Verdict]) -> dict[str, str]:
    counts = Counter(v.status for v in verdicts)
    numbers = {"tests": len(verdicts), "failures": counts["failed"], "errors": counts["unknown"]}
    return {key: str(number) for key, number in {**numbers, "skipped": 0, "time": 0}.items()}


def _facts(verdict: Verdict) -> str:
    step = "" if verdict.step is None else f" at step {verdict.step}"
    value, threshold = _number(verdict.value) or "unknown", _number(verdict.threshold) or "none"
    return visible_text(f"{verdict.metric}{step}: value {value}, threshold {threshold}, severity {verdict.severity}")


def _number(value: float) -> str:
    return as_text(value) if math.isfinite(value) else ""
