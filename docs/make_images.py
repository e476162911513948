"""Makes images/*.png: the demo trains, a browser looks at it in VisualDL and on our page.

``python docs/make_images.py`` takes about three minutes, and needs the packages of ``.[dev]``, the program chromium, a
font that writes Chinese, and our page, which installing the package builds. ``--folder`` keeps the runs, or takes them
from there where it holds some.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

HERE = Path(__file__).resolve().parent
# The helpers that the tests look at VisualDL and at our page with.
sys.path[:0] = [str(HERE.parent / "tests")]

from browser_tools import (  # noqa: E402
    choose,
    chromium,
    image_card,
    our_server,
    picture_width,
    ready,
    search_scalars,
    visualdl,
    wait_for_curves,
    wait_until,
)

from visualdl_embedding import open_run  # noqa: E402
from visualdl_embedding.core.names import embeddings_tag, tag  # noqa: E402
from visualdl_embedding.demo import run_demo  # noqa: E402
from visualdl_embedding.figures import render_map  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

RUN = "runs/demo"
TABLE = "embedding"
OTHER_RUN = "runs/seed-7"
OTHER_SEED = 7
MAX_BYTES = 400_000
SCREEN_WIDTH = 1700
"""In CSS pixels: from here on VisualDL sets three charts in a row."""
SHOWN_WIDTH = 1400
CURVES = "n/loss|embedding/embedding/(eff|neigh|dis)|tsne/tr"
"""Finds six tags, train/loss among them."""


def maps(run_dir: Path) -> bytes:
    """Draw t-SNE before training and after it, side by side."""
    run = open_run(run_dir)
    steps = run.steps(TABLE, analyzed=True)
    # Words that the training took furthest from where they began: the same ones are named in both maps.
    norm = run.analysis(TABLE, steps[-1]).row_metrics["norm"]
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
            representative=norm,
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
        card = image_card(page, tag(TABLE, f"{method}/map"))
        reached = card.get_by_text(f"Step: {last_step}", exact=True)
        card.locator("img").wait_for()
        while not reached.count():
            card.locator(".icon-chevron-down").click()
            page.wait_for_timeout(200)
        wait_until(page, lambda card=card: picture_width(card) > 0, f"The last map of {method} did not load.")
    image_card(page, tag(TABLE, "tsne/map")).locator("img").click()
    return screen(page, height=900)


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


def our_page(page: Page, address: str, step: int) -> bytes:
    """Look at one run on our page: a word with its neighbors, other words pinned, their ways to this step."""
    open_view(page, address, [RUN], focus="满意", selected="满意", pins=["失望", "喜欢"], step=str(step))
    return screen(page, height=900, width=SHOWN_WIDTH)


def our_page_with_two_runs(page: Page, address: str) -> bytes:
    """Look at two runs side by side, on a joint map, in Chinese and in the dark."""
    page.add_init_script("localStorage.setItem('vdlLng', 'zh'); localStorage.setItem('theme', 'dark')")
    open_view(page, address, [RUN, OTHER_RUN], focus="满意", selected="满意", pins=["失望"])
    wait_until(page, page.locator(".panel[data-panel=b][data-alignment=joint]").count, "There is no joint map.")
    ready(page, 2)
    return screen(page, height=900, width=SHOWN_WIDTH)


def open_view(page: Page, address: str, runs: list[str], **view: str | list[str]) -> None:
    """Open our page at t-SNE maps of runs, and wait for the lists beside them."""
    panels = {
        f"{key}{i}": value
        for i, run in enumerate(runs)
        for key, value in (("run", Path(run).name), ("table", TABLE), ("map", "tsne"))
    }
    page.goto(f"{address}/app/embeddings/#{urllib.parse.urlencode({**panels, **view}, doseq=True)}")
    ready(page, len(runs))
    page.locator(".tracks li, .finding").first.wait_for()


def report_page(page: Page, folder: Path) -> bytes:
    """Report on LAC's table as the example does, with a word searched for."""
    subprocess.run([sys.executable, HERE.parent / "examples" / "report_lac.py", folder], check=True)
    page.goto((folder / "report.html").as_uri())
    ready(page, 2)
    page.locator("#search-box").fill("高")
    page.keyboard.press("Enter")
    page.locator("#search-box").fill("")
    page.locator(".neighbors .word").first.wait_for()
    return screen(page, height=900, width=SHOWN_WIDTH)


def screen(page: Page, *, height: int, width: int = SCREEN_WIDTH) -> bytes:
    """Take the page as it stands, once it stands still."""
    page.set_viewport_size({"width": width, "height": height})
    seen = [b"", page.screenshot()]

    def stands_still() -> bool:
        page.wait_for_timeout(800)
        seen.append(page.screenshot())
        return seen[-1] == seen[-2]

    wait_until(page, stands_still, "The page does not come to rest.")
    picture = Image.open(io.BytesIO(seen[-1])).convert("RGB")
    small = (SHOWN_WIDTH, round(height * SHOWN_WIDTH / width))
    return compress(picture.resize(small, Image.Resampling.LANCZOS))


def compress(picture: Image.Image) -> bytes:
    """Write a PNG, in 256 colors where it would be too large in all of its own."""
    for shown in (picture, picture.quantize(256, dither=Image.Dither.NONE)):
        png = io.BytesIO()
        shown.save(png, "PNG", optimize=True)
        if png.tell() <= MAX_BYTES:
            break
    return png.getvalue()


def save(output: Path, name: str, png: bytes) -> None:
    """Write a picture into the docs."""
    if len(png) > MAX_BYTES:
        raise ValueError(f"{name} takes {len(png):,} bytes; a picture of the docs may take {MAX_BYTES:,}.")
    output.mkdir(parents=True, exist_ok=True)
    (output / name).write_bytes(png)
    print(f"{name}: {len(png):,} bytes")


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Make a folder the working directory for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def train(folder: Path, run: str, **options: int) -> None:
    """Train the demo in a folder unless that holds the run already."""
    folder.mkdir(parents=True, exist_ok=True)
    # VisualDL is given a relative directory, and shows it as the name of the run.
    with working_in(folder):
        if not Path(run).exists():
            run_demo(run, **options)


def make_pages(folder: Path, output: Path) -> None:
    """Write the pictures of our page."""
    # Early, when words still go far: later their ways are short, and lie under the points. Redrawn maps have no trails.
    run = open_run(folder / RUN)
    steps = run.steps(TABLE, analyzed=True)
    redrawn = [run.projection(TABLE, step, "tsne").redrawn for step in steps]
    early = next((steps[i] for i in range(4, len(steps)) if not any(redrawn[i - 1 : i + 1])), steps[-1])
    with our_server(folder) as address, chromium(width=SHOWN_WIDTH) as (page, _):
        save(output, "page.png", our_page(page, address, early))
    # Apart from the first run, so that VisualDL's own pages show that one alone.
    two = folder / "two"
    train(two, OTHER_RUN, seed=OTHER_SEED)
    if not (two / RUN).exists():
        shutil.copytree(folder / RUN, two / RUN)
    with our_server(two) as address, chromium(width=SHOWN_WIDTH) as (page, _):
        save(output, "page-two-runs.png", our_page_with_two_runs(page, address))


def make_all(folder: Path, output: Path) -> None:
    """Train in a folder unless it holds the runs already, and write all pictures."""
    train(folder, RUN)
    make_pages(folder, output)
    with chromium(width=SHOWN_WIDTH) as (page, _):
        save(output, "report.png", report_page(page, folder / "report"))
    steps = open_run(folder / RUN).steps(TABLE, analyzed=True)
    save(output, "maps.png", maps(folder / RUN))
    with visualdl(folder) as address:
        with chromium(width=SCREEN_WIDTH) as (page, _):
            save(output, "visualdl-scalars.png", scalars(page, address))
        with chromium(width=SCREEN_WIDTH) as (page, _):
            save(output, "visualdl-images.png", images(page, address, steps[-1]))
        with chromium(width=SCREEN_WIDTH) as (page, _):
            save(output, "visualdl-high-dimensional.png", high_dimensional(page, address, steps[-1]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the demo trains; a temporary folder by default")
    parser.add_argument("--output", type=Path, default=HERE / "images", help="where the pictures go; docs/images")
    chosen = parser.parse_args()
    if chosen.folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            make_all(Path(temporary), chosen.output)
    else:
        make_all(chosen.folder.resolve(), chosen.output)
