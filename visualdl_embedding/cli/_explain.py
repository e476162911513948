from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from visualdl_embedding.cli._options import JSON, TABLE, VOCABULARY
from visualdl_embedding.cli._terminal import FriendlyCommand, echo, progress_bars, table_of
from visualdl_embedding.core.jsonable import dumps

__all__ = ["explain"]


@click.command(cls=FriendlyCommand)
@click.argument("model", type=click.Path())
@click.option("--item", required=True, metavar="LABEL", help="Recommended item.")
@click.option(
    "--history", multiple=True, required=True, metavar="LABEL", help="Item of the user's history; repeatable."
)
@click.argument("more_history", nargs=-1, metavar="[LABEL]...")
@TABLE
@VOCABULARY
@click.option("--output", "-o", metavar="FILE", help="Write a picture (PNG) to FILE.")
@JSON
def explain(
    model: str,
    *,
    item: str,
    history: Sequence[str],
    more_history: Sequence[str],
    output: str | None,
    as_json: bool,
    **opening: Any,
) -> None:
    r"""Show how near an item is to each item of a user's history, compared with all items.

    \b
      explain MODEL --item X --history A B C
    """
    from visualdl_embedding.models import explain as explain_item
    from visualdl_embedding.models import open_model

    opened = open_model(model, **opening).table()
    with progress_bars() as on_progress:
        found = explain_item(
            opened, item, [*history, *more_history], on_progress=lambda done, total: on_progress("reading", done, total)
        )
    if output is not None:
        from visualdl_embedding.figures import render_relations

        picture = render_relations(
            found.item,
            [relation.label for relation in found.relations],
            cosines=[relation.cosine for relation in found.relations],
            histograms=[relation.histogram for relation in found.relations],
            notes=[f"{relation.rank:,} of {relation.num_items:,}" for relation in found.relations],
            title="Gray: cosines of all items with one item of the history. Blue: this item.",
        )
        Path(output).write_bytes(picture)
    if as_json:
        click.echo(dumps(found.to_dict(), indent=2))
        return
    echo(found.sentence)
    table_of(
        ["history", "rank", "of", "cosine", "usual", "nine of ten"],
        (
            [
                relation.label or "all together",
                f"{relation.rank:,}",
                f"{relation.num_items:,}",
                f"{relation.cosine:.3f}",
                f"{relation.usual:.3f}",
                f"{relation.usual_p5:.2f} to {relation.usual_p95:.2f}",
            ]
            for relation in (*found.relations, found.overall)
        ),
    )
    if output is not None:
        echo(f"Picture written to {output}")
