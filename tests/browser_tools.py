"""VisualDL, stock and ours, and a headless Chromium that looks at it; for tests and for the pictures of the docs."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pytest
    from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "visualdl_embedding" / "server" / "static"
"""The built page."""
PATIENCE_SECONDS = 120
"""Bound of every wait: a page takes 4 s on a quiet machine with 2 cores and was seen to take 40 s on a busy one."""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

DRAWING = "article canvas"
"""Of the High Dimensional page."""

_COUNT_COLORED = """
([selector, colored]) => [...document.querySelectorAll(selector)].map(canvas => {
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let i = 0; i < pixels.length; i += 4) {
        count += pixels[i + 3] > 100 && (!colored || pixels[i + 2] > pixels[i] + 60);
    }
    return count;
})
"""


REQUIRED = os.environ.get("VISUALDL_EMBEDDING_REQUIRE_BROWSER") == "1"
"""Whether a browser that is missing is a failure."""


def browser_marks(missing: str | None) -> list[pytest.MarkDecorator]:
    """Marks of a module of tests that look at pages; `missing` says what is missing for them, None for nothing."""
    # Benchmarks and the docs' pictures use what stands here too, without pytest.
    import pytest

    return [
        pytest.mark.browser,
        pytest.mark.timeout(900),
        pytest.mark.skipif(missing is not None and not REQUIRED, reason=str(missing)),
    ]


def missing_browser() -> str | None:
    """What is missing to look at a page, as a sentence; None where all is there."""
    if find_spec("playwright") is None:
        return 'The package playwright is not installed: pip install ".[dev]"'
    if shutil.which("chromium") is None:
        return "There is no program chromium: apt install chromium"
    return None


def missing_page() -> str | None:
    """What is missing to look at our page, as a sentence; None where all is there."""
    if (missing := missing_browser()) is not None:
        return missing
    if not (STATIC / "index.html").is_file():
        return "The page is not built: cd viewer && npm ci && npm run build"
    return None


@contextmanager
def visualdl(folder: Path) -> Iterator[str]:
    """Run the stock program on ``runs`` in a folder; gives its address and leaves no process behind."""
    program = shutil.which("visualdl", path=str(Path(sys.executable).parent)) or shutil.which("visualdl")
    assert program, "visualdl is not installed beside this Python."
    port = _free_port()
    # Relative, as users give it: an absolute directory breaks the High Dimensional page.
    arguments = ["--logdir", "runs", "--host", "127.0.0.1", "--port", str(port), "--language", "en"]
    with _serving([program, *arguments, "--disable-telemetry"], folder, port, alive="app/api/runs") as address:
        yield address


@contextmanager
def our_server(folder: Path) -> Iterator[str]:
    """Run our server on ``runs`` in a folder, of which it needs nothing yet; gives its address, as `visualdl`."""
    port = _free_port()
    call = f"from visualdl_embedding.server import serve; serve('runs', host='127.0.0.1', port={port})"
    with _serving([sys.executable, "-c", call], folder, port, alive="app/embeddings/api/v1/status") as address:
        yield address


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def _serving(command: list[str], folder: Path, port: int, *, alive: str) -> Iterator[str]:
    """Run a server until it is no longer needed; it is there when the path ``alive`` answers."""
    import psutil

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as output:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        processes = [psutil.Process(server.pid)]
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for_server(server, f"{address}/{alive}", output)
            yield address
        finally:
            if server.poll() is None:
                processes += processes[0].children(recursive=True)
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            _, left = psutil.wait_procs(processes, timeout=10)
            for process in left:
                process.kill()
    assert not left, f"The server left processes behind: {left}"


def _wait_for_server(server: subprocess.Popen[bytes], url: str, output: Any) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=20):
                return
        except OSError:
            if server.poll() is not None or time.monotonic() > give_up:
                output.seek(0)
                said = output.read().decode(errors="replace")
                raise AssertionError(f"It did not start (exit code {server.poll()}). It said:\n{said}") from None
            time.sleep(0.1)


@dataclass
class Complaints:
    """What a page complained of.

    Attributes
    ----------
    lines
        Exceptions that nothing caught, errors on the console, answers of 400 and above.
    """

    lines: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.lines.append(f"exception: {error}"))
        page.on("console", lambda said: self.lines.append(f"console: {said.text}") if said.type == "error" else None)
        page.on("response", lambda answer: self._look_at(answer.status, answer.url))

    def _look_at(self, status: int, url: str) -> None:
        # Browsers ask for an icon by themselves.
        if status >= 400 and not url.endswith("favicon.ico"):
            self.lines.append(f"{status}: {url}")


@contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium. Playwright allows one at a time."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        try:
            yield started
        finally:
            started.close()


@contextmanager
def open_page(started: Browser, *, width: int = 1400, height: int = 900) -> Iterator[tuple[Page, Complaints]]:
    """Open an empty page, as large as asked for, that shares nothing with other pages of the browser."""
    page = started.new_page(viewport={"width": width, "height": height}, locale="en-US")
    page.set_default_timeout(1000 * PATIENCE_SECONDS)
    page.set_default_navigation_timeout(1000 * PATIENCE_SECONDS)
    complaints = Complaints()
    complaints.listen(page)
    try:
        yield page, complaints
    finally:
        page.close()


@contextmanager
def chromium(*, width: int = 1400, height: int = 900) -> Iterator[tuple[Page, Complaints]]:
    """Open an empty page in a browser of its own."""
    with browser() as started, open_page(started, width=width, height=height) as opened:
        yield opened


def search_scalars(page: Page, address: str, pattern: str) -> None:
    """Open SCALARS and search for tags; a page of results has at most 12 charts."""
    page.goto(f"{address}/app/scalar")
    # A pattern that stands in the box before the tags are there is lost.
    page.locator(".echarts canvas").first.wait_for()
    page.get_by_placeholder("Search tags in RegExp").fill(pattern)
    page.get_by_text("Search Result").wait_for()


def colored_pixels(page: Page, selector: str = ".echarts canvas") -> list[int]:
    """Count, for each chart, the pixels of curves: blue is the color of the first run."""
    return list(page.evaluate(_COUNT_COLORED, [selector, True]))


def wait_for_curves(page: Page, charts: int) -> None:
    """Wait until so many charts are there and every one has a curve."""
    wait_until(
        page,
        lambda: len(seen := colored_pixels(page)) == charts and min(seen) > 0,
        lambda: f"Not {charts} charts with a curve each; blue pixels by chart: {colored_pixels(page)}",
    )


def wait_until(page: Page, holds: Any, otherwise: Any) -> None:
    """Poll a condition while the page goes on."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > give_up:
            raise AssertionError(otherwise() if callable(otherwise) else otherwise)
        page.wait_for_timeout(200)


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


def image_card(page: Page, name: str, *, place: int = 0) -> Locator:
    """Find a card of a tag on the page IMAGES, once it is there; each run has one."""
    heading = page.get_by_role("heading", name=name, exact=True).nth(place)
    # Pictures below the window's edge are not loaded.
    heading.scroll_into_view_if_needed()
    return heading.locator("xpath=ancestor::div[.//div[@class='step-indicator']][1]")


def picture_width(card: Locator) -> int:
    """Width in pixels of the picture that a card holds; 0 before it is loaded."""
    picture = card.locator("img")
    if not picture.count():
        return 0
    return int(picture.evaluate("picture => picture.complete ? picture.naturalWidth : 0"))


def change_drawing(page: Page, act: Callable[[], object]) -> None:
    """Do something that changes the drawing of the High Dimensional page."""
    before = page.locator(DRAWING).first.screenshot()
    act()
    wait_until(
        page,
        lambda: page.locator(DRAWING).first.screenshot() != before and ink(page, DRAWING) > 1000,
        "The drawing stays as it was, or is empty.",
    )


def choose(page: Page, field: str, wanted: str) -> None:
    """Choose in a drop-down list of the High Dimensional page, for instance in "Color by"."""
    box = page.get_by_text(field, exact=True).locator("xpath=following-sibling::div[1]")
    box.locator("xpath=div[1]").click()
    box.locator(".list").get_by_title(wanted, exact=True).click()


def ink(page: Page, selector: str) -> int:
    """Count the pixels of an element that are not white, as they stand on the screen."""
    from PIL import Image

    with Image.open(io.BytesIO(page.locator(selector).first.screenshot())) as picture:
        return int((np.asarray(picture.convert("L")) < 240).sum())
