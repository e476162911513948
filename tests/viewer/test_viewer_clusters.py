"""Colors by cluster: of the original space at one step, kept at all steps and in all panels."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

from browser_tools import ready, wait_until
from page_tools import FIRST, MARKS, TABLE, address_with, ask, at_step

from visualdl_embedding.store import open_run

pytestmark = MARKS


def legend(page: Any) -> dict[str, int]:
    """Names and sizes of the groups."""
    lines = page.locator(".groups li").all()
    return {
        line.locator(".grow").inner_text(): int(line.locator(".number").inner_text().replace(",", "")) for line in lines
    }


def test_clusters_are_those_of_the_original_space_and_stay_while_time_passes(
    view: Any, address: str, folder: Path, steps: list[int]
) -> None:
    page = view()
    page.get_by_role("combobox", name="Color").select_option(label="Cluster")
    address_with(page, f"color=cluster%3A{steps[-1]}")
    told = ask(address, "clusters", run="a", table=TABLE, step=steps[-1])
    assert told["n_clusters"] >= 2, "The demo's words fall into good and bad ones."
    note = page.locator(".quiet[role=status]")
    wait_until(page, lambda: f"{told['n_clusters']} clusters" in note.inner_text(), lambda: note.inner_text())
    rows = open_run(folder / "runs" / "a").rows(TABLE)
    shown = legend(page)
    for name, count in shown.items():
        number = re.match(r"(\d+)\s+(.+)", name)
        cluster = int(number[1]) - 1 if number else -1
        assert told["clusters"].count(cluster) == count, name
        if number:
            # It is called by words that are in it.
            assert {told["clusters"][rows.labels.index(word)] for word in number[2].split()} == {cluster}
    assert "in no cluster" in shown

    page.keyboard.press("Home")
    at_step(page, steps[0])
    assert legend(page) == shown
    page.get_by_role("button", name=f"Find them at step {steps[0]}").click()
    first = ask(address, "clusters", run="a", table=TABLE, step=steps[0])
    wait_until(
        page,
        lambda: f"clusters, found at step {steps[0]}" in note.inner_text() or "No clusters" in note.inner_text(),
        lambda: note.inner_text(),
    )
    assert ("No clusters" in note.inner_text()) == (first["n_clusters"] == 0)


def test_another_run_takes_its_colors_from_the_first_and_a_hidden_cluster_is_hidden_in_both(
    view: Any, steps: list[int]
) -> None:
    page = view(f"{FIRST}&run1=b&table1={TABLE}&map1=tsne&step={steps[1]}&color=cluster:{steps[-1]}", 2)
    page.locator(".groups button").first.wait_for()
    before = legend(page)
    page.locator(".panel[data-panel=b] header").click(position={"x": 2, "y": 2})
    assert legend(page) == before, "Run b is a copy of run a."
    page.locator(".groups button").first.click()
    counts = page.locator(".count")
    left = sum(before.values()) - next(iter(before.values()))
    for i in range(2):
        wait_until(
            page,
            lambda i=i: counts.nth(i).inner_text().startswith(f"{left:,} of"),
            lambda i=i: counts.nth(i).inner_text(),
        )


def test_the_exported_table_says_in_which_cluster_a_word_is(view: Any, address: str, steps: list[int]) -> None:
    page = view(f"{FIRST}&color=cluster:{steps[-1]}")
    page.locator(".groups button").first.wait_for()
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Words shown (CSV)").click()
    table = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_bytes().decode("utf-8-sig"))))
    told = ask(address, "clusters", run="a", table=TABLE, step=steps[-1])["clusters"]
    assert [line["cluster"].split(" ")[0] for line in table] == ["" if c < 0 else str(c + 1) for c in told]


def test_a_group_has_one_color_in_all_maps(view: Any) -> None:
    page = view(f"{FIRST}&run1=b&table1={TABLE}&map1=umap", 2)
    ready(page, 2)

    def colors() -> dict[str, str]:
        return {
            line.locator(".grow").inner_text(): line.locator(".dot").get_attribute("style") or ""
            for line in page.locator(".groups li").all()
        }

    first = colors()
    page.locator(".panel[data-panel=b] header").click(position={"x": 2, "y": 2})
    assert colors() == first
