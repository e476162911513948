from __future__ import annotations

from collections.abc import Sequence

import click

from visualdl_embedding.cli._terminal import FriendlyCommand

__all__ = ["serve"]


@click.command(cls=FriendlyCommand)
@click.option("--logdir", multiple=True, required=True, metavar="DIR", help="A log directory; repeatable.")
@click.option("--host", default="localhost", show_default=True, help="Whom to listen to; 0.0.0.0 is everybody.")
@click.option("--port", type=click.IntRange(0, 65535), default=8040, show_default=True, help="0 takes a free one.")
@click.option("--public-path", default="/app", show_default=True, help="Where the pages begin.")
@click.option("--language", type=click.Choice(["en", "zh"]), help="Of the pages.  [default: the browser's]")
@click.option("--theme", type=click.Choice(["light", "dark"]), help="Of the pages.  [default: the browser's]")
@click.option(
    "--cache-timeout", type=float, default=20.0, show_default=True, help="Seconds for which VisualDL keeps what it has."
)
@click.option("--model", default="", metavar="FILE", help="A model for VisualDL's GRAPH page.")
@click.option("--token", help="Whoever wants to look must know it: every page and every answer asks for it.")
@click.option("--open-browser", is_flag=True, help="Open the page of embeddings.")
def serve(
    *,
    logdir: Sequence[str],
    host: str,
    port: int,
    public_path: str,
    language: str | None,
    theme: str | None,
    cache_timeout: float,
    model: str,
    token: str | None,
    open_browser: bool,
) -> None:
    """Start VisualDL with a page where embeddings move; faults of its own embedding page are patched."""
    from visualdl_embedding.server import serve as serve_runs

    serve_runs(
        list(logdir),
        host=host,
        port=port,
        public_path=public_path,
        language=language,
        theme=theme,
        cache_timeout=cache_timeout,
        model=model,
        token=token,
        open_browser=open_browser,
    )
