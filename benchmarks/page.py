"""Script time of a step change on the page, and time until it is drawn, in Chromium's trace.

Also measures VisualDL's own page with the same points. Script time is the scripting time of the page's main thread in
Chromium's trace, including garbage collection, in the second after a key press. It excludes layout, painting and
compositing, and includes waiting for graphics inside a script. The idle page, which follows the training, is measured
in the same way.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import parser, report
from _servers import OURS, ROOT, STOCK, TABLE, log_frames, served, write_run

# Browser helpers of the tests.
sys.path.insert(0, str(ROOT / "tests"))

from browser_tools import chromium, wait_until

SCRIPT = {
    "EvaluateScript",
    "EventDispatch",
    "FireAnimationFrame",
    "FunctionCall",
    "MajorGC",
    "MinorGC",
    "RunMicrotasks",
    "TimerFire",
    "V8.GC_MARK_COMPACTOR",
    "v8.callFunction",
    "v8.compile",
    "v8.run",
    "XHRLoad",
    "XHRReadyStateChange",
}
"""Events of Chromium's timeline that its developer tools show as scripting."""
NOT_SCRIPT = {"Layout", "UpdateLayoutTree", "PrePaint", "Paint", "Layerize", "Commit", "ParseHTML"}
STOCK_SECONDS = 120


Figures = dict[str, float]


class Tracing:
    """Chromium's timeline of a page, read through the DevTools protocol."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)
        self.events: list[dict[str, Any]] = []
        self.session.on("Tracing.dataCollected", lambda message: self.events.extend(message["value"]))

    def during(self, act: Callable[[], None]) -> Figures:
        """Milliseconds of script in total, and of the longest script, during an action."""
        self.events.clear()
        ended: list[Any] = []
        self.session.once("Tracing.tracingComplete", lambda message: ended.append(message))
        categories = "devtools.timeline,disabled-by-default-devtools.timeline,v8,blink.user_timing,__metadata"
        self.session.send("Tracing.start", {"transferMode": "ReportEvents", "categories": categories})
        act()
        self.session.send("Tracing.end")
        wait_until(self.page, lambda: bool(ended), "The trace did not end.")
        return script_of(self.events)


def script_of(events: list[dict[str, Any]]) -> Figures:
    """Time on the page's main thread spent in scripts, without layout and painting."""
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }

    def intervals(names: set[str]) -> dict[Any, list[tuple[float, float]]]:
        found: dict[Any, list[tuple[float, float]]] = {main: [] for main in mains}
        for event in events:
            thread = (event["pid"], event["tid"])
            if event.get("ph") == "X" and event["name"] in names and thread in mains:
                found[thread].append((event["ts"], event["ts"] + event.get("dur", 0)))
        return {thread: union(spans) for thread, spans in found.items()}

    scripts, others = intervals(SCRIPT), intervals(NOT_SCRIPT)
    totals, longest = [0.0], [0.0]
    for thread, spans in scripts.items():
        lengths = [end - start - overlap(start, end, others[thread]) for start, end in spans]
        totals.append(sum(lengths) / 1e3)
        longest.append(max(lengths, default=0) / 1e3)
    # The browser's own pages also have main threads; the busiest one belongs to the measured page.
    return {"script_ms": max(totals), "longest_ms": max(longest)}


def union(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join spans that lie within each other or overlap."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def overlap(start: float, end: float, spans: list[tuple[float, float]]) -> float:
    """Length of the part of a span that is covered by other spans."""
    return sum(max(0.0, min(end, b) - max(start, a)) for a, b in spans)


def rest(page: Any, step: int) -> None:
    """Wait until the page shows a step and its points do not move."""
    settled = f".panel[data-step='{step}'][aria-busy=false] .stage:not([data-gliding])"
    page.locator(settled).wait_for()
    page.wait_for_timeout(250)
    page.locator(settled).wait_for()


def walk(address: str, steps: list[int], *, calm: bool, word: str | None = None) -> tuple[list[Figures], list[Figures]]:
    """Go through all steps with the keyboard, then measure the idle page at the last step."""
    found = []
    with chromium(width=1440, height=900) as (page, complaints):
        page.emulate_media(reduced_motion="reduce" if calm else "no-preference")
        focus = f"&focus={word}&selected={word}" if word else ""
        page.goto(f"{address}#run0=a&table0={TABLE}&map0=tsne&step={steps[0]}{focus}")
        rest(page, steps[0])
        page.wait_for_timeout(2_000)
        tracing = Tracing(page)

        def press(key: str) -> None:
            page.keyboard.press(key)
            # Do not query the page during this time, since a query would count as script.
            page.wait_for_timeout(1_000)

        for step in steps[1:]:
            found.append(tracing.during(lambda: press("ArrowRight")))
            rest(page, step)
        # A key without effect: the idle page.
        still = [tracing.during(lambda: press("Shift")) for _ in range(5)]
        assert complaints.lines == [], complaints.lines
    return found, still


def stock(address: str) -> Figures:
    """Cost of VisualDL's own page until it shows its number of points."""
    with chromium(width=1440, height=900) as (page, _):
        page.goto(f"{address}/app/scalar")
        page.wait_for_timeout(2_000)
        tracing = Tracing(page)
        start = time.perf_counter()

        def look() -> None:
            page.set_default_timeout(1000 * STOCK_SECONDS)
            page.goto(f"{address}/app/high-dimensional")
            page.get_by_text("Points: ").wait_for()

        traced = tracing.during(look)
        return {"stock_script_ms": traced["script_ms"], "stock_seconds": time.perf_counter() - start}


def first_view(address: str, step: int) -> Figures:
    """Cost of our page until its first map is drawn."""
    with chromium(width=1440, height=900) as (page, _):
        page.goto(f"{address.removesuffix('embeddings/')}scalar")
        page.wait_for_timeout(2_000)
        tracing = Tracing(page)
        start = time.perf_counter()
        seconds: list[float] = []

        def look() -> None:
            page.goto(f"{address}#run0=a&table0={TABLE}&map0=tsne")
            page.locator(f".panel[data-step='{step}'][aria-busy=false] .stage:not([data-gliding])").wait_for()
            seconds.append(time.perf_counter() - start)
            page.wait_for_timeout(250)

        traced = tracing.during(look)
        return {"first_script_ms": traced["script_ms"], "first_seconds": seconds[0]}


def _middle(found: list[Figures], key: str) -> str:
    values = [change[key] for change in found]
    return f"{np.median(values):.0f} ({np.percentile(values, 95):.0f})"


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    arguments = options.parse_args()
    rows, dim, frames = (500, 16, 4) if arguments.quick else (50_000, 128, 16)
    steps = [100 * frame for frame in range(frames)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_run(folder / "runs" / "a", rows=rows, dim=dim, steps=steps, seed=0)
        with served(OURS, folder) as (server, _):
            address = f"http://127.0.0.1:{server.port}/app/embeddings/"
            calm, still = walk(address, steps, calm=True)
            gliding, _ = walk(address, steps, calm=False)
            focused, _ = walk(address, steps, calm=True, word="词语7")
            opening = first_view(address, steps[-1])
        (folder / "stock").mkdir()
        log_frames(folder / "stock" / "runs" / "a", folder / "runs" / "a", steps[-1:])
        with served(STOCK, folder / "stock") as (server, _):
            theirs = stock(f"http://127.0.0.1:{server.port}")
    lines = [
        ["a step change, script, ms (p95)", _middle(calm, "script_ms"), "50"],
        ["… its longest script, ms (p95)", _middle(calm, "longest_ms"), ""],
        ["a step change with animation, script, ms (p95)", _middle(gliding, "script_ms"), ""],
        ["… its longest script, ms (p95)", _middle(gliding, "longest_ms"), ""],
        ["a step change with a selected word, script, ms (p95)", _middle(focused, "script_ms"), ""],
        ["the idle page, script, ms (p95)", _middle(still, "script_ms"), ""],
        ["first map, script, ms", f"{opening['first_script_ms']:.0f}", ""],
        ["first map, s", f"{opening['first_seconds']:.1f}", ""],
        ["VisualDL's own page, script, ms", f"{theirs['stock_script_ms']:.0f}", ""],
        ["VisualDL's own page, s", f"{theirs['stock_seconds']:.1f}", ""],
    ]
    report(
        f"The page at {rows:,} points",
        ["", "measured", "aim"],
        lines,
        figures={"calm": calm, "gliding": gliding, "focused": focused, "still": still, **opening, **theirs},
        options=arguments,
    )


if __name__ == "__main__":
    main()
