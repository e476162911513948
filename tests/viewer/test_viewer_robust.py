"""What the page needs and what it survives: no other host, a strict policy, a server that is gone, no VisualDL."""

from __future__ import annotations

import gzip
import re
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from browser_tools import STATIC, Complaints, ready, wait_until
from page_tools import FIRST, MARKS, TABLE, address_with

from visualdl_embedding.server import RunSource, make_server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = MARKS


def test_the_page_asks_no_other_host_and_runs_under_a_strict_policy(view: Any, address: str) -> None:
    page = view(FIRST)
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


def test_what_cannot_be_shown_is_said(address: str, opened: tuple[Page, Complaints]) -> None:
    page, complaints = opened
    page.goto(f"{address}#run0=gone&table0={TABLE}&map0=tsne")
    # A run that is gone gives way to one that is there.
    ready(page)
    address_with(page, "run0=a")
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
