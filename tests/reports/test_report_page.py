"""The page of a report in a real browser, opened as a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser_tools import browser, browser_marks, ink, missing_page, ready, wait_until
from report_examples import clustered, example

from visualdl_embedding.core.text import visible_text
from visualdl_embedding.reports import report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = browser_marks(missing_page())
MADE = example(equal=2, methods=("pca", "tsne"), perplexity=(5, 25), watch=["词60"])
# What software drawing of WebGL grumbles about.
NOISE = ("GPU stall",)


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    with browser() as started:
        yield started


class Visit:
    """A page that is open, and all that it asked for or complained of."""

    def __init__(self, started: Browser, path: Path, *, panels: int = 3, script: str = "", **context: Any) -> None:
        self.context = started.new_context(
            **({"locale": "en-US", "viewport": {"width": 1400, "height": 900}} | context)
        )
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}") or dialog.dismiss())
        if script:
            self.page.add_init_script(script)
        self.page.goto(path.as_uri())
        ready(self.page, panels)

    def close(self) -> None:
        """Close the page, which must have asked nobody for anything, and complained of nothing."""
        self.context.close()
        assert [text for text in self.complaints if not any(word in text for word in NOISE)] == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return MADE.write(tmp_path_factory.mktemp("page") / "out")[0]


@pytest.fixture
def page(started: Browser, path: Path) -> Iterator[Page]:
    visit = Visit(started, path)
    yield visit.page
    visit.close()


def point_at_a_word(page: Page, panel: str = "b") -> tuple[str, float, float]:
    """Move over a map until a word is under the pointer; gives it and the place."""
    box = page.locator(f".panel[data-panel={panel}] .stage").bounding_box()
    assert box is not None
    said = page.locator(f".panel[data-panel={panel}] .readout strong")
    step = 9
    for y in range(step, int(box["height"]), step):
        for x in range(step, int(box["width"]), step):
            page.mouse.move(box["x"] + x, box["y"] + y)
            if said.count():
                return said.inner_text(), box["x"] + x, box["y"] + y
    raise AssertionError("There is no word on the map.")


def test_maps_are_drawn_and_a_file_has_no_controls_of_a_server(page: Page) -> None:
    for panel in "abc":
        assert ink(page, f".panel[data-panel={panel}] .stage") > 500
    assert "90 of 90 rows" in page.locator(".title").inner_text()
    assert page.locator(".panel-head select").evaluate_all("all => all.map(one => one.value)") == [
        "pca",
        "tsne_perplexity5",
        "tsne_perplexity25",
    ]
    assert page.locator(".dock, .steps, .nav-item a, a.nav-item, .brand").count() == 0
    for name in ("Refresh", "Link steps", "Align runs", "Live", "Trails"):
        assert page.get_by_role("button", name=name).or_(page.get_by_label(name, exact=True)).count() == 0
    page.get_by_role("button", name="Export").click()
    assert page.get_by_role("button", name="Picture (PNG)").count() == 1
    assert page.get_by_role("button", name="Copy a link").count() == 0


def test_pointing_marks_a_word_in_all_maps_and_a_click_lists_its_neighbors(page: Page) -> None:
    label, x, y = point_at_a_word(page)
    assert page.locator(".readout strong").all_inner_texts() == [label] * 3
    page.mouse.click(x, y)
    page.locator(".focus-word[data-focus]").wait_for()
    row = [visible_text(one) for one in MADE.snapshot.labels].index(label)
    graph = MADE.analysis.neighbors
    page.get_by_role("combobox", name="How many").select_option("15")
    wait_until(page, lambda: page.locator(".neighbors .word").count() == 15, "There are not 15 neighbors.")
    named = page.locator(".neighbors .word-name").all_inner_texts()
    assert named == [visible_text(MADE.snapshot.labels[i]) for i in graph.indices[row]]
    assert page.locator(".neighbors .number").all_inner_texts() == [f"{1 - away:.2f}" for away in graph.distances[row]]
    facts = page.locator(".facts").inner_text()
    assert MADE.snapshot.rows.columns["group"][row] in facts
    assert "norm" in facts


def test_search_finds_and_pins_and_labels_stay_text(page: Page) -> None:
    assert page.locator(".pins .word-name").all_inner_texts() == ["词60"]
    page.keyboard.press("/")
    page.keyboard.type("词6")
    wait_until(page, lambda: "11 matches" in page.locator("#search-told").inner_text(), "Not 11 matches.")
    assert page.locator(".results .word-name").first.inner_text() == "词6"
    page.keyboard.press("Enter")
    page.locator(".focus-word[data-focus='词6']").wait_for()
    page.locator(".focus-word .pin").click()
    assert page.locator(".pins .word-name").all_inner_texts() == ["词60", "词6"]
    page.locator("#search-box").fill("ALERT(1)")
    wait_until(page, lambda: page.locator(".results .word-name").count() == 1, "Not one match.")
    assert page.locator(".results .word-name").inner_text() == "</script><script>alert(1)</script>"


def test_the_legend_takes_groups_away(page: Page) -> None:
    count = page.locator(".panel[data-panel=b] .count")
    assert count.inner_text() == "90 of 90 shown"
    page.locator(".groups button", has_text="<b>c</b>").click()
    wait_until(page, lambda: count.inner_text() == "60 of 90 shown", count.inner_text)
    page.get_by_role("button", name="Show all").click()
    wait_until(page, lambda: count.inner_text() == "90 of 90 shown", count.inner_text)


def test_points_take_other_colors(page: Page) -> None:
    color = page.get_by_role("combobox", name="Color")
    for value in ("frequency", "metric:norm", "metric:agreement", "metric:stability", "metric:trustworthiness"):
        color.select_option(value)
        page.locator(".ramp").wait_for()
        ready(page, 3)
    color.select_option("metric:stability")
    page.get_by_text("stay its neighbors under other seeds").wait_for()
    color.select_option("cluster:0")
    # Three clumps were made.
    wait_until(page, lambda: page.locator(".groups li").count() == 3, page.locator(".groups").inner_text)


def test_a_lasso_selects_in_all_maps(page: Page) -> None:
    page.get_by_role("button", name="Lasso").click()
    box = page.locator(".panel[data-panel=b] .stage").bounding_box()
    assert box is not None
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.05)]
    (x, y), *rest = [(box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in corners]
    before = page.locator(".panel[data-panel=a] .stage").screenshot()
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in rest:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()
    page.locator("[data-selected='90']").wait_for()
    wait_until(page, lambda: page.locator(".panel[data-panel=a] .stage").screenshot() != before, "No map is marked.")


def test_a_finding_opens_and_marks_its_rows(page: Page) -> None:
    assert MADE.findings, "The example has a finding."
    finding = next(one for one in MADE.findings if len(one.row_indices) > 1)
    card = page.locator(".finding", has_text=visible_text(finding.title)).first
    card.locator("summary").click()
    shown = card.inner_text()
    assert visible_text(finding.evidence) in shown
    for sentence in (*finding.causes, finding.next_check, *finding.remedies):
        assert visible_text(sentence) in shown
    card.get_by_role("button", name="on the map").click()
    page.locator(f"[data-selected='{len(finding.row_indices)}']").wait_for()


def test_maps_come_and_go_and_change(page: Page) -> None:
    page.get_by_role("button", name="Remove panel c").click()
    ready(page, 2)
    page.get_by_role("button", name="Add a panel").click()
    ready(page, 3)
    assert page.locator(".panel[data-panel=c]").get_attribute("data-map") == "tsne_perplexity25"
    page.get_by_role("combobox", name="Map (a)").select_option("tsne_perplexity25")
    wait_until(page, page.locator(".panel[data-panel=a][data-map=tsne_perplexity25]").count, "The map stays.")
    page.get_by_role("combobox", name="Parameters").select_option("tsne_perplexity5")
    ready(page, 3)
    changed = page.locator(".panel.active").get_attribute("data-map")
    assert changed == "tsne_perplexity5"


def test_what_made_the_report_is_told(page: Page) -> None:
    about = page.locator(".section", has=page.get_by_role("heading", name="About this file"))
    for summary in about.locator("summary").all():
        summary.click()
    told = about.inner_text()
    assert MADE.versions["openTSNE"] in told
    assert "t-SNE" in told
    assert "perplexity" in told
    assert "regl-scatterplot" in told
    for note in MADE.notes:
        assert visible_text(note) in told


def test_both_languages(started: Browser, path: Path) -> None:
    visit = Visit(started, path, locale="zh-CN")
    page = visit.page
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert "90 行中的 90 行" in page.locator(".title").inner_text()
    assert "t-SNE · 困惑度 5" in page.locator(".panel[data-panel=b] select").inner_text()
    assert visible_text(MADE.findings[0].title_zh) in page.locator(".right").inner_text()
    page.locator(".language").click()
    page.get_by_role("heading", name="Findings").wait_for()
    assert visible_text(MADE.findings[0].title) in page.locator(".right").inner_text()
    visit.close()


def test_a_dark_page_is_dark(started: Browser, path: Path) -> None:
    visit = Visit(started, path, color_scheme="dark")
    ground = visit.page.evaluate("getComputedStyle(document.querySelector('.panel')).backgroundColor")
    assert max(int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(",")) < 80
    visit.close()


def test_a_browser_that_keeps_nothing_shows_the_page(started: Browser, path: Path) -> None:
    forbid = """for (const [of, name] of [[window, 'localStorage'], [Document.prototype, 'cookie']])
        Object.defineProperty(of, name, {get() { throw new DOMException('forbidden', 'SecurityError'); }});"""
    visit = Visit(started, path, script=forbid)
    visit.page.locator(".language").click()
    visit.page.get_by_role("heading", name="发现").wait_for()
    visit.close()


def test_a_narrow_page_scrolls_only_down(started: Browser, path: Path) -> None:
    visit = Visit(started, path, viewport={"width": 420, "height": 800})
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 420
    visit.close()


def test_maps_in_3d_can_be_turned_and_labels_follow(started: Browser, tmp_path: Path) -> None:
    made = example(methods="pca", n_components=3, watch=["词60"])
    visit = Visit(started, made.write(tmp_path / "out")[0], panels=1)
    stage = visit.page.locator(".stage")
    before = stage.screenshot()
    box = stage.bounding_box()
    assert box is not None
    visit.page.mouse.move(box["x"] + 200, box["y"] + 200)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + 330, box["y"] + 240, steps=8)
    visit.page.mouse.up()
    wait_until(visit.page, lambda: stage.screenshot() != before, "The map does not turn.")
    visit.close()


def test_very_many_points_are_drawn_and_become_a_shade(started: Browser, tmp_path: Path) -> None:
    made = report(clustered(21_000, 3), methods="pca", rows="all")
    visit = Visit(started, made.write(tmp_path / "out")[0], panels=1)
    dots = ink(visit.page, ".stage")
    visit.page.get_by_label("Density").check()
    wait_until(visit.page, lambda: ink(visit.page, ".stage") != dots, "There is no shade.")
    visit.close()


@pytest.mark.parametrize(
    ("locale", "zero", "nonfinite"),
    [
        ("en-US", "the vector is zero or too short", "the vector contains NaN or inf"),
        ("zh-CN", "向量为零或过短，没有方向", "向量含有 NaN 或 inf"),
    ],
)
def test_rows_without_neighbors_are_on_no_map_and_give_the_reason(
    started: Browser, tmp_path: Path, locale: str, zero: str, nonfinite: str
) -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 300)).astype(np.float32)
    vectors[::10] = 0
    vectors[7] = np.nan
    labels = [f"w{i}" for i in range(500)]
    made = report(vectors, vocabulary=labels, methods="pca", watch=["w7", "w10", "w11"])
    visit = Visit(started, made.write(tmp_path / "out")[0], panels=1, locale=locale)
    page = visit.page
    assert "449" in page.locator(".panel-foot .count").inner_text()
    for word, reason in (("w10", zero), ("w7", nonfinite)):
        page.locator(".word-name").get_by_text(word, exact=True).first.click()
        page.locator(f"[data-focus={word}]").wait_for()
        page.locator(".quiet").get_by_text(reason).wait_for()
        assert page.locator(".neighbors .word").count() == 0
    page.locator(".word-name").get_by_text("w11", exact=True).first.click()
    page.locator("[data-focus=w11]").wait_for()
    page.locator(".neighbors .word").first.wait_for()
    near = {int(word[1:]) for word in page.locator(".neighbors .word-name").all_inner_texts()}
    assert len(near) == 10
    assert not near & {7, *range(0, 500, 10)}
    visit.close()
