"""What leaves the page: the address of a view, and files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from browser_tools import ready
from page_tools import MARKS, TABLE, WORD, address_with, at_step, step_of

from visualdl_embedding.store import open_run

pytestmark = MARKS


def test_an_address_opens_the_same_view_again(view: Any, steps: list[int]) -> None:
    page = view()
    page.get_by_role("button", name="UMAP", exact=True).click()
    page.get_by_role("combobox", name="Color").select_option("metric:norm")
    page.keyboard.press("Home")
    at_step(page, steps[0])
    page.get_by_role("searchbox").fill(WORD)
    page.get_by_role("searchbox").press("Enter")
    page.locator(f"[data-focus='{WORD}']").wait_for()
    page.get_by_role("button", name=f"Pin {WORD}").first.click()
    ready(page)

    def described() -> dict[str, Any]:
        ready(page)
        page.locator(".neighbors .word").first.wait_for()
        return {
            "step": step_of(page),
            "map": page.locator(".panel").get_attribute("data-map"),
            "focus": page.locator("[data-focus]").get_attribute("data-focus"),
            "color": page.get_by_role("combobox", name="Color").input_value(),
            "query": page.get_by_role("searchbox").input_value(),
            "pins": page.locator(".words.pins").inner_text(),
            "neighbors": page.locator(".neighbors").inner_text(),
        }

    before, link = described(), address_with(page, "pins=")
    assert before["map"] == "umap"
    assert before["step"] == steps[0]
    page.goto("about:blank")
    page.goto(link)
    assert described() == before


def test_a_lasso_selects_and_the_selection_is_exported(view: Any, folder: Path) -> None:
    page = view(f"run0=a&table0={TABLE}&map0=pca")
    box = page.locator(".stage").bounding_box()
    left, top, width, height = box["x"], box["y"], box["width"], box["height"]
    page.get_by_role("button", name="Lasso").click()
    page.mouse.move(left + 3, top + 3)
    page.mouse.down()
    for x, y in ((width - 3, 3), (width - 3, height - 3), (3, height - 3), (3, 6)):
        page.mouse.move(left + x, top + y, steps=12)
    page.mouse.up()
    picked = page.locator("[data-selected]")
    picked.wait_for()
    rows = open_run(folder / "runs" / "a").rows(TABLE)
    assert int(picked.get_attribute("data-selected") or 0) == len(rows)

    def download(item: str) -> bytes:
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as saved:
            page.get_by_role("button", name=item).click()
        return Path(saved.value.path()).read_bytes()

    table = list(csv.DictReader(io.StringIO(download("Selection (CSV)").decode("utf-8-sig"))))
    assert {line["label"] for line in table} == set(rows.labels)
    last = open_run(folder / "runs" / "a")
    coordinates = last.projection(TABLE, last.steps(TABLE)[-1], "pca").coordinates
    by_label = dict(zip(rows.labels, coordinates, strict=True))
    for line in table:
        assert np.allclose([float(line["x"]), float(line["y"])], by_label[line["label"]], atol=1e-5)
    assert len(download("Coordinates (TSV)").splitlines()) == len(rows)
    assert len(download("Labels and columns (TSV)").splitlines()) == len(rows) + 1
    assert download("Picture (PNG)").startswith(b"\x89PNG")
