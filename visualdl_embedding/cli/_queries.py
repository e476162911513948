from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from visualdl_embedding.cli._options import DISTANCE, JSON, KEEP, TABLE, VOCABULARY, positive
from visualdl_embedding.cli._terminal import FriendlyCommand, echo, progress_bars, table_of
from visualdl_embedding.core.jsonable import dumps

if TYPE_CHECKING:
    from visualdl_embedding.models import ModelTable

__all__ = ["explain", "neighbors"]


@click.command(cls=FriendlyCommand)
@click.argument("model", type=click.Path())
@click.option("--word", "words", multiple=True, metavar="LABEL", help="Find the nearest words; repeatable.")
@click.option("--plus", multiple=True, metavar="LABEL", help="Add this word; repeatable.")
@click.option("--minus", multiple=True, metavar="LABEL", help="Subtract this word; repeatable.")
@click.option("--from", "begin", multiple=True, metavar="LABEL", help="Start of an axis; if repeated, the mean.")
@click.option("--to", "end", multiple=True, metavar="LABEL", help="End of the axis; if repeated, the mean.")
@positive("-k", "k", default=20, help="Number of words.")
@DISTANCE
@TABLE
@VOCABULARY
@KEEP
@JSON
def neighbors(
    model: str,
    *,
    words: Sequence[str],
    plus: Sequence[str],
    minus: Sequence[str],
    begin: Sequence[str],
    end: Sequence[str],
    k: int,
    distance: Any,
    as_json: bool,
    **opening: Any,
) -> None:
    r"""Query the table of MODEL in its original space: nearest words, sums of words, axes between words.

    \b
      neighbors MODEL --word 高兴 -k 20
      neighbors MODEL --plus 国王 --minus 男 --plus 女
      neighbors MODEL --from 悲伤 --to 高兴 --word 讽刺
    """
    from visualdl_embedding.models import open_model

    on_a_line = bool(begin or end)
    if sum((on_a_line, bool(plus or minus), bool(words) and not on_a_line)) != 1:
        raise click.UsageError("Use one of: --word; --plus and --minus; --from and --to (optionally with --word).")
    if on_a_line and not (begin and end):
        raise click.UsageError("An axis requires both --from and --to.")
    if plus or minus:
        if distance != "cosine":
            raise click.UsageError("Sums of words use unit vectors and cosines; remove --distance.")
        if not plus:
            raise click.UsageError("--minus requires --plus; add at least one --plus.")
    opened = open_model(model, **opening).table()
    if on_a_line:
        _print_axis(opened, (begin, end), words=words, k=k, distance=distance, as_json=as_json)
        return
    if plus:
        asked = " ".join([*(f"+ {word}" for word in plus), *(f"- {word}" for word in minus)])
        answers = {asked.removeprefix("+ "): opened.solve_analogy(plus, minus, k=k)}
    else:
        answers = {word: opened.closest(word, k=k, distance=distance) for word in words}
    if as_json:
        found = {
            asked: [{"label": m.label, "id": m.row, "cosine": m.cosine, "distance": m.distance} for m in matches]
            for asked, matches in answers.items()
        }
        click.echo(dumps(found, indent=2))
        return
    by_distance = distance == "euclidean"
    for number, (asked, matches) in enumerate(answers.items()):
        echo(("\n" if number else "") + f"{asked}: nearest by {distance} in {opened}")
        _echo_composed(opened, words or [*plus, *minus])
        table_of(
            ["", "id", "cosine", *["distance"] * by_distance],
            ([m.label, m.row, f"{m.cosine:.4f}", *[f"{m.distance:.4g}"] * by_distance] for m in matches),
        )


def _print_axis(
    opened: ModelTable, ends: Sequence[Sequence[str]], *, words: Sequence[str], k: int, distance: Any, as_json: bool
) -> None:
    from visualdl_embedding.core.query import position_on_axis

    axis = opened.axis(*ends, distance=distance)
    places = opened.positions(axis)
    order = np.argsort(np.where(np.isnan(places), np.inf, places), kind="stable")[: int(np.isfinite(places).sum())]
    asked = dict(zip(words, position_on_axis(opened.vectors(words), axis).tolist(), strict=True)) if words else {}
    sides = {
        side: [
            {"label": opened.vocabulary.name_of(int(row)), "id": int(row), "position": float(places[row])}
            for row in rows
        ]
        for side, rows in (("from", order[:k]), ("to", order[::-1][:k]))
    }
    low, middle, high = np.percentile(places[order], [5, 50, 95]).tolist()
    if as_json:
        spread = {"p5": low, "median": middle, "p95": high}
        click.echo(dumps({"begin": ends[0], "end": ends[1], "spread": spread, "words": asked, **sides}, indent=2))
        return
    first, last = map("、".join, ends)
    echo(
        f"0 is {first}, 1 is {last}. 90% of the words are between {low:.2f} and {high:.2f}, the median is {middle:.2f}."
    )
    _echo_composed(opened, [*ends[0], *ends[1], *words])
    for word, place in asked.items():
        below = float((places[order] < place).mean())
        echo(f"{word} is at {place:.2f}: {below:.0%} of all words are nearer to {first}.")
    for rows, name in zip(sides.values(), (first, last), strict=True):
        echo(f"\nFarthest towards {name}")
        table_of(["", "id", "position"], ([row["label"], row["id"], f"{row['position']:.3f}"] for row in rows))


def _echo_composed(opened: ModelTable, words: Sequence[str]) -> None:
    """Print a note on words that are not rows of the table but means of several rows."""
    rows = opened.find(list(dict.fromkeys(words)))
    named = (
        f"{rows.labels[i]} ({' + '.join(map(opened.vocabulary.name_of, pieces))})" for i, pieces in rows.pieces.items()
    )
    if rows.pieces:
        echo(f"Not in the vocabulary, computed as the mean of pieces: {', '.join(named)}.")


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

        relations = found.relations
        picture = render_relations(
            found.item,
            [relation.label for relation in relations],
            cosines=[relation.cosine for relation in relations],
            histograms=[relation.histogram for relation in relations],
            notes=[f"{relation.rank:,} of {relation.num_items:,}" for relation in relations],
            title="Gray: cosines of all items with one item of the history. Blue: this item.",
        )
        Path(output).write_bytes(picture)
    if as_json:
        click.echo(dumps(found.to_dict(), indent=2))
        return
    echo(found.sentence)
    lines = [
        (
            relation.label or "all together",
            f"{relation.rank:,}",
            f"{relation.num_items:,}",
            f"{relation.cosine:.3f}",
            f"{relation.usual:.3f}",
            f"{relation.usual_p5:.2f} to {relation.usual_p95:.2f}",
        )
        for relation in (*found.relations, found.overall)
    ]
    table_of(["history", "rank", "of", "cosine", "usual", "nine of ten"], lines)
    if output is not None:
        echo(f"Picture written to {output}")
