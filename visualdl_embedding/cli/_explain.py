from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from visualdl_embedding.cli._terminal import FriendlyCommand, echo, progress_bars, table_of

__all__ = ["explain"]


@click.command(cls=FriendlyCommand)
@click.argument("model", type=click.Path())
@click.option("--item", required=True, metavar="LABEL", help="What was recommended.")
@click.option("--history", multiple=True, required=True, metavar="LABEL", help="What the user knows; repeatable.")
@click.argument("more_history", nargs=-1, metavar="[LABEL]...")
@click.option("--table", metavar="NAME", help="Which table, by name or pattern, where the model has several.")
@click.option(
    "--vocab", "--vocab-file", "vocabulary", metavar="FILE", help="What the row ids mean; else found beside MODEL."
)
@click.option("--output", "-o", metavar="FILE", help="Draw a picture (PNG) there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    model: str,
    *,
    item: str,
    history: Sequence[str],
    more_history: Sequence[str],
    table: str | None,
    vocabulary: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    r"""Tell how near an item is to each item of a user's history, and what is usual.

    \b
      explain MODEL --item X --history A B C
    """
    from visualdl_embedding.core.jsonable import dumps
    from visualdl_embedding.models import explain as explain_item
    from visualdl_embedding.models import open_space

    space = open_space(model, table=table, vocabulary=vocabulary)
    with progress_bars() as on_progress:
        found = explain_item(
            space, item, [*history, *more_history], on_progress=lambda done, total: on_progress("reading", done, total)
        )
    if output is not None:
        from visualdl_embedding.figures import render_relations

        picture = render_relations(
            found.item,
            [relation.label for relation in found.relations],
            cosines=[relation.cosine for relation in found.relations],
            histograms=[relation.histogram for relation in found.relations],
            notes=[f"{relation.rank:,} of {relation.num_items:,}" for relation in found.relations],
            title="Gray: how near all items are to one of the history. Blue: this item.",
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
        echo(f"Drawn to {output}")
