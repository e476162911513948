"""The page of a report as text: its data, what it may do, and how large it is."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_tools import STATIC
from hypothesis import given
from hypothesis import strategies as st
from report_examples import NASTY, example

from visualdl_embedding.core.palette import group_colors
from visualdl_embedding.core.text import visible_text
from visualdl_embedding.page import _file, embedded_json
from visualdl_embedding.reports import Report
from visualdl_embedding.reports._page import page, page_data

BUILT = pytest.mark.skipif(not (STATIC / "index.html").is_file(), reason="The page is not built.")


@pytest.fixture(scope="module")
def made() -> Report:
    return example(watch=["词60"])


@pytest.fixture(scope="module")
def html(made: Report) -> str:
    return page(made)


@pytest.fixture(scope="module")
def data(made: Report) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(embedded_json(page_data(made)))
    return values


class Elements(HTMLParser):
    """Elements with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(html)
    return parser.found


def numbers(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


@BUILT
def test_nothing_is_fetched_and_no_label_becomes_an_element(html: str) -> None:
    found = elements(html)
    assert [tag for tag, _ in found].count("script") == 2
    assert "img" not in [tag for tag, _ in found]
    for tag, attributes in found:
        for name in ("src", "href", "action", "data"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)


@BUILT
def test_only_this_very_script_may_run(html: str) -> None:
    (policy,) = [a["content"] or "" for _, a in elements(html) if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["connect-src"] == "'none'"
    held, program = re.findall(r"<script[^>]*>(.*?)</script>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(program.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert "unsafe-eval" not in policy
    assert json.loads(held)["format"] == 1


@BUILT
def test_a_page_of_500_rows_takes_less_than_a_megabyte() -> None:
    made = example(500)
    assert len(made.snapshot.rows) == 500
    assert len(made.views) == 2
    assert len(page(made).encode()) < 1_000_000


@BUILT
def test_a_page_names_no_folder_and_no_time(html: str) -> None:
    assert page(example(watch=["词60"])) == html
    assert "/tmp/" not in html.split('id="data">', 1)[1].split("</script>", 1)[0]


@BUILT
def test_what_is_filled_in_is_not_filled_again(html: str) -> None:
    assert "@@DATA@@!" in html.split('id="data">', 1)[1].split("</script>", 1)[0]


@BUILT
def test_the_licenses_of_what_is_inside_come_along(html: str) -> None:
    assert "regl-scatterplot" in html.split('id="licenses"', 1)[1]


def test_the_data_are_those_of_the_report(made: Report, data: dict[str, Any]) -> None:
    (run,) = data["runs"]
    (table,) = run["tables"]
    (step,) = table["steps"]
    rows = table["rows"]
    assert rows["labels"] == [visible_text(label) for label in made.snapshot.labels]
    assert rows["columns"]["group"] == list(made.snapshot.rows.columns["group"])
    assert rows["colors"]["group"] == group_colors(made.snapshot.rows.columns["group"])
    assert sorted(rows["representative"]) == list(range(90))
    frame = step["frames"]["tsne"]
    places = numbers(frame["values"], "<f4").reshape(-1, frame["components"])
    np.testing.assert_array_equal(places, made.view("tsne").projection.coordinates)
    assert frame["info"]["trustworthiness"] == pytest.approx(made.view("tsne").numbers["trustworthiness"])
    indices = numbers(step["neighbors"]["rows"], "<i4").reshape(90, -1)
    np.testing.assert_array_equal(indices, made.analysis.neighbors.indices)
    cosines = numbers(step["neighbors"]["cosines"], "<f4").reshape(90, -1)
    np.testing.assert_allclose(cosines, 1 - made.analysis.neighbors.distances, atol=1e-6)
    np.testing.assert_array_equal(numbers(step["clusters"]["clusters"], "<i4"), made.clusters)
    np.testing.assert_array_equal(numbers(step["row_metrics"]["agreement"], "<f4"), made.study.agreement)
    assert [f["title_zh"] for f in step["findings"]] == [visible_text(f.title_zh) for f in made.findings]
    assert [f["remedies_zh"] for f in step["findings"]] == [list(f.remedies_zh) for f in made.findings]


@pytest.mark.parametrize(
    ("color", "shown"),
    [
        (None, "group"),
        ("cluster", "cluster:0"),
        ("norm", "metric:norm"),
        ("trustworthiness", "metric:trustworthiness"),
        ("frequency", "frequency"),
    ],
)
def test_a_page_opens_in_the_color_of_the_pictures(color: str | None, shown: str) -> None:
    opening = page_data(example(color=color, methods="pca"))["opening"]
    assert opening["color"] == shown


def test_a_page_opens_with_the_first_maps_of_the_first_seed(data: dict[str, Any]) -> None:
    made = example(perplexity=[5, 10, 20, 25], repeats=2, methods=("pca", "tsne"))
    opening = page_data(made)["opening"]
    assert [panel["map"] for panel in opening["panels"]] == [
        "pca",
        "tsne_perplexity5",
        "tsne_perplexity10",
        "tsne_perplexity20",
    ]
    assert data["opening"]["pins"] == ["词60"]


def test_clusters_of_one_method_only_are_marked() -> None:
    made = example(300, methods=("pca", "tsne"), perplexity=5)
    frames = page_data(made)["runs"][0]["tables"][0]["steps"][0]["frames"]
    for view in made.views:
        rows = {row for cluster in frames[view.key]["info"]["only_here"] for row in cluster}
        assert rows == set(np.flatnonzero(made.study.doubtful_rows(view.key)).tolist())


@given(st.lists(st.text()))
def test_data_cannot_end_their_script(values: list[str]) -> None:
    text = embedded_json([visible_text(value) for value in [*values, *NASTY]])
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == [visible_text(value) for value in [*values, *NASTY]]


def test_a_report_without_a_built_page_has_everything_else(
    made: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(_file, "_built", lambda: tmp_path / "nothing")
    with caplog.at_level(logging.WARNING):
        files = made.write(tmp_path / "out")
    assert {path.name for path in files} == {"pca.png", "tsne.png", "coordinates.csv", "neighbors.tsv", "report.json"}
    assert "report.html is not written. The page was not built" in caplog.text
    assert "install Node.js" in caplog.text
    with pytest.raises(FileNotFoundError, match="was not built"):
        page(made)
