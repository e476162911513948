"""Maps beside one another, and maps that turn."""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

import pytest
from browser_tools import ready, wait_until
from page_tools import DEEP, FIRST, MARKS, WORD, address_with, at_step, step_of

pytestmark = MARKS


def test_two_runs_are_linked_and_aligned(view: Any, steps: list[int]) -> None:
    page = view(f"{FIRST}&focus={WORD}&selected={WORD}&step={steps[2]}")
    page.get_by_role("button", name="Add a panel").click()
    ready(page, 2)
    address_with(page, "run1=b")
    # The same snapshot twice needs no joint map that differs: another step does.
    page.keyboard.press("ArrowRight")
    at_step(page, steps[3], "b")
    assert step_of(page, "a") == steps[3]
    assert page.locator(".beside thead .letter").all_inner_texts() == ["a", "b"]
    alignment = page.locator(".panel[data-panel=b]")
    assert alignment.get_attribute("data-alignment") in ("procrustes", "joint")
    wait_until(
        page,
        lambda: alignment.get_attribute("data-alignment") == "joint",
        lambda: f"No joint map: {page.locator('.panel-foot').all_inner_texts()}",
    )
    ready(page, 2)
    assert "joint map" in page.locator(".panel-foot").nth(1).inner_text()

    before = page.locator(".stage").nth(1).screenshot()
    box = page.locator(".stage").nth(0).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -400)
    address_with(page, "eye=")
    assert page.locator(".stage").nth(1).screenshot() != before, "The other map did not zoom."

    page.get_by_text("Link steps").click()
    page.get_by_role("combobox", name="Step (b)").select_option(str(steps[0]))
    at_step(page, steps[0], "b")
    assert step_of(page, "a") == steps[3]
    page.get_by_role("button", name="Remove panel b").click()
    ready(page)


def test_a_3d_map_turns_and_keeps_its_angle_in_the_address(view: Any) -> None:
    page = view(f"run0=c/deep&table0={urllib.parse.quote(DEEP)}&map0=pca")
    assert "59 of 60" in page.locator(".count").inner_text()
    page.get_by_role("button", name="3D").click()
    wait_until(page, lambda: page.locator(".panel").get_attribute("data-map") == "pca_3d", lambda: page.url)
    ready(page)
    before = page.locator(".stage").screenshot()
    box = page.locator(".stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 150, y + 40, steps=8)
    page.mouse.up()
    eye = re.search(r"eye=([^&]*)", urllib.parse.unquote(address_with(page, "eye=")))
    assert float(eye[1].split(",")[3]) == pytest.approx(0.6 + 150 * 0.008, abs=0.02)
    assert page.locator(".stage").screenshot() != before
