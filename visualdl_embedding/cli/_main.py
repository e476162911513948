from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Literal

import click

from visualdl_embedding.cli._check import check
from visualdl_embedding.cli._drift import drift
from visualdl_embedding.cli._queries import explain, neighbors
from visualdl_embedding.cli._report import report
from visualdl_embedding.cli._terminal import SETTINGS, FriendlyGroup, echo, progress_bars, set_up_logging
from visualdl_embedding.logs import DEFAULT_LOG_BYTES

__all__ = ["main"]


@click.group(cls=FriendlyGroup, context_settings=SETTINGS)
@click.version_option(version("visualdl-embedding"), prog_name="visualdl-embedding")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def main(debug: bool) -> None:
    """Record embedding tables of PaddlePaddle models during training, and inspect those of saved models."""
    set_up_logging(debug)


for command in (report, neighbors, explain, drift, check):
    main.add_command(command)


@main.command()
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


@main.command()
@click.option("--log-dir", default="runs/demo", help="Directory of the run.")
@click.option(
    "--size",
    type=click.Choice(["full", "small"]),
    default="full",
    envvar="VISUALDL_EMBEDDING_DEMO_SIZE",
    help="Small takes seconds.",
)
@click.option("--epochs", type=click.IntRange(min=1), default=None, help="Number of passes over the corpus.")
def demo(log_dir: str, size: Literal["full", "small"], epochs: int | None) -> None:
    """Train a small Chinese sentiment classifier on real reviews and record its word embeddings."""
    from visualdl_embedding.demo import run_demo

    run_demo(log_dir, size=size, epochs=epochs)


@main.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.option("--table", "tables", multiple=True, help="Only this table; repeatable.")
@click.option(
    "--force", is_flag=True, help="Analyze all snapshots again, not only from the first missing or stale one."
)
def analyze(run: str, tables: tuple[str, ...], force: bool) -> None:
    """Analyze the snapshots of RUN that have no current analysis; results equal those of the training."""
    from visualdl_embedding.runs import analyze_run

    with progress_bars("Analyzing") as on_progress:
        replayed = analyze_run(
            run,
            tables=tables or None,
            force=force,
            on_step=lambda table, step, position, total: on_progress(table, position, total),
        )
    for table in replayed:
        click.echo(f"{table.table}: {len(table.steps)} snapshots analyzed, {table.kept} kept.")
        _show(table.notes)
    if any(table.steps for table in replayed):
        click.echo(f"To see them in VisualDL: visualdl-embedding relog {run}")


@main.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.option(
    "--max-log-bytes",
    type=click.IntRange(min=0),
    default=DEFAULT_LOG_BYTES,
    help="Limit of the log, which VisualDL's server loads into memory; 0 for no limit.",
)
def relog(run: str, max_log_bytes: int) -> None:
    """Rebuild VisualDL's log of RUN from the store. Other records, such as train/loss, are kept."""
    from visualdl_embedding.runs import relog_run

    with progress_bars("Logging") as on_progress:
        replayed = relog_run(
            run,
            max_log_bytes=max_log_bytes or None,
            on_step=lambda table, step, position, total: on_progress(table, position, total),
        )
    for table in replayed:
        click.echo(f"{table.table}: {len(table.steps)} frames logged, {table.kept} snapshots have no analysis yet.")
        _show(table.notes)


def _show(notes: Sequence[str]) -> None:
    for note in notes:
        echo(f"Note: {note}")
