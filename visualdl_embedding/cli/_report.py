from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from visualdl_embedding.cli._options import (
    DISTANCE,
    KEEP,
    METADATA,
    RANDOM_STATE,
    TABLE,
    VOCABULARY,
    WATCH,
    combined,
    positive,
)
from visualdl_embedding.cli._terminal import SETTINGS, FriendlyCommand, echo, progress_bars, set_up_logging, table_of

if TYPE_CHECKING:
    from visualdl_embedding.alerts import Rule
    from visualdl_embedding.analysis import Config
    from visualdl_embedding.reports import Report

__all__ = ["report", "visualize"]

METHODS = ("pca", "tsne", "umap")
NULL_PAIRS = 10
"""Number of earlier weeks for comparison: with them the alert found 8 of 10 changes in their week, without them 3."""
SEVERITY_MARKS = {"critical": "!!", "warning": "! ", "info": "  "}

_OPTIONS = combined(
    TABLE,
    click.option("--list-tables", is_flag=True, help="List the tables of MODEL and exit."),
    VOCABULARY,
    METADATA,
    positive("--top-k", help="The K most frequent (or first) rows.  [default: 500]"),
    click.option("--rows", metavar="HOW", help="Rows instead of --top-k: all, stratified:K, or COLUMN=VALUE."),
    WATCH,
    KEEP,
    click.option(
        "--method", "methods", multiple=True, type=click.Choice(METHODS), default=("pca", "tsne"), help="Repeatable."
    ),
    click.option(
        "--n-components",
        multiple=True,
        type=click.Choice(["2", "3"]),
        default=("2",),
        help="Dimensions: 2, 3, or both.",
    ),
    click.option("--perplexity", multiple=True, type=float, default=(30.0,), help="For t-SNE; repeatable."),
    positive("--n-neighbors", multiple=True, default=(15,), help="For UMAP; repeatable. Metrics use the first."),
    positive("--repeats", default=1, help="Seeds for t-SNE and UMAP."),
    click.option("--axis", nargs=2, multiple=True, metavar="FROM TO", help="An axis between two words; repeatable."),
    click.option("--color", metavar="COLUMN", help="Color by group, cluster, norm, or any column."),
    DISTANCE,
    RANDOM_STATE,
    positive("--n-jobs", default=1, help="Threads."),
    click.option("--output", "--output-dir", "-o", default="vis_results", metavar="DIR", help="Output folder."),
    click.option("--overwrite", is_flag=True, help="Write to DIR even if it is not empty."),
    click.option("--run", metavar="RUN", help="Also record a snapshot in this run, for VisualDL."),
    click.option(
        "--step", type=click.IntRange(min=0), help="Step of the snapshot in RUN.  [default: after the last one]"
    ),
    click.option("--rules", metavar="FILE", help="TOML with rules for alerts of RUN."),
)


@click.command(cls=FriendlyCommand)
@click.argument("model", type=click.Path())
@_OPTIONS
def report(
    model: str,
    *,
    list_tables: bool,
    metadata: Sequence[str],
    top_k: int | None,
    rows: str | None,
    n_components: Sequence[str],
    axis: Sequence[tuple[str, str]],
    output: str,
    overwrite: bool,
    run: str | None,
    step: int | None,
    rules: str | None,
    **options: Any,
) -> None:
    """Report on the embedding table of MODEL: maps, metrics and findings on a page that works offline.

    MODEL is a file or folder of Paddle, PaddleNLP, safetensors, word2vec, GloVe, fastText or NumPy, or a sparse
    table of a parameter server. No code is run.
    """
    from visualdl_embedding.alerts import load_rules
    from visualdl_embedding.page import missing_page
    from visualdl_embedding.reports import check_folder
    from visualdl_embedding.reports import report as make_report

    if list_tables:
        _list_tables(model)
        return
    for name, value in (("step", step), ("rules", rules)):
        if value is not None and run is None:
            raise click.UsageError(f"--{name} requires a run; add --run RUN.")
    loaded = None if rules is None else load_rules(rules)
    check_folder(output, overwrite=overwrite)
    chosen = _rows(top_k, rows)
    if run is not None:
        options["watch"] = _joining_watch(
            model, run, step=step, rows=chosen, metadata=metadata, rules=loaded or (), **options
        )
    with progress_bars() as on_progress:
        made = make_report(
            model,
            metadata=list(metadata) or None,
            rows=chosen,
            n_components=[int(number) for number in n_components],
            axes=axis,
            on_progress=on_progress,
            **options,
        )
        on_progress("page and pictures", 0, 1)
        files = made.write(output, overwrite=overwrite)
    _print_report(made)
    echo(f"\nWritten to {output}: {', '.join(file.name for file in files)}")
    page = next((file for file in files if file.suffix == ".html"), None)
    if page is None:
        echo(f"There is no page: {missing_page()}")
    else:
        echo(f"Open {Path(output) / page.name} in a browser; it works offline.")
    if run is not None:
        _record(made, run, step=step, rules=loaded)


@click.command(cls=FriendlyCommand, context_settings=SETTINGS)
@click.option("--model-path", required=True, metavar="MODEL", help="File or folder of the model.")
@_OPTIONS
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def visualize(model_path: str, debug: bool, **options: Any) -> None:
    """Run `visualdl-embedding report` with the model as an option; flags with dashes or underscores."""
    set_up_logging(debug)
    assert report.callback is not None
    report.callback(model_path, **options)


def _rows(top_k: int | None, rows: str | None) -> Any:
    if top_k is not None and rows is not None:
        raise click.UsageError("--top-k and --rows exclude each other; use one of them.")
    if rows is None:
        return top_k or 500
    column, equals, value = rows.partition("=")
    return {column: value.split(",")} if equals else rows


def _list_tables(model: str) -> None:
    from visualdl_embedding.files import open_tables

    for stored in open_tables(model):
        beside = f"; vocabulary {stored.vocabulary.name}" if stored.vocabulary else ""
        echo(f"{stored}: {stored.evidence}{beside}")


def _print_report(made: Report) -> None:
    table, rows = made.table, made.snapshot.rows
    echo(
        f"{made.name}: table {table.name!r}, {table.num_rows:,} × {table.dim}, {table.dtype}; "
        f"{len(rows):,} rows ({rows.how})"
    )
    echo()
    header = ["trustworthiness", "continuity"]
    lines = (
        [
            view.key,
            *(f"{view.numbers[name]:.3f}" for name in header),
            f"{int(made.study.doubtful_rows(view.key).sum()):,}",
        ]
        for view in made.views
    )
    table_of(["view", *header, "doubtful rows"], lines)
    if made.findings:
        echo("\nFindings")
        for finding in made.findings:
            echo(f"{SEVERITY_MARKS[finding.severity]} {finding.title}\n     {finding.evidence}")
    if made.notes:
        echo("\nNotes")
        for note in made.notes:
            echo(f"-  {note}")


def _joining_watch(
    model: str,
    run: str,
    *,
    step: int | None,
    rows: Any,
    metadata: Sequence[str],
    rules: Sequence[Rule],
    table: str | None,
    vocabulary: str | None,
    keep: Sequence[str],
    watch: Sequence[str],
    random_state: int,
    **_: Any,
) -> list[str]:
    """Check that a model can join a run, and choose the labels to watch in it, before the report is computed."""
    from visualdl_embedding.analysis import Config
    from visualdl_embedding.models import open_model
    from visualdl_embedding.runs import check_joins, watch_for

    opened = open_model(model, table=table, vocabulary=vocabulary, metadata=list(metadata) or None, keep=keep).table()
    watched = watch_for(run, opened, watch)
    chosen = opened.choose_rows(rows=rows, watch=watched, random_state=random_state)
    check_joins(run, opened.table, chosen, step=step, rules=rules, config=Config(null_pairs=NULL_PAIRS))
    return watched


def _record(made: Report, run: str, *, step: int | None, rules: Sequence[Rule] | None) -> None:
    from visualdl_embedding.runs import next_step, record_once

    table = made.table
    following = next_step(run, table.name)
    step = following if step is None else step
    # One projection of each method: a timeline has no use for several perplexities.
    config = replace(made.config, projections=(), null_pairs=NULL_PAIRS)
    with progress_bars() as on_progress:
        on_progress(f"snapshot {step} of {run}", 0, 1)
        # An existing run keeps its settings, so that its frames are comparable.
        recorded = record_once(
            run, replace(made.snapshot, step=step), table=table, config=None if following else config, rules=rules
        )
    for note in (*recorded.notes, *_kept_settings(run, table.name, config)):
        echo(f"Note: {note}")
    for alert in recorded.alerts:
        echo(f"Alert: {alert.message}")
    shown_by = f"visualdl-embedding serve --logdir {Path(run).parent or '.'}"
    echo(f"Recorded in {run} as step {step} of table {table.name!r}: {shown_by}")


def _kept_settings(run: str, table: str, config: Config) -> list[str]:
    """Describe settings of a run that differ from those of this report."""
    from visualdl_embedding.store import open_run

    kept = open_run(run).table(table).config
    names = [f.name for f in fields(kept) if f.name != "n_jobs" and getattr(kept, f.name) != getattr(config, f.name)]
    listed = ", ".join(f"{name}={getattr(kept, name)!r} (not {getattr(config, name)!r})" for name in names)
    return [f"The run keeps its settings: {listed}."] if names else []
