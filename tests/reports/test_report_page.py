"""The page in a real browser: read, pointed at, searched, filtered, in both languages and both themes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser_tools import REQUIRED
from report_examples import clustered, example

from visualdl_embedding.core.text import visible_text
from visualdl_embedding.reports import report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# What software drawing of WebGL grumbles about.
NOISE = ("GPU stall", "willReadFrequently", "WebGL")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    reason = "" if CHROMIUM else "there is no Chromium"
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        reason = "Playwright is not installed"
    if reason:
        if REQUIRED:
            pytest.fail(f"VISUALDL_EMBEDDING_REQUIRE_BROWSER=1, but {reason}.")
        pytest.skip(reason)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield opened
        opened.close()


class Visit:
    """A page that is open, and all that it asked for or complained of."""

    def __init__(self, browser: Browser, path: Path, **context: Any) -> None:
        self.context = browser.new_context(
            **({"locale": "en-US", "viewport": {"width": 1400, "height": 900}} | context)
        )
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}") or dialog.dismiss())
        self.page.goto(path.as_uri())
        self.page.wait_for_function("document.documentElement.dataset.ready === 'true'", timeout=60_000)

    def close(self) -> None:
        """Close the page, which must have asked nobody for anything, and complained of nothing."""
        self.context.close()
        assert [text for text in self.complaints if not any(word in text for word in NOISE)] == []
        assert [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))] == []

    def painted(self, view: str) -> str:
        """What lies over the points of a view, as a picture."""
        script = "view => document.querySelector(`[data-view=${view}] .stage > canvas`).toDataURL()"
        return str(self.page.evaluate(script, view))

    def place(self, view: str, row: int) -> tuple[float, float]:
        """Pixel of a row on a 2-D map, by Plotly's own axes."""
        script = """([view, row, x, y]) => {
            const plot = document.querySelector(`[data-view=${view}] .js-plotly-plot`);
            const box = plot.getBoundingClientRect(), {xaxis, yaxis} = plot._fullLayout;
            return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
        }"""
        x, y = MADE.view(view).projection.coordinates[row].tolist()
        across, down = self.page.evaluate(script, [view, row, x, y])
        return float(across), float(down)

    def point_at(self, view: str, row: int) -> None:
        x, y = self.place(view, row)
        self.page.mouse.move(x - 30, y - 30)
        self.page.mouse.move(x, y, steps=4)
        self.page.wait_for_selector("#tip:not([hidden])")


MADE = example(methods=("pca", "tsne"), watch=["词60"])


def lonely(view: str) -> int:
    """A row with no other close by on a map, so that pointing at it can mean no other."""
    places = MADE.view(view).projection.coordinates
    gaps = np.linalg.norm(places[:, None] - places, axis=2) + np.where(np.eye(len(places)), np.inf, 0)
    return int(gaps.min(axis=1).argmax())


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return MADE.write(tmp_path_factory.mktemp("page") / "out")[0]


@pytest.fixture(scope="module")
def opened(browser: Browser, path: Path) -> Iterator[Visit]:
    visit = Visit(browser, path)
    yield visit
    visit.close()


@pytest.fixture
def visit(opened: Visit) -> Visit:
    """The page as it was when it opened: opening it anew takes seconds."""
    page = opened.page
    page.mouse.move(5, 5)
    page.keyboard.press("Escape")
    if page.locator("#color").input_value() != "group":
        page.select_option("#color", "group")
    page.locator("#drag button").first.click()
    page.locator("#columns button").first.click()
    page.wait_for_function("document.querySelector('[data-view=tsne] .js-plotly-plot').data[0].x.length === 90")
    return opened


def test_both_maps_are_drawn_without_a_request(visit: Visit) -> None:
    page = visit.page
    assert page.locator(".map").count() == 2
    # Each point has its pixels: WebGL drew something else than the ground.
    script = """view => {
        const source = document.querySelector(`[data-view=${view}] .gl-canvas-context`);
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [source.width, source.height];
        const context = canvas.getContext('2d');
        context.drawImage(source, 0, 0);
        const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
        return pixels.filter((v, i) => i % 4 === 3 && v > 0).length;
    }"""
    for view in ("pca", "tsne"):
        assert page.evaluate(script, view) > 500
    assert "90 of 90 rows" in page.inner_text("#facts")
    trust = MADE.view("tsne").numbers["trustworthiness"]
    assert f"trustworthiness {float(f'{trust:.3g}'):g}" in page.inner_text("[data-view=tsne] header")
    assert "perplexity" in page.inner_text("[data-view=tsne] header")
    assert "seed 42" in page.inner_text("[data-view=tsne] header")


def test_pointing_at_a_word_marks_it_everywhere_and_names_its_neighbors(visit: Visit) -> None:
    page, row = visit.page, lonely("tsne")
    before = visit.painted("pca")
    visit.point_at("tsne", row)
    label = visible_text(MADE.snapshot.labels[row])
    assert page.inner_text("#tip .word") == label
    assert page.inner_text("#word h3") == label
    assert visit.painted("pca") != before
    neighbors = MADE.analysis.neighbors
    named = page.locator("#word .rows .word").all_inner_texts()
    assert named == [visible_text(MADE.snapshot.labels[i]) for i in neighbors.indices[row]]
    cosines = page.locator("#word .rows .number").all_inner_texts()
    assert cosines == [f"{1 - distance:.2f}" for distance in neighbors.distances[row]]


def test_a_click_pins_and_unpins(visit: Visit) -> None:
    page, row = visit.page, lonely("tsne")
    assert page.locator("#pinned .chip").all_inner_texts() == ["词60 ×"]
    visit.point_at("tsne", row)
    page.mouse.down()
    page.mouse.up()
    page.wait_for_function("document.querySelectorAll('#pinned .chip').length === 2")
    page.locator("#pinned .chip").nth(1).click()
    assert page.locator("#pinned .chip").count() == 1


def test_search_finds_by_substring_and_marks(visit: Visit) -> None:
    page, before = visit.page, visit.painted("tsne")
    page.fill("#search", "词6")
    assert page.inner_text("#matches-said") == "11 found"
    assert page.locator("#matches .word").first.inner_text() == "词6"
    assert visit.painted("tsne") != before
    page.keyboard.press("Enter")
    assert "词6 ×" in page.locator("#pinned .chip").all_inner_texts()
    page.fill("#search", "ALERT(1)")
    assert page.locator("#matches .word").all_inner_texts() == ["</script><script>alert(1)</script>"]
    page.fill("#search", "nowhere")
    assert page.inner_text("#matches-said") == "Not among the rows shown"
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('#search').value === ''")
    assert visit.painted("tsne") == before


def test_the_legend_takes_groups_away(visit: Visit) -> None:
    page = visit.page
    drawn = "document.querySelector('[data-view=tsne] .js-plotly-plot').data[0].x.length"
    assert page.evaluate(drawn) == 90
    assert "<b>c</b>" in page.inner_text("#legend")
    page.locator("#legend button").first.click()
    page.wait_for_function(f"{drawn} === 60")
    assert "60 of 90 rows" in page.inner_text("#said")
    page.locator("#legend button").first.click()
    page.wait_for_function(f"{drawn} === 90")
    page.locator("#legend button").first.click(modifiers=["Shift"])
    page.wait_for_function(f"{drawn} === 30")


@pytest.mark.parametrize("color", ["frequency", "norm", "cluster", "agreement", "trustworthiness"])
def test_points_take_other_colors(visit: Visit, color: str) -> None:
    page = visit.page
    legend = page.inner_text("#legend")
    page.select_option("#color", color)
    page.wait_for_function("legend => document.querySelector('#legend').innerText !== legend", arg=legend)
    colors = "new Set(document.querySelector('[data-view=tsne] .js-plotly-plot').data[0].marker.color).size"
    # Three clumps were made; numbers take many colors.
    page.wait_for_function(f"{colors} {'=== 3' if color == 'cluster' else '> 4'}")


def test_a_lasso_selects_in_all_views(visit: Visit) -> None:
    page = visit.page
    before = visit.painted("pca")
    page.locator("#drag button").nth(1).click()
    box = page.locator("[data-view=tsne] .stage").bounding_box()
    assert box is not None
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.05)]
    (x, y), *rest = [(box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in corners]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in rest:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#said').textContent.includes('selected')")
    assert page.inner_text("#said") == "90 selected"
    assert visit.painted("pca") != before
    page.click("#clear")
    assert page.inner_text("#said") == ""


def test_a_finding_opens_and_marks_its_rows(visit: Visit) -> None:
    if not MADE.findings:
        assert visit.page.inner_text("#findings") == "Nothing stood out."
        return
    page = visit.page
    found = next((i for i, finding in enumerate(MADE.findings) if finding.row_indices), 0)
    page.locator(".card > button").nth(found).click()
    shown = page.locator(".card .more").inner_text()
    assert visible_text(MADE.findings[found].evidence)[:40] in shown
    assert visible_text(MADE.findings[found].next_check)[:40] in shown
    assert all(visible_text(remedy) in shown for remedy in MADE.findings[found].remedies)
    assert ("What usually helps" in shown) == bool(MADE.findings[found].remedies)
    if MADE.findings[found].row_indices:
        assert page.inner_text("#said") == visible_text(MADE.findings[found].title)


def test_views_come_and_go_and_stand_in_columns(visit: Visit) -> None:
    page = visit.page
    page.locator("#views input").first.uncheck()
    assert page.locator(".map").count() == 1
    page.locator("#views input").first.check()
    page.wait_for_function("document.querySelectorAll('.map').length === 2")
    page.locator("#columns button").nth(1).click()
    columns = "getComputedStyle(document.querySelector('#maps')).gridTemplateColumns.split(' ').length"
    assert page.evaluate(columns) == 1


def test_both_languages(browser: Browser, path: Path) -> None:
    visit = Visit(browser, path, locale="zh-CN")
    page = visit.page
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert "90 行中的 90 行" in page.inner_text("#facts")
    assert page.get_attribute("#search", "placeholder") == "搜索词"
    page.locator("#language button", has_text="En").click()
    assert page.get_attribute("#search", "placeholder") == "Search words"
    if MADE.findings:
        assert visible_text(MADE.findings[0].title) in page.inner_text("#findings")
    visit.close()


def test_a_dark_page_is_dark(browser: Browser, path: Path) -> None:
    visit = Visit(browser, path, color_scheme="dark")
    ground = visit.page.evaluate("getComputedStyle(document.querySelector('.map')).backgroundColor")
    assert max(int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(",")) < 80
    visit.close()


def test_a_narrow_page_scrolls_only_down(browser: Browser, path: Path) -> None:
    visit = Visit(browser, path, viewport={"width": 420, "height": 800})
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 420
    visit.close()


def test_space_can_be_turned_and_labels_follow(browser: Browser, tmp_path: Path) -> None:
    made = example(methods="pca", n_components=3, watch=["词60"])
    visit = Visit(browser, made.write(tmp_path / "out")[0])
    visit.page.wait_for_timeout(300)
    before = visit.painted("pca_3d")
    box = visit.page.locator(".stage").bounding_box()
    assert box is not None
    visit.page.mouse.move(box["x"] + 200, box["y"] + 200)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + 330, box["y"] + 240, steps=8)
    visit.page.mouse.up()
    script = "before => document.querySelector('[data-view=pca_3d] .stage > canvas').toDataURL() !== before"
    visit.page.wait_for_function(script, arg=before)
    visit.close()


def test_very_many_points_become_a_shade(browser: Browser, tmp_path: Path) -> None:
    made = report(clustered(21_000, 3), methods="pca", rows="all")
    visit = Visit(browser, made.write(tmp_path / "out")[0])
    plot = "document.querySelector('[data-view=pca] .js-plotly-plot')"
    assert visit.page.evaluate(f"{plot}.data[0].x.length") < 10_000
    assert visit.page.evaluate(f"{plot}.layout.images.length") == 1
    assert "zoom in to see each" in visit.page.inner_text("[data-view=pca] header")
    middle = made.view("pca").projection.coordinates[0].tolist()
    ranges = {f"{axis}axis.range": [value - 0.5, value + 0.5] for axis, value in zip("xy", middle, strict=True)}
    script = """ranges => (globalThis.Plotly ?? globalThis.moduleName)
        .relayout(document.querySelector('.js-plotly-plot'), ranges)"""
    visit.page.evaluate(script, ranges)
    visit.page.wait_for_function(f"{plot}.data[0].x.every(x => Math.abs(x - {middle[0]}) < 20)")
    visit.close()
