"""One training of the demo, looked on by a page, and one server for all tests of the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browser_tools import ROOT, Complaints, browser, chromium, open_page, our_server, ready
from page_tools import DEEP, FIRST, MISSING, TABLE, step_of, steps_of

from visualdl_embedding.analysis import Config, State, analyze
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.store import TableStore

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@dataclass(frozen=True)
class Served:
    """A server of the runs ``a`` (the demo's), ``b`` (the same without its last step) and ``c/deep`` (with a 3-D map).

    Attributes
    ----------
    folder
        Holds ``runs``.
    host
        Address of the server, without a slash at its end.
    seen
        The step that a page showed while ``a`` was trained, and how many there were, whenever that changed.
    """

    folder: Path
    host: str
    seen: list[tuple[int, int]]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    assert MISSING is None, f"{MISSING} (VISUALDL_EMBEDDING_REQUIRE_BROWSER=1 asks for it)"
    folder = tmp_path_factory.mktemp("viewer")
    (folder / "runs").mkdir()
    with our_server(folder) as host:
        seen = _train(folder, host)
        _copy_without_last_step(folder / "runs")
        _make_deep_run(folder / "runs" / "c" / "deep")
        yield Served(folder, host, seen)


def _train(folder: Path, host: str) -> list[tuple[int, int]]:
    """Train the demo while a page looks on."""
    seen: list[tuple[int, int]] = []

    def look(page: Page) -> None:
        if page.locator(".panel[data-step]").count():
            shown = (step_of(page), 1 + int(page.locator(".steps").get_attribute("max") or 0))
            if shown not in seen[-1:]:
                seen.append(shown)
        page.wait_for_timeout(100)

    with chromium() as (page, complaints):
        page.goto(f"{host}/app/embeddings/")
        page.get_by_text("No run here yet").wait_for()
        # A busy machine leaves steps unanalyzed, which the second command makes up for.
        for command in (["demo", "--size", "small", "--log-dir", "runs/a"], ["analyze", "runs/a"]):
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
    return seen


def _copy_without_last_step(runs: Path) -> None:
    last = steps_of(runs.parent)[-1]
    shutil.copytree(runs / "a", runs / "b")
    for path in (runs / "b" / "embeddings" / TABLE).glob(f"*-{last:09d}.safetensors"):
        path.unlink()


def _make_deep_run(log_dir: Path) -> None:
    """Write a table with labels that look like formulas, one row that is not finite, and maps in 2-D and 3-D."""
    rng = np.random.default_rng(0)
    rows = Rows(ids=np.arange(60), labels=tuple(f"=w{i}" for i in range(60)), columns={"kind": ("x", "y") * 30})
    config = Config(methods=("pca",), n_components=(2, 3), n_neighbors=5)
    store = TableStore.open_for_writing(log_dir, Table(DEEP, 60, 8), rows, config=config)
    state = State()
    for step in (0, 10):
        vectors = rng.normal(size=(60, 8)).astype(np.float32)
        vectors[3] = np.nan
        snapshot = Snapshot(DEEP, step, rows, vectors)
        store.write_snapshot(snapshot)
        analysis, state = analyze(snapshot, state, config)
        store.write_analysis(analysis)


@pytest.fixture
def folder(served: Served) -> Path:
    return served.folder


@pytest.fixture
def address(served: Served) -> str:
    """Address of our page."""
    return f"{served.host}/app/embeddings/"


@pytest.fixture
def steps(folder: Path) -> list[int]:
    return steps_of(folder)


@pytest.fixture(scope="module")
def started(served: Served) -> Iterator[Browser]:
    """A browser; the one that looked on while the demo trained is closed."""
    with browser() as started:
        yield started


@pytest.fixture
def opened(started: Browser) -> Iterator[tuple[Page, Complaints]]:
    """An empty page, and what it complains of."""
    with open_page(started, width=1440) as opened:
        yield opened


@pytest.fixture
def view(opened: tuple[Page, Complaints], address: str) -> Iterator[Callable[..., Page]]:
    """Open the page at a fragment; whatever it complains of fails the test."""
    page, complaints = opened

    def open_at(fragment: str = FIRST, panels: int = 1) -> Page:
        page.goto("about:blank")
        page.goto(f"{address}#{fragment}")
        ready(page, panels)
        return page

    yield open_at
    assert complaints.lines == []
