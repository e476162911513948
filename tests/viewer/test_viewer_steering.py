"""Moving, zooming and turning maps by fingers and by keys."""

from __future__ import annotations

import urllib.parse
from itertools import pairwise
from typing import Any

import pytest
from browser_tools import ready, wait_until
from page_tools import DEEP, MARKS, TABLE

pytestmark = MARKS
PCA = f"run0=a&table0={TABLE}&map0=pca"
TURNING = f"run0=c/deep&table0={urllib.parse.quote(DEEP)}&map0=pca_3d"


def eye(page: Any) -> dict[str, float]:
    """From where the map is seen, as the address has it, once it has."""
    wait_until(page, lambda: "eye=" in page.url, lambda: page.url)
    page.wait_for_timeout(700)
    parts = urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).fragment)["eye"][0].split(",")
    return dict(zip(("x", "y", "half", "yaw", "pitch"), map(float, parts), strict=True))


class Fingers:
    """Fingers on the map; places are shares of its width and height."""

    def __init__(self, page: Any) -> None:
        self.session = page.context.new_cdp_session(page)
        self.box = page.locator(".stage").first.bounding_box()

    def put(self, kind: str, *places: tuple[float, float]) -> None:
        box = self.box
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": i}
            for i, (x, y) in enumerate(places)
        ]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def drag(self, *ways: tuple[tuple[float, float], tuple[float, float]], moves: int = 8) -> None:
        """Put fingers down, move each along its way, and lift them."""
        self.put("touchStart", *(start for start, _ in ways))
        for i in range(1, moves + 1):
            share = i / moves
            self.put("touchMove", *((a + (c - a) * share, b + (d - b) * share) for (a, b), (c, d) in ways))
        self.put("touchEnd")


def test_one_finger_moves_a_map_and_two_zoom_it(view: Any) -> None:
    page = view(PCA)
    fingers = Fingers(page)
    before = page.locator(".stage").screenshot()
    fingers.drag(((0.5, 0.5), (0.6, 0.5)))
    moved = eye(page)
    assert page.locator(".stage").screenshot() != before
    # The points went to the right, so the eye looks to the left of where it did.
    fingers.drag(((0.5, 0.5), (0.6, 0.5)))
    again = eye(page)
    width = fingers.box["width"] / fingers.box["height"] * 2
    assert moved["x"] - again["x"] == pytest.approx(0.1 * width * moved["half"], rel=0.02)
    assert again["y"] == pytest.approx(moved["y"], abs=1e-3)

    fingers.drag(((0.4, 0.5), (0.3, 0.5)), ((0.6, 0.5), (0.7, 0.5)))
    zoomed = eye(page)
    assert again["half"] / zoomed["half"] == pytest.approx(2, rel=0.02)
    # What lay between the fingers still does.
    assert zoomed["x"] == pytest.approx(again["x"], abs=0.02)


def test_a_finger_turns_a_3d_map(view: Any) -> None:
    page = view(TURNING)
    fingers = Fingers(page)
    before = page.locator(".stage").screenshot()
    fingers.drag(((0.5, 0.5), (0.7, 0.6)))
    turned = eye(page)
    assert turned["yaw"] == pytest.approx(0.6 + 0.2 * fingers.box["width"] * 0.008, abs=0.02)
    assert turned["pitch"] == pytest.approx(0.35 + 0.1 * fingers.box["height"] * 0.008, abs=0.02)
    assert page.locator(".stage").screenshot() != before


def test_a_finger_draws_the_lasso(view: Any) -> None:
    page = view(PCA)
    page.get_by_role("button", name="Lasso").click()
    fingers = Fingers(page)
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.04)]
    fingers.put("touchStart", corners[0])
    for (a, b), (c, d) in pairwise(corners):
        for i in range(1, 13):
            fingers.put("touchMove", (a + (c - a) * i / 12, b + (d - b) * i / 12))
            page.wait_for_timeout(12)
    fingers.put("touchEnd")
    picked = page.locator("[data-selected]")
    picked.wait_for()
    assert int(picked.get_attribute("data-selected") or 0) > 100


def test_keys_zoom_move_and_turn(view: Any) -> None:
    page = view(PCA)
    page.keyboard.press("+")
    near = eye(page)
    page.keyboard.press("-")
    page.keyboard.press("-")
    far = eye(page)
    assert far["half"] / near["half"] == pytest.approx(1 / 0.8**2, rel=0.01)
    page.keyboard.press("Shift+ArrowRight")
    right = eye(page)
    assert right["x"] > far["x"]
    assert right["y"] == pytest.approx(far["y"], abs=1e-3)

    page = view(TURNING)
    page.keyboard.press("Shift+ArrowLeft")
    assert eye(page)["yaw"] == pytest.approx(0.5, abs=1e-3)
    ready(page)
