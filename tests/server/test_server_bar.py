"""Our entry in VisualDL's bar, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browser_tools import browser_marks, chromium, missing_browser, wait_until
from served_runs import Client, make_run, program, write_embeddings

if TYPE_CHECKING:
    from playwright.sync_api import Page

MISSING = missing_browser()
pytestmark = browser_marks(MISSING)

ENTRY = "header nav .left a[href='/app/embeddings/']"


PAGES = (
    "scalar",
    "sample/image",
    "sample/audio",
    "sample/text",
    "graph/static_graph",
    "histogram",
    "hyper-parameter",
    "high-dimensional",
    "pr-curve",
    "roc-curve",
)
"""All of VisualDL's pages that our log brings into its bar."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("bar")
    make_run(folder / "runs" / "a", steps=[0])
    (path,) = (folder / "runs" / "a").glob("*vdlrecords*")
    write_embeddings(path.parent, "words", np.random.default_rng(0).normal(size=(40, 5)), file_name=path.name)
    write_all_else(folder / "runs" / "b")
    with program("ours", folder, str(folder / "runs")) as client:
        yield client


def write_all_else(log_dir: Path) -> None:
    """Write one record of every kind that VisualDL has a page for, beside scalars and embeddings."""
    from visualdl import LogWriter

    with LogWriter(str(log_dir)) as writer, pytest.MonkeyPatch.context() as patch:
        # VisualDL's curves want an alias that NumPy has dropped.
        patch.setattr(np, "float", float, raising=False)
        writer.add_image("picture", np.zeros((8, 8, 3), np.uint8), 0)
        writer.add_audio("sound", np.zeros((800, 1)), 0, sample_rate=8000)
        writer.add_text("said", "text", 0)
        writer.add_histogram("weights", np.arange(20.0), 0)
        writer.add_hparams({"rate": 0.1}, ["loss"])
        writer.add_scalar("loss", 0.5, 0)
        for name, add in (("pr", writer.add_pr_curve), ("roc", writer.add_roc_curve)):
            add(name, np.array([0, 1, 1, 0]), np.array([0.2, 0.9, 0.4, 0.6]), 0, num_thresholds=5)


def pages_of_bar(page: Page) -> list[str]:
    """Paths of the bar's links but our own, those of its menus too."""
    # Our entry may be there before VisualDL's own, which come all at once.
    page.locator("header nav .left").get_by_text("Scalars", exact=True).wait_for()
    entries = page.locator("header nav .left > div[aria-expanded]")
    for i in range(entries.count()):
        entries.nth(i).hover()
        page.locator("[data-tippy-root]").nth(i).locator("a").first.wait_for()
    links = page.locator("header nav .left > div > a, [data-tippy-root] a")
    found = links.evaluate_all("links => links.map(link => link.getAttribute('href'))")
    return [href.removeprefix("/app/") for href in found if href != "/app/embeddings/"]


def test_the_entry_stands_last_in_the_bar_of_every_page(client: Client) -> None:
    with chromium(width=2000) as (page, complaints):
        page.goto(f"{client.address}/app/scalar")
        page.locator(ENTRY).wait_for()
        assert sorted(pages_of_bar(page)) == sorted(PAGES)
        for name in PAGES:
            page.goto(f"{client.address}/app/{name}")
            page.locator(ENTRY).wait_for()
            texts = page.locator("header nav .left > div").all_inner_texts()
            assert texts[-1] == "EMBEDDINGS"
            assert len(texts) == len(set(texts)) >= 3
            one, other = page.locator("header nav .left > div").all()[-2:]
            assert one.bounding_box()["height"] == other.bounding_box()["height"]  # type: ignore[index]
        # Within VisualDL pages change without a request: the entry stays.
        page.get_by_text("Scalars", exact=True).click()
        page.wait_for_url("**/app/scalar")
        assert page.locator(ENTRY).count() == 1
        assert complaints.lines == []
        page.locator(ENTRY).click()
        page.wait_for_url("**/app/embeddings/**")


def test_the_entry_follows_the_language_and_so_does_our_page(client: Client) -> None:
    with chromium() as (page, complaints):
        page.goto(f"{client.address}/app/scalar")
        page.locator(ENTRY).wait_for()
        page.locator("header nav .right").get_by_text("中").click()
        wait_until(page, lambda: page.locator(ENTRY).inner_text() == "嵌入演化", "The entry stays English.")
        cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
        assert cookies["vdl_lng"] == "zh"
        # The server sets the cookie by the browser's languages on every page; what was chosen has to win.
        page.reload()
        wait_until(page, lambda: page.locator(ENTRY).inner_text() == "嵌入演化", "The entry forgets the language.")
        cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
        assert cookies["vdl_lng"] == "zh"
        assert complaints.lines == []


def test_visualdls_high_dimensional_page_works_with_an_absolute_log_directory(client: Client) -> None:
    with chromium() as (page, complaints):
        page.goto(f"{client.address}/app/high-dimensional")
        page.get_by_text("Points: 40").wait_for()
        # Labels, which the stock server answers with vectors.
        page.locator("aside").first.locator("input").fill("label17")
        page.locator(".search-result").get_by_text("label17", exact=True).wait_for()
        assert complaints.lines == []
