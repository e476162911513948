from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_examples import NASTY, example

from visualdl_embedding.core.text import visible_text
from visualdl_embedding.reports import Report
from visualdl_embedding.reports._html import SCRIPTS, embedded_json, page

ASSETS = files("visualdl_embedding.reports") / "page"


@pytest.fixture(scope="module")
def made() -> Report:
    return example()


@pytest.fixture(scope="module")
def html(made: Report) -> str:
    return page(made)


class Elements(HTMLParser):
    """Elements with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def elements(html: str) -> Elements:
    parser = Elements()
    parser.feed(html)
    return parser


@pytest.fixture(scope="module")
def scripts(html: str) -> list[str]:
    return re.findall(r"<script[^>]*>(.*?)</script>", html, re.S)


@pytest.fixture(scope="module")
def data(scripts: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(scripts[0])
    return values


def numbers(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def test_nothing_is_fetched_and_no_label_becomes_an_element(elements: Elements) -> None:
    assert [tag for tag, _ in elements.found].count("script") == 3
    assert "img" not in [tag for tag, _ in elements.found]
    for tag, attributes in elements.found:
        for name in ("src", "href", "action", "data"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)


def test_only_these_very_scripts_may_run(elements: Elements, scripts: list[str]) -> None:
    (policy,) = [a["content"] or "" for t, a in elements.found if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["connect-src"] == "'none'"
    assert "unsafe-inline" not in rules["script-src"]
    assert len(scripts) == 3
    for script in scripts[1:]:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules["script-src"]


def test_plotly_is_there_once(html: str) -> None:
    assert html.count("* plotly.js v") == 1


def test_the_data_are_those_of_the_report(made: Report, data: dict[str, Any]) -> None:
    assert data["labels"] == [visible_text(label) for label in made.snapshot.labels]
    view = data["views"][1]
    places = numbers(view["places"], "<f4").reshape(-1, view["components"])
    np.testing.assert_array_equal(places, made.view("tsne").projection.coordinates)
    indices = numbers(data["neighbors"]["indices"], "<i4").reshape(90, -1)
    np.testing.assert_array_equal(indices, made.analysis.neighbors.indices)
    cosines = numbers(data["neighbors"]["cosines"], "<f4").reshape(90, -1)
    np.testing.assert_allclose(cosines, 1 - made.analysis.neighbors.distances, atol=1e-6)
    group = next(coloring for coloring in data["colorings"] if coloring["name"] == "group")
    names = [group["names"][code] for code in numbers(group["codes"], "<i4")]
    assert names == list(made.snapshot.rows.columns["group"])
    assert sum(group["counts"]) + group["none"] == 90
    assert sorted(numbers(data["telling"], "<i4").tolist()) == list(range(90))
    assert [f["title"]["zh"] for f in data["findings"]] == [visible_text(f.title_zh) for f in made.findings]
    assert [f["remedies"]["zh"] for f in data["findings"]] == [list(f.remedies_zh) for f in made.findings]


def test_a_page_names_no_folder_and_no_time(made: Report, html: str) -> None:
    assert page(example()) == html
    assert "/tmp/" not in data_text(html)


def data_text(html: str) -> str:
    return html.split('id="data">', 1)[1].split("</script>", 1)[0]


@given(st.lists(st.text()))
def test_data_cannot_end_their_script(values: list[str]) -> None:
    text = embedded_json([visible_text(value) for value in [*values, *NASTY]])
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == [visible_text(value) for value in [*values, *NASTY]]


def test_what_is_filled_in_is_not_filled_again(made: Report, html: str) -> None:
    assert "@@DATA@@!" in made.snapshot.labels
    assert "@@DATA@@!" in data_text(html)


def test_every_string_has_its_twin_and_is_used() -> None:
    strings = json.loads((ASSETS / "strings.json").read_text("utf-8"))
    for key, entry in strings.items():
        assert set(entry) == {"en", "zh"}, key
        assert all(entry.values()), key
        assert sorted(re.findall(r"{\w+}", entry["en"])) == sorted(re.findall(r"{\w+}", entry["zh"])), key
        assert re.search("[\u4e00-\u9fff]", entry["zh"]) or key == "theta", key
    program = "".join((ASSETS / name).read_text("utf-8") for name in SCRIPTS) + (ASSETS / "page.html").read_text(
        "utf-8"
    )
    said = set(re.findall(r'say\("([\w-]+)"', program)) | set(re.findall(r'data-say="([\w-]+)"', program))
    assert said <= set(strings), said - set(strings)


def test_labels_go_into_the_page_as_text_only() -> None:
    program = "".join((ASSETS / name).read_text("utf-8") for name in SCRIPTS)
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "fetch(",
        "XMLHttp",
        "http:",
        "https:",
        "import(",
    ):
        assert way not in program, way
