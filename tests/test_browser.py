"""The demo's run in the stock VisualDL, as a person sees it: the program, its pages, a real browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browser_tools import (
    DRAWING,
    PATIENCE_SECONDS,
    Complaints,
    browser_marks,
    change_drawing,
    choose,
    chromium,
    colored_pixels,
    image_card,
    ink,
    missing_browser,
    picture_width,
    search_scalars,
    visualdl,
    wait_for_curves,
    wait_until,
)

from visualdl_embedding import open_run
from visualdl_embedding.core.names import embeddings_tag, scalar_key, tag

if TYPE_CHECKING:
    from playwright.sync_api import Page

MISSING = missing_browser()
pytestmark = browser_marks(MISSING)

TABLE = "embedding"
RUN = "runs/demo"
METHODS = ("pca", "tsne", "umap")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo ran, as the README has it."""
    assert MISSING is None, f"{MISSING} (VISUALDL_EMBEDDING_REQUIRE_BROWSER=1 asks for it)"
    folder = tmp_path_factory.mktemp("browser")
    root = str(Path(__file__).resolve().parents[1])
    with (folder / "demo.txt").open("w+b") as output:
        done = subprocess.run(
            [sys.executable, "-m", "visualdl_embedding", "demo", "--size", "small", "--log-dir", RUN],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": root},
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=600,
            check=False,
        )
    assert done.returncode == 0, (folder / "demo.txt").read_text(errors="replace")
    return folder


@pytest.fixture(scope="module")
def address(demo: Path) -> Iterator[str]:
    with visualdl(demo) as address:
        yield address


@pytest.fixture
def opened(address: str) -> Iterator[tuple[Page, Complaints]]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def steps(demo: Path) -> list[int]:
    return open_run(demo / RUN).steps(TABLE)


def ask(address: str, path: str, **query: str) -> Any:
    url = f"{address}/app/api/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
        return json.loads(answer.read())["data"]


def test_our_tags_and_the_loss_stand_in_one_run(address: str, demo: Path, steps: list[int]) -> None:
    assert ask(address, "runs") == [RUN]
    found = ask(address, "scalar/tags")
    (tags,) = found["tags"]
    ours = {tag(TABLE, key) for key in open_run(demo / RUN).scalars(TABLE)}
    assert ours | {"train/loss", "train/acc", "eval/acc"} <= set(tags)
    loss = ask(address, "scalar/list", run=RUN, tag="train/loss")
    norms = ask(address, "scalar/list", run=RUN, tag=tag(TABLE, "norm_mean"))
    # Every step has a loss, so each of our points has one right above it; step 0 is before training.
    assert [step for _, step, _ in norms] == steps
    assert set(steps[1:]) <= {step for _, step, _ in loss}


def test_scalars_draws_our_curves_beside_the_loss(address: str, opened: tuple[Page, Complaints]) -> None:
    page, complaints = opened
    wanted = ("train/loss", tag(TABLE, "neighbor_overlap"), tag(TABLE, scalar_key("norm", watch="失望")))
    search_scalars(page, address, f"^({'|'.join(wanted)})$")
    wait_for_curves(page, len(wanted))
    assert page.locator(".run-list label").get_attribute("title") == RUN
    assert page.locator(".run-list label").count() == 1
    assert complaints.lines == []


def test_scalars_draws_every_chart_of_the_group_that_it_opens(
    address: str, opened: tuple[Page, Complaints], demo: Path
) -> None:
    # Every chart takes three WebAssembly memories, and Chromium has room for about 41 charts.
    page, complaints = opened
    page.goto(f"{address}/app/scalar")
    heading = page.get_by_role("heading", name="embedding", exact=True)
    heading.wait_for()
    charts = int(heading.locator("xpath=following-sibling::span").inner_text())
    # One point alone makes no line.
    scalars = {tag(TABLE, key): values for key, values in open_run(demo / RUN).scalars(TABLE).items()}
    curves = sum(key.startswith("embedding/") and len(values) > 1 for key, values in scalars.items())
    assert 20 < curves <= charts <= 40
    wait_until(
        page,
        lambda: complaints.lines or sum(count > 0 for count in colored_pixels(page)) >= curves,
        lambda: f"Not {curves} curves in {charts} charts; blue pixels by chart: {colored_pixels(page)}",
    )
    assert complaints.lines == []


def test_images_shows_every_map_and_its_steps(address: str, opened: tuple[Page, Complaints], steps: list[int]) -> None:
    page, complaints = opened
    page.goto(f"{address}/app/sample/image")
    for method in METHODS:
        name = tag(TABLE, f"{method}/map")
        card = image_card(page, name)
        run = card.get_by_role("heading", name=name, exact=True).locator("xpath=following-sibling::span")
        assert run.inner_text() == RUN
        wait_until(page, lambda card=card: picture_width(card) > 0, f"The picture of {method} did not load.")
        assert picture_width(card) == 1000
        assert card.get_by_text("Step: 0", exact=True).is_visible()

        before = card.locator("img").get_attribute("src")
        card.locator(".icon-chevron-down").click()
        card.get_by_text(f"Step: {steps[1]}", exact=True).wait_for()
        wait_until(
            page,
            lambda card=card, before=before: picture_width(card) and card.locator("img").get_attribute("src") != before,
            f"The second picture of {method} did not load.",
        )
    assert complaints.lines == []


def test_histogram_draws_norms_and_displacements(address: str, opened: tuple[Page, Complaints]) -> None:
    page, complaints = opened
    assert set(ask(address, "histogram/tags")["tags"][0]) == {tag(TABLE, "norms"), tag(TABLE, "displacements")}
    page.goto(f"{address}/app/histogram")
    wait_for_curves(page, 2)
    assert complaints.lines == []


def test_high_dimensional_draws_vectors_and_projections_with_labels(
    address: str, opened: tuple[Page, Complaints], demo: Path, steps: list[int]
) -> None:
    page, complaints = opened
    last = open_run(demo / RUN).snapshot(TABLE, steps[-1])
    n, d = last.vectors.shape
    page.goto(f"{address}/app/high-dimensional")
    page.get_by_text(f"Points: {n}").wait_for()

    listed = page.get_by_text("Select Data", exact=True).locator("xpath=following-sibling::div[1]").locator(".list div")
    assert {title.get_attribute("title") for title in listed.all()} == {
        f"{RUN}/{embeddings_tag(TABLE, kind, step)}" for kind in ("vectors", *METHODS) for step in steps
    }
    for kind, columns in (("vectors", d), ("tsne", 2)):
        wanted = f"{RUN}/{embeddings_tag(TABLE, kind, steps[-1])}"
        change_drawing(page, partial(choose, page, "Select Data", wanted))
        page.get_by_text(re.compile(rf"Types: {columns}$")).wait_for()

    for column in ("group", "frequency"):
        change_drawing(page, partial(choose, page, "Color by", column))
    points = ink(page, DRAWING)
    change_drawing(page, lambda: page.locator(".icon-a").click())
    assert ink(page, DRAWING) > points, "Words take more room than points."
    for word in last.rows.watch:
        page.locator("aside").first.locator("input").fill(word)
        page.locator(".search-result").get_by_text(word, exact=True).wait_for()
    assert complaints.lines == []
