from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from visualdl_embedding.cli._terminal import FriendlyCommand

__all__ = ["serve"]


@click.command(cls=FriendlyCommand)
@click.option("--logdir", multiple=True, required=True, metavar="DIR", help="A log directory; repeatable.")
@click.option("--host", default="localhost", help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), default=8040, help="Port; 0 for a free one.")
@click.option("--public-path", default="/app", help="URL path of the pages.")
@click.option("--language", type=click.Choice(["en", "zh"]), help="Language of the pages.  [default: the browser's]")
@click.option("--theme", type=click.Choice(["light", "dark"]), help="Theme of the pages.  [default: the browser's]")
@click.option("--cache-timeout", type=float, default=20.0, help="Seconds that VisualDL caches its data.")
@click.option("--model", default="", show_default=False, metavar="FILE", help="Model for VisualDL's GRAPH page.")
@click.option("--token", help="Access token required by all pages and API responses.")
@click.option("--open-browser", is_flag=True, help="Open the page of embeddings in a browser.")
def serve(*, logdir: Sequence[str], **options: Any) -> None:
    """Start VisualDL with a page for embeddings over time, and with fixes for its own embedding page."""
    from visualdl_embedding.server import serve as serve_runs

    serve_runs(list(logdir), **options)
