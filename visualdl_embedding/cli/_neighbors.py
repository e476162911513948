from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from visualdl_embedding.cli._options import DISTANCE, JSON, KEEP, TABLE, VOCABULARY, positive
from visualdl_embedding.cli._terminal import FriendlyCommand, echo, table_of
from visualdl_embedding.core.jsonable import dumps

if TYPE_CHECKING:
    from visualdl_embedding.models import ModelTable

__all__ = ["neighbors"]


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
        _print_line(opened, begin, end, words=words, k=k, distance=distance, as_json=as_json)
        return
    if plus:
        asked = " ".join([*(f"+ {word}" for word in plus), *(f"- {word}" for word in minus)])
        answers = {asked.removeprefix("+ "): opened.solve_analogy(plus, minus, k=k)}
    else:
        answers = {word: opened.closest(word, k=k, distance=distance) for word in words}
    by_distance = distance == "euclidean"
    if as_json:
        found = {
            asked: [{"label": m.label, "id": m.row, "cosine": m.cosine, "distance": m.distance} for m in matches]
            for asked, matches in answers.items()
        }
        click.echo(dumps(found, indent=2))
        return
    for number, (asked, matches) in enumerate(answers.items()):
        echo(("\n" if number else "") + f"{asked}: nearest by {distance} in {opened}")
        if composed := _composed(opened, words or [*plus, *minus]):
            echo(composed)
        table_of(
            ["", "id", "cosine", *["distance"] * by_distance],
            ([m.label, m.row, f"{m.cosine:.4f}", *[f"{m.distance:.4g}"] * by_distance] for m in matches),
        )


def _print_line(
    opened: ModelTable,
    begin: Sequence[str],
    end: Sequence[str],
    *,
    words: Sequence[str],
    k: int,
    distance: Any,
    as_json: bool,
) -> None:
    from visualdl_embedding.core.query import position_on_axis

    axis = opened.axis(begin, end, distance=distance)
    places = opened.positions(axis)
    order = np.argsort(np.where(np.isnan(places), np.inf, places), kind="stable")[: int(np.isfinite(places).sum())]
    ends = "、".join(begin), "、".join(end)
    asked = dict(zip(words, position_on_axis(opened.vectors(words), axis).tolist(), strict=True)) if words else {}
    sides = {
        side: [(opened.vocabulary.name_of(int(row)), int(row), float(places[row])) for row in rows]
        for side, rows in (("from", order[:k]), ("to", order[::-1][:k]))
    }
    low, middle, high = np.percentile(places[order], [5, 50, 95])
    if as_json:
        found: dict[str, Any] = {
            side: [{"label": label, "id": row, "position": place} for label, row, place in rows]
            for side, rows in sides.items()
        }
        spread = {"p5": float(low), "median": float(middle), "p95": float(high)}
        click.echo(dumps({"begin": list(begin), "end": list(end), "spread": spread, "words": asked, **found}, indent=2))
        return
    echo(
        f"0 is {ends[0]}, 1 is {ends[1]}. 90% of the words are between {low:.2f} and {high:.2f}, "
        f"the median is {middle:.2f}."
    )
    if composed := _composed(opened, [*begin, *end, *words]):
        echo(composed)
    for word, place in asked.items():
        below = float((places[order] < place).mean())
        echo(f"{word} is at {place:.2f}: {below:.0%} of all words are nearer to {ends[0]}.")
    for side, name in zip(("from", "to"), ends, strict=True):
        echo(f"\nFarthest towards {name}")
        table_of(["", "id", "position"], ([label, row, f"{place:.3f}"] for label, row, place in sides[side]))


def _composed(opened: ModelTable, words: Sequence[str]) -> str:
    """Note on words that are not rows of the table but means of several rows."""
    rows = opened.find(list(dict.fromkeys(words)))
    if not rows.pieces:
        return ""
    named = (
        f"{rows.labels[i]} ({' + '.join(opened.vocabulary.name_of(piece) for piece in pieces)})"
        for i, pieces in rows.pieces.items()
    )
    return f"Not in the vocabulary, computed as the mean of pieces: {', '.join(named)}."
