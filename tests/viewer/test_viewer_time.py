"""Time on the page: a training that goes on, the slider, playing, curves and alerts that lead to their steps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from browser_tools import wait_until
from page_tools import FIRST, MARKS, TABLE, WORD, address_with, ask, at_step, step_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = MARKS


def test_a_training_is_followed_from_before_its_first_step(served: Any, steps: list[int]) -> None:
    assert len(steps) == 7
    assert served.seen[-1] == (steps[-1], len(steps))
    assert served.seen == sorted(served.seen), "A page that follows never goes back."
    assert len(served.seen) > 2, f"The page showed only {served.seen}."


def test_the_slider_its_keys_and_play_walk_through_the_steps(view: Any, steps: list[int]) -> None:
    page = view()
    page.keyboard.press("Home")
    at_step(page, steps[0])
    page.keyboard.press("ArrowRight")
    at_step(page, steps[1])
    before = page.locator(".stage").screenshot()
    slider = page.get_by_role("slider", name="Training step")
    slider.focus()
    page.keyboard.press("End")
    at_step(page, steps[-1])
    assert page.locator(".stage").screenshot() != before
    assert f"step {steps[-1]}" in (slider.get_attribute("aria-valuetext") or "")

    page.get_by_role("combobox", name="Speed").select_option("4")
    page.get_by_role("button", name="Play").click()
    shown: list[int] = []

    def at_the_end() -> bool:
        if (step := step_of(page)) not in shown:
            shown.append(step)
        return len(shown) > 1 and page.get_by_role("button", name="Play").count() == 1

    wait_until(page, at_the_end, lambda: f"Playing stays at {shown}.")
    # It began anew at the first step, and ended at the last.
    assert shown[-1] == steps[-1] or step_of(page) == steps[-1]
    assert len(shown) >= 4


def test_points_glide_unless_the_system_asks_for_calm(view: Any, steps: list[int]) -> None:
    page = view()
    page.evaluate(
        """() => {
            window.glides = 0;
            const stage = document.querySelector('.stage');
            new MutationObserver(() => window.glides += stage.hasAttribute('data-gliding'))
                .observe(stage, { attributes: true });
        }"""
    )
    page.keyboard.press("ArrowLeft")
    at_step(page, steps[-2])
    assert page.evaluate("window.glides") > 0
    page.wait_for_timeout(1000)
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_function("matchMedia('(prefers-reduced-motion: reduce)').matches")
    page.evaluate("window.glides = 0")
    page.keyboard.press("ArrowRight")
    at_step(page, steps[-1])
    page.wait_for_timeout(600)
    assert page.evaluate("window.glides") == 0


def test_curves_have_the_loss_and_lead_to_their_steps(view: Any, steps: list[int]) -> None:
    page = view()
    plot = page.locator("[data-curve='log:train/loss']")
    plot.locator("canvas").wait_for()
    box = plot.locator(".u-over").bounding_box()
    page.mouse.click(box["x"] + 1, box["y"] + box["height"] / 2)
    at_step(page, steps[0])
    page.get_by_role("button", name="Choose curves").click()
    page.get_by_text("mean cosine", exact=True).click()
    page.locator("[data-curve='mean_cosine'] canvas").wait_for()
    address_with(page, "curve=mean_cosine")


def test_a_redrawn_map_has_no_motion_and_no_trail_and_says_so(view: Any, address: str, steps: list[int]) -> None:
    def info(step: int) -> Any:
        return ask(address, "frame-info", run="a", table=TABLE, step=step, projection="tsne")

    redrawn = next(step for step in steps if info(step)["redrawn"])
    assert info(redrawn)["motion"] is None
    fragment = f"{FIRST}&step={redrawn}&focus={WORD}&labels=0&links=0&curve=tsne%2Fmotion&curve=log%3Atrain%2Floss"
    page = view(f"{fragment}&trails=1&color=metric%3Amotion")
    said = f"No motion: the t-SNE map was redrawn at step {redrawn}"
    for column in (".left", ".card"):
        page.locator(column).get_by_text(said).wait_for()
    assert "motion on the map" not in page.locator(".card .facts").inner_text()
    caption = page.locator("[data-curve='tsne/motion'] figcaption")
    assert f"no value at step {redrawn}" in caption.inner_text()
    assert "no value" not in page.locator("[data-curve='log:train/loss'] figcaption").inner_text()
    over = "document.querySelector('.over').toDataURL()"
    page.wait_for_timeout(500)
    with_trail = page.evaluate(over)
    page = view(f"{fragment}&trails=0&color=metric%3Amotion")
    page.wait_for_timeout(500)
    assert page.evaluate(over) == with_trail


def test_an_alert_is_a_flag_that_leads_to_its_step(
    view: Any, folder: Path, steps: list[int], request: pytest.FixtureRequest
) -> None:
    path = folder / "runs" / "a" / "embeddings" / TABLE / "alerts.jsonl"
    request.addfinalizer(lambda: path.unlink(missing_ok=True))
    page = view()
    message = "<img src=x onerror=alert(1)> & mean_cosine above 0.5"
    alert = {
        "table": TABLE,
        "step": steps[2],
        "rule": "collapse",
        "severity": "critical",
        "metric": "mean_cosine",
        "value": 0.6,
        "threshold": 0.5,
        "message": message,
        "message_zh": "平均余弦过高",
        "evidence": {},
    }
    path.write_text(json.dumps(alert) + "\n", encoding="utf-8")
    # Live: it appears by itself, as text.
    page.locator(".alerts").get_by_text(message).wait_for()
    assert page.locator(".alerts img").count() == 0
    page.locator(".flag.critical").click()
    at_step(page, steps[2])
