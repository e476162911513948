"""What the page looks like: colors and filters, the language, the theme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from browser_tools import ink, ready, wait_until
from page_tools import MARKS, TABLE, address_with

from visualdl_embedding.store import open_run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = MARKS


def test_groups_and_ranges_leave_points_out(view: Any, folder: Path) -> None:
    page = view()
    rows = open_run(folder / "runs" / "a").rows(TABLE)
    positive = rows.columns["group"].count("positive")
    before = ink(page, ".stage")
    page.locator(".groups button", has_text="positive").click()
    count = page.locator(".count")
    wait_until(page, lambda: f"{len(rows) - positive} of" in count.inner_text(), lambda: count.inner_text())
    page.get_by_role("combobox", name="Add a range").select_option("frequency")
    lower = page.get_by_role("slider", name="frequency, lower end")
    lower.focus()
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    wait_until(page, lambda: int(count.inner_text().split()[0]) < len(rows) - positive, lambda: count.inner_text())
    assert ink(page, ".stage") < before
    for metric in ("metric:displacement", "metric:trustworthiness", "metric:neighbor_overlap", "frequency", ""):
        page.get_by_role("combobox", name="Color").select_option(metric)
        ready(page)
    address_with(page, "range=")


def test_the_language_is_that_of_visualdl(view: Any, served: Any) -> None:
    page = view()
    assert page.locator("html").get_attribute("lang") == "en"
    page.get_by_role("button", name="Switch to Chinese").click()
    page.get_by_role("heading", name="近邻").or_(page.get_by_role("heading", name="发现")).first.wait_for()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert "嵌入演化" in page.locator(".here").inner_text()
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert cookies["vdl_lng"] == "zh"
    page.goto(f"{served.host}/app/scalar")
    page.locator("header nav").get_by_text("标量数据").wait_for()
    page.locator("header nav").get_by_text("嵌入演化").click()
    ready(page)
    assert page.locator("html").get_attribute("lang") == "zh-CN"


def test_a_theme_holds_and_its_maps_are_as_dark(view: Any) -> None:
    page = view()
    light = ink(page, ".stage")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Dark", exact=True).click()
    page.locator("html[data-dark]").wait_for()
    page.reload()
    ready(page)
    assert page.locator("html[data-dark]").count() == 1
    assert ink(page, ".stage") > 2 * light, "A dark map is dark nearly everywhere."
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Auto").click()
    page.locator("html:not([data-dark])").wait_for(state="attached")
    page.emulate_media(color_scheme="dark")
    page.locator("html[data-dark]").wait_for()
