"""The page for people who cannot see it well, or do without a pointer."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser_tools import REQUIRED, ROOT, wait_until
from page_tools import DEEP, FIRST, FOUR, MARKS, TABLE, WORD

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = MARKS

AXE = ROOT / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
CONTROLS = "button:enabled, input:enabled, select:enabled, a[href], summary"


def test_help_names_the_keys_and_the_first_tab_skips_to_the_maps(view: Any) -> None:
    page = view()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the maps"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "maps"
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    assert "Play or pause" in dialog.inner_text()
    page.keyboard.press("Escape")
    wait_until(page, lambda: not dialog.is_visible(), "The help stays open.")
    page.keyboard.press("l")
    assert page.get_by_role("button", name="Lasso").get_attribute("aria-pressed") == "true"


def test_a_word_is_found_chosen_and_pinned_with_keys_alone(view: Any) -> None:
    page = view()
    page.keyboard.press("/")
    page.keyboard.type(WORD)
    page.keyboard.press("Enter")
    page.locator(f"[data-focus='{WORD}']").wait_for()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == f"Pin {WORD}":
            break
    page.keyboard.press("Space")
    pinned = page.get_by_role("list", name="Pinned").get_by_role("listitem")
    assert pinned.all_inner_texts() == [WORD]
    # The letter pins, too, and so it takes the pin away.
    page.keyboard.press("p")
    wait_until(page, lambda: pinned.count() == 0, "The word is pinned still.")


def test_tab_reaches_every_control_of_the_left_column_and_shows_where_it_is(view: Any) -> None:
    page = view(f"{FIRST}&query={WORD}&pins={WORD}&range=10,500,frequency")
    wanted = page.locator(f".left :is({CONTROLS})").evaluate_all("list => list.map((e, i) => (e.dataset.place = i))")
    assert len(wanted) > 20
    page.keyboard.press("/")
    reached: list[int] = []
    unseen: list[str] = []
    while (place := page.evaluate("document.activeElement.closest('.left *')?.dataset.place")) is not None:
        reached.append(int(place))
        if not focus_shows(page):
            unseen.append(page.evaluate("document.activeElement.outerHTML")[:160])
        page.keyboard.press("Tab")
        assert len(reached) <= len(wanted), "Tab goes round in the left column."
    assert reached == wanted
    assert unseen == []


def focus_shows(page: Page) -> bool:
    """Whether the outline of what has the focus is there, and is painted along half of its rim at least.

    A box that cuts off what stands out of it hides the outline, of which the style says nothing.
    """
    if page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none":
        return False
    focused = page.evaluate_handle("document.activeElement").as_element()
    box = focused.bounding_box()
    clip = {"x": box["x"] - 4, "y": box["y"] - 4, "width": box["width"] + 8, "height": box["height"] + 8}
    with_focus = pixels(page, clip)
    page.evaluate("element => element.style.outline = 'none'", focused)
    without = pixels(page, clip)
    page.evaluate("element => element.style.outline = ''", focused)
    changed = int((np.abs(with_focus - without).max(axis=2) > 40).sum())
    # Of 2 px all around, the pixels are four times width and height.
    return changed >= 2 * (box["width"] + box["height"])


def pixels(page: Page, clip: dict[str, float]) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(page.screenshot(clip=clip))) as picture:
        return np.asarray(picture.convert("RGB"), dtype=np.int16)


@pytest.mark.skipif(not AXE.is_file() and not REQUIRED, reason="axe-core is not installed: cd viewer && npm ci")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_has_nothing_to_complain_of(view: Any, language: str, scheme: Any, address: str, steps: list[int]) -> None:
    page = view()
    page.context.add_cookies([{"name": "vdl_lng", "value": language, "url": address}])
    page.emulate_media(color_scheme=scheme)
    source = AXE.read_text(encoding="utf-8")

    def look(state: str) -> list[str]:
        assert page.locator("html").get_attribute("lang").startswith(language)
        assert page.locator("html[data-dark]").count() == (scheme == "dark")
        page.evaluate(source)
        found = page.evaluate("axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'] })")
        return [
            f"{state}: {v['id']}: {v['help']}: {[n['html'][:160] for n in v['nodes']][:3]}" for v in found["violations"]
        ]

    page = view()
    page.locator(".finding summary").first.click()
    told = look("one panel")
    page.locator(".export > button").click()
    page.locator(".export .menu-list").wait_for()
    told += look("the menu of exports")
    page.keyboard.press("Escape")
    page.locator("body").press("?")
    page.get_by_role("dialog").wait_for()
    told += look("the help")

    page = view(
        f"{FIRST}&run1=b&table1={TABLE}&map1=umap&focus={WORD}&selected={WORD}&pins={WORD}&pins=失望&query=高"
        f"&range=10,500,frequency&color=frequency&step={steps[1]}",
        2,
    )
    page.locator(".beside td").first.wait_for()
    page.locator(".finding summary").first.click()
    told += look("two panels, a word, a range")
    view(FOUR, 4)
    told += look("four panels")
    view(f"run0=c/deep&table0={DEEP}&map0=pca_3d&color=kind")
    told += look("a 3-D map")
    assert told == []
