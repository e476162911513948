"""Makes images/*.png: the demo trains, a browser looks at it in the stock VisualDL. ``python docs/make_images.py``.

Takes about two minutes, and needs the packages of ``.[dev]``, the program chromium and a font that writes Chinese.
``--folder`` keeps the run, or takes it from there where it holds one.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

HERE = Path(__file__).resolve().parent
# The helpers that the tests look at VisualDL with.
sys.path.insert(0, str(HERE.parent / "tests"))

from browser_tools import choose, chromium, search_scalars, visualdl, wait_for_curves, wait_until  # noqa: E402

from visualdl_embedding import open_run  # noqa: E402
from visualdl_embedding.demo import run_demo  # noqa: E402
from visualdl_embedding.figures import render_map  # noqa: E402
from visualdl_embedding.names import embeddings_tag, tag  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

RUN = "runs/demo"
TABLE = "embedding"
MAX_BYTES = 400_000
SCREEN_WIDTH = 1700
"""In CSS pixels: from here on VisualDL sets three charts in a row."""
SHOWN_WIDTH = 1400
CURVES = "n/loss|embedding/embedding/(eff|neigh|dis)|tsne/tr"
"""Finds six tags, train/loss among them."""


def maps(run_dir: Path) -> bytes:
    """Draw t-SNE before training and after it, side by side."""
    run = open_run(run_dir)
    steps = run.steps(TABLE, analysed=True)
    # Words that the training took furthest from where they began: the same ones are named in both maps.
    telling = run.analysis(TABLE, steps[-1]).row_metrics["norm"]
    pictures = []
    for step in (steps[0], steps[-1]):
        analysis = run.analysis(TABLE, step)
        rows = run.snapshot(TABLE, step).rows
        png = render_map(
            analysis.projections["tsne"],
            rows.labels,
            groups=rows.columns["group"],
            watch=rows.watch,
            ids=rows.ids,
            table=TABLE,
            step=step,
            quality={"trustworthiness": analysis.scalars["tsne/trustworthiness"]},
            telling=telling,
            size=(8.0, 6.3),
        )
        pictures.append(Image.open(io.BytesIO(png)).convert("RGB"))
    width, height = pictures[0].size
    both = Image.new("RGB", (2 * width, height), "white")
    for i, picture in enumerate(pictures):
        both.paste(picture, (i * width, 0))
    return compress(both)


def scalars(page: Page, address: str) -> bytes:
    """Look at the loss and some of our curves."""
    # The curves as they are: smoothed, those of a few snapshots lag behind.
    page.add_init_script("localStorage.setItem('scalar_smoothing', '0')")
    search_scalars(page, address, CURVES)
    wait_for_curves(page, 6)
    return screen(page, height=900)


def images(page: Page, address: str, last_step: int) -> bytes:
    """Look at the maps of the last step, one of them enlarged by a click."""
    page.goto(f"{address}/app/sample/image")
    for method in ("pca", "tsne", "umap"):
        heading = page.get_by_role("heading", name=tag(TABLE, f"{method}/map"), exact=True)
        card = heading.locator("xpath=ancestor::div[.//div[@class='step-indicator']][1]")
        reached = card.get_by_text(f"Step: {last_step}", exact=True)
        card.locator("img").wait_for()
        while not reached.count():
            card.locator(".icon-chevron-down").click()
            page.wait_for_timeout(200)
        wait_until(page, lambda card=card: loaded(card), f"The last map of {method} did not load.")
    heading = page.get_by_role("heading", name=tag(TABLE, "tsne/map"), exact=True)
    heading.locator("xpath=ancestor::div[.//div[@class='step-indicator']][1]").locator("img").click()
    return screen(page, height=900)


def loaded(card: object) -> bool:
    """Whether the picture of a card is there."""
    picture = card.locator("img")  # type: ignore[attr-defined]
    return bool(picture.count() and picture.evaluate("picture => picture.complete && picture.naturalWidth > 0"))


def high_dimensional(page: Page, address: str, last_step: int) -> bytes:
    """Look at the last t-SNE projection, colored by group, with one word searched for."""
    page.goto(f"{address}/app/high-dimensional")
    page.get_by_text("Points: ").wait_for()
    choose(page, "Select Data", f"{RUN}/{embeddings_tag(TABLE, 'tsne', last_step)}")
    page.get_by_text("Types: 2").wait_for()
    page.get_by_text("2D", exact=True).click()
    choose(page, "Color by", "group")
    page.locator("aside").first.locator("input").fill("失望")
    page.locator(".search-result").get_by_text("失望", exact=True).hover()
    return screen(page, height=900)


def report_page(page: Page, folder: Path) -> bytes:
    """Report on LAC's table as the example does, with a word searched for."""
    subprocess.run([sys.executable, HERE.parent / "examples" / "report_lac.py", folder], check=True)
    page.set_viewport_size({"width": SCREEN_WIDTH, "height": 900})
    page.goto((folder / "report.html").as_uri())
    page.wait_for_function("document.documentElement.dataset.ready === 'true'")
    page.locator("#search").fill("高")
    page.keyboard.press("Enter")
    return screen(page, height=900)


def screen(page: Page, *, height: int) -> bytes:
    """Take the page as it stands, once it stands still."""
    page.set_viewport_size({"width": SCREEN_WIDTH, "height": height})
    seen = [b"", page.screenshot()]

    def stands_still() -> bool:
        page.wait_for_timeout(800)
        seen.append(page.screenshot())
        return seen[-1] == seen[-2]

    wait_until(page, stands_still, "The page does not come to rest.")
    picture = Image.open(io.BytesIO(seen[-1])).convert("RGB")
    small = (SHOWN_WIDTH, round(height * SHOWN_WIDTH / SCREEN_WIDTH))
    return compress(picture.resize(small, Image.Resampling.LANCZOS))


def compress(picture: Image.Image) -> bytes:
    """Write a PNG, in 256 colors where it would be too large in all of its own."""
    for shown in (picture, picture.quantize(256, dither=Image.Dither.NONE)):
        png = io.BytesIO()
        shown.save(png, "PNG", optimize=True)
        if png.tell() <= MAX_BYTES:
            break
    return png.getvalue()


def save(name: str, png: bytes) -> None:
    """Write a picture into the docs."""
    if len(png) > MAX_BYTES:
        raise ValueError(f"{name} takes {len(png):,} bytes; a picture of the docs may take {MAX_BYTES:,}.")
    (HERE / "images").mkdir(exist_ok=True)
    (HERE / "images" / name).write_bytes(png)
    print(f"docs/images/{name}: {len(png):,} bytes")


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Make a folder the working directory for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def make_all(folder: Path) -> None:
    """Train in a folder unless it holds the run already, and write all pictures."""
    # VisualDL is given a relative directory, and shows it as the name of the run.
    with working_in(folder):
        if not Path(RUN).exists():
            run_demo(RUN)
    with chromium(width=SCREEN_WIDTH) as (page, _):
        save("report.png", report_page(page, folder / "report"))
    steps = open_run(folder / RUN).steps(TABLE, analysed=True)
    save("maps.png", maps(folder / RUN))
    with visualdl(folder) as address:
        with chromium(width=SCREEN_WIDTH) as (page, _):
            save("visualdl-scalars.png", scalars(page, address))
        with chromium(width=SCREEN_WIDTH) as (page, _):
            save("visualdl-images.png", images(page, address, steps[-1]))
        with chromium(width=SCREEN_WIDTH) as (page, _):
            save("visualdl-high-dimensional.png", high_dimensional(page, address, steps[-1]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the demo trains; a temporary folder by default")
    chosen = parser.parse_args().folder
    if chosen is None:
        with tempfile.TemporaryDirectory() as temporary:
            make_all(Path(temporary))
    else:
        os.makedirs(chosen, exist_ok=True)
        make_all(chosen.resolve())
