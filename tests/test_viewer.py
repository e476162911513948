"""The page over the real server and a real run of the demo, in a real browser."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser_tools import PATIENCE_SECONDS, Complaints, chromium, ink, missing_browser, wait_until

from visualdl_embedding.analyse import analyse
from visualdl_embedding.analysis import Config, State
from visualdl_embedding.rows import Rows
from visualdl_embedding.server import RunSource, make_server
from visualdl_embedding.snapshot import Snapshot
from visualdl_embedding.store import TableStore, open_run
from visualdl_embedding.table import Table

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "visualdl_embedding" / "server" / "static"
AXE = ROOT / "viewer" / "node_modules" / "axe-core" / "axe.min.js"
REQUIRED = os.environ.get("VISUALDL_EMBEDDING_REQUIRE_BROWSER") == "1"
MISSING = missing_browser()
if MISSING is None and not (STATIC / "index.html").is_file():
    MISSING = "The page is not built: cd viewer && npm ci && npm run build"
TABLE = "embedding"
WORD = "高兴"
FIRST = f"run0=a&table0={TABLE}&map0=tsne"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(MISSING is not None and not REQUIRED, reason=str(MISSING)),
]

_SERVE = """
import sys
from visualdl_embedding.server import serve
serve("runs", host="127.0.0.1", port=int(sys.argv[1]))
"""


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Serve ``runs`` in a folder; gives the address of the page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "server.txt").open("w+b") as output:
        running = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(port)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        address = f"http://127.0.0.1:{port}/app/embeddings/"
        try:
            give_up = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    urllib.request.urlopen(f"{address}api/v1/status", timeout=20).close()
                    break
                except OSError:
                    said = (folder / "server.txt").read_text(errors="replace")
                    assert running.poll() is None, f"The server did not start:\n{said}"
                    assert time.monotonic() < give_up, f"The server does not answer:\n{said}"
                    time.sleep(0.1)
            yield address
        finally:
            running.terminate()
            running.wait(30)


@contextmanager
def opened(address: str, fragment: str = "", **options: Any) -> Iterator[tuple[Page, Complaints]]:
    """Open the page in a browser of its own."""
    with chromium(**options) as (page, complaints):
        page.goto(f"{address}#{fragment}")
        yield page, complaints


def ready(page: Page, panels: int = 1) -> None:
    """Wait until every panel has drawn what it was asked for."""
    wait_until(
        page,
        lambda: (
            page.locator(".panel[data-step][aria-busy=false]").count() == panels
            and page.locator(".stage[data-gliding], .veil").count() == 0
        ),
        lambda: f"The panels are not there: {page.locator('main').inner_text()}",
    )
    page.wait_for_timeout(100)


def step_of(page: Page, panel: str = "a") -> int:
    return int(page.locator(f".panel[data-panel={panel}]").get_attribute("data-step") or -1)


def at_step(page: Page, step: int, panel: str = "a") -> None:
    wait_until(page, lambda: step_of(page, panel) == step, lambda: f"At step {step_of(page, panel)}, not {step}.")
    ready(page, page.locator(".panel").count())


def ask(address: str, name: str, **query: Any) -> Any:
    with urllib.request.urlopen(f"{address}api/v1/{name}?{urllib.parse.urlencode(query)}", timeout=60) as answer:
        return json.loads(answer.read())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert MISSING is None, f"{MISSING} (VISUALDL_EMBEDDING_REQUIRE_BROWSER=1 asks for it)"
    folder = tmp_path_factory.mktemp("viewer")
    (folder / "runs").mkdir()
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with server(folder) as address:
        yield address


@pytest.fixture(scope="module")
def seen(folder: Path, address: str) -> list[tuple[int, int]]:
    """Train the demo while a page looks on: the step that it showed, and how many there were, whenever that changed."""
    seen: list[tuple[int, int]] = []

    def look(page: Page) -> None:
        if page.locator(".panel[data-step]").count():
            shown = (step_of(page), 1 + int(page.locator(".steps").get_attribute("max") or 0))
            if shown not in seen[-1:]:
                seen.append(shown)
        page.wait_for_timeout(100)

    with opened(address) as (page, complaints):
        page.get_by_text("No run here yet").wait_for()
        # A busy machine leaves steps unanalysed, which the second command makes up for.
        for command in (["demo", "--size", "small", "--log-dir", "runs/a"], ["analyse", "runs/a"]):
            with (folder / "program.txt").open("w+b") as output:
                program = subprocess.Popen(
                    [sys.executable, "-m", "visualdl_embedding", *command],
                    cwd=folder,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
                try:
                    give_up = time.monotonic() + 600
                    while program.poll() is None and time.monotonic() < give_up:
                        look(page)
                finally:
                    program.kill()
                    program.wait()
            assert program.returncode == 0, (folder / "program.txt").read_text(errors="replace")
        give_up = time.monotonic() + 10
        while seen[-1:] != [(steps_of(folder)[-1], len(steps_of(folder)))] and time.monotonic() < give_up:
            look(page)
        assert complaints.lines == []
    # A second run: the same training without its last step.
    shutil.copytree(folder / "runs" / "a", folder / "runs" / "b")
    for path in (folder / "runs" / "b" / "embeddings" / TABLE).glob(f"*-{steps_of(folder)[-1]:09d}.safetensors"):
        path.unlink()
    return seen


def steps_of(folder: Path) -> list[int]:
    return open_run(folder / "runs" / "a").steps(TABLE, analysed=True)


@pytest.fixture
def steps(folder: Path, seen: list[tuple[int, int]]) -> list[int]:
    return steps_of(folder)


@pytest.fixture
def view(address: str, seen: list[tuple[int, int]]) -> Iterator[Callable[..., tuple[Page, Complaints]]]:
    """Open the page at a fragment; whatever it complains of fails the test."""
    with chromium(width=1440, height=900) as (page, complaints):

        def open_at(fragment: str = FIRST, panels: int = 1) -> tuple[Page, Complaints]:
            page.goto("about:blank")
            page.goto(f"{address}#{fragment}")
            ready(page, panels)
            return page, complaints

        yield open_at
        assert complaints.lines == []


def test_a_training_is_followed_from_before_its_first_step(seen: list[tuple[int, int]], steps: list[int]) -> None:
    assert len(steps) == 7
    assert seen[-1] == (steps[-1], len(steps))
    assert seen == sorted(seen), "A page that follows never goes back."
    assert len(seen) > 2, f"The page showed only {seen}."


def test_the_slider_its_keys_and_play_walk_through_the_steps(view: Any, steps: list[int]) -> None:
    page, _ = view()
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
    page, _ = view()
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


def test_search_finds_words_in_three_ways(view: Any, folder: Path) -> None:
    page, _ = view()
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
    assert "no regular expression" in page.locator("#search-told").inner_text()
    box.fill("^满意$|^失望$")
    page.get_by_role("button", name="Pin all").click()
    pinned = page.get_by_role("list", name="Pinned").get_by_role("listitem")
    assert pinned.count() == 2
    page.locator(".pairs tr").wait_for()
    assert "满意" in page.locator(".pairs").inner_text()


def neighbors_shown(page: Page, word: str) -> list[tuple[str, str]]:
    """Words of the list with their marks, when those of `word` are there."""
    page.locator(f"[data-focus='{word}']").wait_for()
    page.locator(".neighbors .word").first.wait_for()
    lines = page.locator(".neighbors .word").all()
    return [(line.locator(".word-name").inner_text(), line.locator(".state").inner_text()) for line in lines]


def test_neighbors_are_the_true_ones_and_one_walks_along_them(
    view: Any, address: str, folder: Path, steps: list[int]
) -> None:
    page, _ = view(f"{FIRST}&focus={WORD}&selected={WORD}")
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
    page, _ = view()
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


def test_a_lasso_selects_and_the_selection_is_exported(view: Any, folder: Path) -> None:
    page, _ = view(f"run0=a&table0={TABLE}&map0=pca")
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


def test_groups_and_ranges_leave_points_out(view: Any, folder: Path) -> None:
    page, _ = view()
    rows = open_run(folder / "runs" / "a").rows(TABLE)
    positive = rows.columns["group"].count("positive")
    before = ink(page, ".stage")
    page.locator(".groups button", has_text="positive").click()
    count = page.locator(".count")
    wait_until(page, lambda: f"{len(rows) - positive} of" in count.inner_text(), lambda: count.inner_text())
    page.get_by_role("combobox", name="Add a range").select_option("frequency")
    lower = page.get_by_role("slider", name="frequency, lower end")
    lower.focus()
    for _ in range(60):
        page.keyboard.press("ArrowRight")
    wait_until(page, lambda: int(count.inner_text().split()[0]) < len(rows) - positive, lambda: count.inner_text())
    assert ink(page, ".stage") < before
    for metric in ("metric:displacement", "metric:trustworthiness", "metric:neighbor_overlap", "frequency", ""):
        page.get_by_role("combobox", name="Color").select_option(metric)
        ready(page)
    assert "range=" in page.url


def test_two_runs_are_linked_and_aligned(view: Any, steps: list[int]) -> None:
    page, _ = view(f"{FIRST}&focus={WORD}&selected={WORD}&step={steps[2]}")
    page.get_by_role("button", name="Add a panel").click()
    ready(page, 2)
    assert "run1=b" in page.url
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
    wait_until(page, lambda: "eye=" in page.url, lambda: page.url)
    assert page.locator(".stage").nth(1).screenshot() != before, "The other map did not zoom."

    page.get_by_text("Link steps").click()
    page.get_by_role("combobox", name="Step (b)").select_option(str(steps[0]))
    at_step(page, steps[0], "b")
    assert step_of(page, "a") == steps[3]
    page.get_by_role("button", name="Remove panel b").click()
    ready(page)


def test_the_language_is_that_of_visualdl(view: Any, address: str) -> None:
    page, _ = view()
    assert page.locator("html").get_attribute("lang") == "en"
    page.get_by_role("button", name="Switch to Chinese").click()
    page.get_by_role("heading", name="近邻").or_(page.get_by_role("heading", name="发现")).first.wait_for()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert "嵌入演化" in page.locator(".here").inner_text()
    assert {"name": "vdl_lng", "value": "zh"}.items() <= next(
        cookie for cookie in page.context.cookies() if cookie["name"] == "vdl_lng"
    ).items()
    page.goto(address.replace("/embeddings/", "/scalar"))
    page.locator("header nav").get_by_text("标量数据").wait_for()
    page.locator("header nav").get_by_text("嵌入演化").click()
    ready(page)
    assert page.locator("html").get_attribute("lang") == "zh-CN"


def test_a_theme_holds_and_its_maps_are_as_dark(view: Any) -> None:
    page, _ = view()
    light = ink(page, ".stage")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Dark", exact=True).click()
    page.locator("html[data-dark]").wait_for()
    page.reload()
    ready(page)
    assert page.locator("html[data-dark]").count() == 1
    assert ink(page, ".stage") > 2 * light, "A dark map is dark nearly everywhere."
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Auto").click()
    page.locator("html:not([data-dark])").wait_for(state="attached")
    page.emulate_media(color_scheme="dark")
    page.locator("html[data-dark]").wait_for()


def test_an_address_opens_the_same_view_again(view: Any, address: str, steps: list[int]) -> None:
    page, _ = view()
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

    before, link = described(), page.url
    assert before["map"] == "umap"
    assert before["step"] == steps[0]
    page.goto("about:blank")
    page.goto(link)
    assert described() == before


def test_curves_have_the_loss_and_lead_to_their_steps(view: Any, steps: list[int]) -> None:
    page, _ = view()
    plot = page.locator("[data-curve='log:train/loss']")
    plot.locator("canvas").wait_for()
    box = plot.locator(".u-over").bounding_box()
    page.mouse.click(box["x"] + 1, box["y"] + box["height"] / 2)
    at_step(page, steps[0])
    page.get_by_role("button", name="Choose curves").click()
    page.get_by_text("mean cosine", exact=True).click()
    page.locator("[data-curve='mean_cosine'] canvas").wait_for()
    assert "curve=mean_cosine" in page.url


def test_findings_lead_into_the_map(view: Any) -> None:
    page, _ = view()
    finding = page.locator(".finding").first
    finding.wait_for()
    finding.locator("summary").click()
    chip = finding.locator(".chip").first
    word = chip.inner_text()
    chip.click()
    page.locator(f"[data-focus='{word}']").wait_for()


def test_an_alert_is_a_flag_that_leads_to_its_step(
    view: Any, folder: Path, steps: list[int], request: pytest.FixtureRequest
) -> None:
    path = folder / "runs" / "a" / "embeddings" / TABLE / "alerts.jsonl"
    request.addfinalizer(lambda: path.unlink(missing_ok=True))
    page, _ = view()
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


def test_a_3d_map_turns_and_keeps_its_angle_in_the_address(view: Any, folder: Path) -> None:
    rng = np.random.default_rng(0)
    rows = Rows(ids=np.arange(60), labels=tuple(f"=w{i}" for i in range(60)), columns={"kind": ("x", "y") * 30})
    config = Config(methods=("pca",), n_components=(2, 3), n_neighbors=5)
    table = "deep/table"
    store = TableStore.create(folder / "runs" / "c" / "deep", Table(table, 60, 8), rows, config=config)
    state = State()
    for step in (0, 10):
        vectors = rng.normal(size=(60, 8)).astype(np.float32)
        vectors[3] = np.nan
        snapshot = Snapshot(table, step, rows, vectors)
        store.write_snapshot(snapshot)
        analysis, state = analyse(snapshot, state, config)
        store.write_analysis(analysis)
    page, _ = view(f"run0=c/deep&table0={urllib.parse.quote(table)}&map0=pca")
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
    wait_until(page, lambda: "eye=" in page.url, lambda: page.url)
    yaw = float(re.search(r"eye=([^&]*)", urllib.parse.unquote(page.url))[1].split(",")[3])
    assert yaw == pytest.approx(0.6 + 150 * 0.008, abs=0.02)
    assert page.locator(".stage").screenshot() != before


def test_every_control_is_reached_by_keys_and_help_names_them(view: Any) -> None:
    page, _ = view()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the maps"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "maps"
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    assert "Play or pause" in dialog.inner_text()
    page.keyboard.press("Escape")
    wait_until(page, lambda: not dialog.is_visible(), "The help stays open.")
    page.keyboard.press("l")
    assert page.get_by_role("button", name="Lasso").get_attribute("aria-pressed") == "true"


@pytest.mark.skipif(not AXE.is_file() and not REQUIRED, reason="axe-core is not installed: cd viewer && npm ci")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_to_complain_of(view: Any, scheme: Any, steps: list[int]) -> None:
    page, _ = view()
    page.emulate_media(color_scheme=scheme)
    source = AXE.read_text(encoding="utf-8")
    for fragment, panels in (
        (FIRST, 1),
        (
            f"{FIRST}&run1=b&table1={TABLE}&map1=umap&focus={WORD}&selected={WORD}&pins={WORD}&pins=失望&query=高"
            f"&range=10,500,frequency&color=frequency&step={steps[1]}",
            2,
        ),
    ):
        page, _ = view(fragment, panels)
        if panels == 2:
            page.locator(".beside td").first.wait_for()
        page.locator(".finding").first.wait_for()
        page.locator(".finding summary").first.click()
        page.evaluate(source)
        found = page.evaluate("axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'best-practice'] })")
        told = [f"{v['id']}: {v['help']}: {[n['html'][:160] for n in v['nodes']][:3]}" for v in found["violations"]]
        assert told == []


def test_the_page_asks_no_other_host_and_runs_under_a_strict_policy(view: Any, address: str) -> None:
    page, _ = view(FIRST)
    hosts = set()
    page.on("request", lambda request: hosts.add(urllib.parse.urlsplit(request.url).netloc))
    answer = page.reload()
    ready(page)
    assert hosts == {urllib.parse.urlsplit(address).netloc}
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src" not in policy


def test_the_built_page_is_small_and_its_addresses_are_relative() -> None:
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 500_000
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    assert all(not link.startswith(("/", "http")) for link in re.findall(r'(?:src|href)="([^"]+)"', html))
    assert not re.search(r"<script(?![^>]*src=)", html), "An inline script breaks the policy."


def test_what_cannot_be_shown_is_said(address: str, tmp_path: Path, seen: list[tuple[int, int]]) -> None:
    with opened(address, f"run0=gone&table0={TABLE}&map0=tsne") as (page, complaints):
        # A run that is gone gives way to one that is there.
        ready(page)
        assert "run0=a" in page.url
        page.get_by_role("combobox", name="Map (a)").select_option("pca")
        ready(page)
        page.route("**/api/v1/**", lambda route: route.abort())
        page.get_by_text("The server does not answer").wait_for()
        page.unroute("**/api/v1/**")
        wait_until(page, lambda: page.get_by_text("The server does not answer").count() == 0, "The notice stays.")
        # Aborted requests are told of on the console.
        assert [line for line in complaints.lines if "ERR_FAILED" not in line] == []


def test_it_stands_alone_without_visualdl(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    assert client.get("/app/embeddings/").status_code == 200
    assert client.get("/app/embeddings").status_code == 302
