"""What the tests of the page have in common: where it is built, how one waits for it, what it is asked."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from browser_tools import browser_marks, missing_page, ready, wait_until

from visualdl_embedding.store import open_run

if TYPE_CHECKING:
    from playwright.sync_api import Page

MISSING = missing_page()
MARKS = browser_marks(MISSING)
"""Of every module of tests here."""

TABLE = "embedding"
WORD = "高兴"
FIRST = f"run0=a&table0={TABLE}&map0=tsne"
"""Fragment that opens the first run."""
DEEP = "deep/table"
"""Table of the run ``c/deep``, which has a 3-D map."""
FOUR = (
    f"{FIRST}&run1=b&table1={TABLE}&map1=umap&run2=c%2Fdeep&table2={urllib.parse.quote(DEEP)}&map2=pca_3d"
    f"&run3=a&table3={TABLE}&map3=pca"
)
"""Fragment that opens four panels."""


def step_of(page: Page, panel: str = "a") -> int:
    """Step that a panel shows."""
    return int(page.locator(f".panel[data-panel={panel}]").get_attribute("data-step") or -1)


def at_step(page: Page, step: int, panel: str = "a") -> None:
    """Wait until a panel shows a step."""
    wait_until(page, lambda: step_of(page, panel) == step, lambda: f"At step {step_of(page, panel)}, not {step}.")
    ready(page, page.locator(".panel").count())


def address_with(page: Page, part: str) -> str:
    """Wait until the address holds what was changed; it is written when the view has come to rest, all of it."""
    wait_until(page, lambda: part in page.url, lambda: f"There is no {part!r} in {page.url}")
    return page.url


def neighbors_shown(page: Page, word: str) -> list[tuple[str, str]]:
    """Words of the list with their marks, when those of ``word`` are there."""
    page.locator(f"[data-focus='{word}']").wait_for()
    page.locator(".neighbors .word").first.wait_for()
    lines = page.locator(".neighbors .word").all()
    return [(line.locator(".word-name").inner_text(), line.locator(".state").inner_text()) for line in lines]


def ask(address: str, name: str, **query: Any) -> Any:
    """Ask the API that the page asks."""
    with urllib.request.urlopen(f"{address}api/v1/{name}?{urllib.parse.urlencode(query)}", timeout=60) as answer:
        return json.loads(answer.read())


def steps_of(folder: Path) -> list[int]:
    """Steps of the first run that are analyzed."""
    return open_run(folder / "runs" / "a").steps(TABLE, analyzed=True)
