"""VisualDL's own pages under our server, over the demo's run: curves, images and points really appear."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from browser_tools import (
    DRAWING,
    Complaints,
    change_drawing,
    choose,
    image_card,
    ink,
    picture_width,
    search_scalars,
    wait_for_curves,
    wait_until,
)
from page_tools import MARKS, TABLE, WORD

from visualdl_embedding.core.names import embeddings_tag, tag
from visualdl_embedding.store import open_run

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = MARKS


def test_scalars_draws_our_curves_beside_the_loss(served: Any, opened: tuple[Page, Complaints]) -> None:
    page, complaints = opened
    wanted = ("train/loss", tag(TABLE, "neighbor_overlap"))
    search_scalars(page, served.host, f"^({'|'.join(wanted)})$")
    wait_for_curves(page, len(wanted))
    runs = page.locator(".run-list label")
    assert {label.get_attribute("title") for label in runs.all()} == {"runs/a", "runs/b"}
    assert complaints.lines == []


def test_images_shows_the_maps_of_both_runs(served: Any, opened: tuple[Page, Complaints]) -> None:
    page, complaints = opened
    page.goto(f"{served.host}/app/sample/image")
    for method in ("pca", "tsne", "umap"):
        for place in range(2):
            card = image_card(page, tag(TABLE, f"{method}/map"), place=place)
            wait_until(page, lambda card=card: picture_width(card) > 0, f"A picture of {method} did not load.")
            assert picture_width(card) == 1000
    assert complaints.lines == []


def test_high_dimensional_draws_vectors_and_a_map(
    served: Any, opened: tuple[Page, Complaints], folder: Path, steps: list[int]
) -> None:
    page, complaints = opened
    n = len(open_run(folder / "runs" / "a").rows(TABLE))
    page.goto(f"{served.host}/app/high-dimensional")
    page.get_by_text(f"Points: {n}").wait_for()
    wait_until(page, lambda: ink(page, DRAWING) > 1000, "There is no drawing.")
    for kind in ("vectors", "tsne"):
        wanted = f"runs/a/{embeddings_tag(TABLE, kind, steps[-1])}"
        change_drawing(page, partial(choose, page, "Select Data", wanted))
        page.get_by_text(f"Points: {n}").wait_for()
    # Labels, which an absolute directory of logs would have cost.
    page.locator("aside").first.locator("input").fill(WORD)
    page.locator(".search-result").get_by_text(WORD, exact=True).wait_for()
    assert complaints.lines == []
