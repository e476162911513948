"""Words on the page: search, neighbors, the pointer on the map, words that a finding names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from browser_tools import wait_until
from page_tools import FIRST, MARKS, TABLE, WORD, ask, neighbors_shown

from visualdl_embedding.store import open_run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = MARKS


def test_search_finds_words_in_three_ways(view: Any, folder: Path) -> None:
    page = view()
    labels = open_run(folder / "runs" / "a").rows(TABLE).labels
    box = page.get_by_role("searchbox", name="Search")
    page.keyboard.press("/")
    page.keyboard.type("高")
    results = page.get_by_role("list", name="Words found").get_by_role("listitem")
    assert results.count() == sum("高" in label for label in labels) >= 2
    box.press("Enter")
    assert page.locator("[data-focus]").get_attribute("data-focus") == "高"

    page.get_by_role("button", name="Regular expression").click()
    box.fill("^.$")
    single = sum(len(label) == 1 for label in labels)
    assert f"{single} matches" in page.locator("#search-told").inner_text()
    box.fill("(")
    assert "Invalid regular expression: /(/" in page.locator("#search-told").inner_text()
    box.fill("^满意$|^失望$")
    page.get_by_role("button", name="Pin all").click()
    pinned = page.get_by_role("list", name="Pinned").get_by_role("listitem")
    assert pinned.count() == 2
    page.locator(".pairs tr").wait_for()
    assert "满意" in page.locator(".pairs").inner_text()


def test_neighbors_are_the_true_ones_and_one_walks_along_them(
    view: Any, address: str, folder: Path, steps: list[int]
) -> None:
    page = view(f"{FIRST}&focus={WORD}&selected={WORD}")
    rows = open_run(folder / "runs" / "a").rows(TABLE)
    word = WORD
    for _ in range(3):
        row = rows.labels.index(word)
        told = ask(
            address, "neighbor-changes", run="a", table=TABLE, step=steps[-1], other_step=steps[-2], row=row, k=10
        )
        marks = {entry["label"]: mark for mark in ("gained", "lost") for entry in told[mark]}
        wanted = {entry["label"] for entry in (*told["kept"], *told["gained"], *told["lost"])}
        wait_until(
            page,
            lambda word=word, wanted=wanted: {label for label, _ in neighbors_shown(page, word)} == wanted,
            lambda word=word, wanted=wanted: f"{neighbors_shown(page, word)} are not {wanted}.",
        )
        for label, mark in neighbors_shown(page, word):
            assert (mark == "new") == (marks.get(label) == "gained")
            assert (mark == "lost") == (marks.get(label) == "lost")
        word = neighbors_shown(page, word)[1][0]
        page.locator(".neighbors .word-name").nth(1).click()
    page.locator(".tracks li").first.wait_for()


def test_the_pointer_finds_a_word_and_a_click_chooses_it(view: Any) -> None:
    page = view()
    box = page.locator(".stage").bounding_box()
    word = ""
    for i in range(400):
        x, y = (0.08 + 0.84 * ((i * 0.618) % 1)) * box["width"], (0.08 + 0.84 * ((i * 0.381) % 1)) * box["height"]
        page.mouse.move(box["x"] + x, box["y"] + y)
        if page.locator(".readout").count():
            word = page.locator(".readout strong").inner_text()
            page.mouse.down()
            page.mouse.up()
            break
    assert word, "There is no point under 400 places of the map."
    page.locator(f"[data-focus='{word}']").wait_for()


def test_findings_lead_into_the_map(view: Any) -> None:
    page = view()
    finding = page.locator(".finding").first
    finding.wait_for()
    finding.locator("summary").click()
    chip = finding.locator(".chip").first
    word = chip.inner_text()
    chip.click()
    page.locator(f"[data-focus='{word}']").wait_for()
