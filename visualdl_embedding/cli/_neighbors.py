from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from visualdl_embedding.cli._terminal import FriendlyCommand, echo, table_of

if TYPE_CHECKING:
    from visualdl_embedding.core.query import Match
    from visualdl_embedding.models import Space

__all__ = ["neighbors"]


@click.command(cls=FriendlyCommand)
@click.argument("model", type=click.Path())
@click.option("--word", "words", multiple=True, metavar="LABEL", help="Its nearest words; repeatable.")
@click.option("--plus", multiple=True, metavar="LABEL", help="Add this word; repeatable.")
@click.option("--minus", multiple=True, metavar="LABEL", help="Subtract this word; repeatable.")
@click.option("--from", "begin", multiple=True, metavar="LABEL", help="One end of a line; repeated: their mean.")
@click.option("--to", "end", multiple=True, metavar="LABEL", help="The other end; repeated: their mean.")
@click.option("-k", "k", type=click.IntRange(min=1), default=20, show_default=True, help="How many words.")
@click.option(
    "--distance", type=click.Choice(["cosine", "euclidean"]), default="cosine", show_default=True, help="Of rows."
)
@click.option("--table", metavar="NAME", help="Which table, by name or pattern, where the model has several.")
@click.option(
    "--vocab", "--vocab-file", "vocabulary", metavar="FILE", help="What the row ids mean; else found beside MODEL."
)
@click.option(
    "--keep",
    multiple=True,
    type=click.Choice(["special", "subword", "padding"]),
    help="Keep what is left out by default; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
    table: str | None,
    vocabulary: str | None,
    keep: Sequence[str],
    as_json: bool,
) -> None:
    r"""Ask the table of MODEL, in its original space: nearest words, sums of words, lines between words.

    \b
      neighbors MODEL --word 高兴 -k 20
      neighbors MODEL --plus 国王 --minus 男 --plus 女
      neighbors MODEL --from 悲伤 --to 高兴 --word 讽刺
    """
    from visualdl_embedding.models import open_space

    on_a_line = bool(begin or end)
    if sum((on_a_line, bool(plus or minus), bool(words) and not on_a_line)) != 1:
        raise click.UsageError("Ask one thing: --word, or --plus and --minus, or --from and --to (with --word on it).")
    if on_a_line and not (begin and end):
        raise click.UsageError("A line has two ends: give both --from and --to.")
    if plus or minus:
        if distance != "cosine":
            raise click.UsageError("Sums of words are of unit vectors and compared by cosine; leave out --distance.")
        if not plus:
            raise click.UsageError("Nothing to add: give --plus as well.")
    space = open_space(model, table=table, vocabulary=vocabulary, keep=keep)
    if on_a_line:
        _print_line(space, begin, end, words=words, k=k, distance=distance, as_json=as_json)
        return
    if plus:
        asked = " ".join([*(f"+ {word}" for word in plus), *(f"- {word}" for word in minus)])
        answers = {asked.removeprefix("+ "): space.solve_analogy(plus, minus, k=k)}
    else:
        answers = {word: space.closest(word, k=k, distance=distance) for word in words}
    if as_json:
        from visualdl_embedding.core.jsonable import dumps

        found = {asked: [_as_dict(match) for match in matches] for asked, matches in answers.items()}
        click.echo(dumps(found, indent=2))
        return
    for number, (asked, matches) in enumerate(answers.items()):
        echo(("\n" if number else "") + f"{asked}: nearest by {distance} in {space.stored}")
        if composed := _composed(space, words or [*plus, *minus]):
            echo(composed)
        table_of(
            ["", "id", "cosine", *(["distance"] if distance == "euclidean" else [])],
            (
                [m.label, m.row, f"{m.cosine:.4f}", *([f"{m.distance:.4g}"] if distance == "euclidean" else [])]
                for m in matches
            ),
        )


def _print_line(
    space: Space,
    begin: Sequence[str],
    end: Sequence[str],
    *,
    words: Sequence[str],
    k: int,
    distance: Any,
    as_json: bool,
) -> None:
    from visualdl_embedding.core.query import position_on_axis

    axis = space.axis(begin, end, distance=distance)
    places = space.positions(axis)
    order = np.argsort(np.where(np.isnan(places), np.inf, places), kind="stable")[: int(np.isfinite(places).sum())]
    ends = "、".join(begin), "、".join(end)
    asked = dict(zip(words, position_on_axis(space.vectors(words), axis).tolist(), strict=True)) if words else {}
    sides = {
        side: [(space.vocabulary.name_of(int(row)), int(row), float(places[row])) for row in rows]
        for side, rows in (("from", order[:k]), ("to", order[::-1][:k]))
    }
    low, middle, high = np.percentile(places[order], [5, 50, 95])
    if as_json:
        from visualdl_embedding.core.jsonable import dumps

        found: dict[str, Any] = {
            side: [{"label": label, "id": row, "position": place} for label, row, place in rows]
            for side, rows in sides.items()
        }
        spread = {"p5": float(low), "median": float(middle), "p95": float(high)}
        click.echo(dumps({"begin": list(begin), "end": list(end), "spread": spread, "words": asked, **found}, indent=2))
        return
    echo(
        f"0 is {ends[0]}, 1 is {ends[1]}. Nine of ten words stand between {low:.2f} and {high:.2f}, "
        f"the middle one at {middle:.2f}."
    )
    if composed := _composed(space, [*begin, *end, *words]):
        echo(composed)
    for word, place in asked.items():
        below = float((places[order] < place).mean())
        echo(f"{word} stands at {place:.2f}: {below:.0%} of all words are nearer to the side of {ends[0]}.")
    for side, name in zip(("from", "to"), ends, strict=True):
        echo(f"\nFarthest towards {name}")
        table_of(["", "id", "position"], ([label, row, f"{place:.3f}"] for label, row, place in sides[side]))


def _composed(space: Space, words: Sequence[str]) -> str:
    """Say which words are no rows of the table but the mean of several."""
    rows = space.rows(list(dict.fromkeys(words)))
    if not rows.pieces:
        return ""
    named = (
        f"{rows.labels[i]} ({' + '.join(space.vocabulary.name_of(piece) for piece in pieces)})"
        for i, pieces in rows.pieces.items()
    )
    return f"Not in the vocabulary, so taken as the mean of pieces: {', '.join(named)}."


def _as_dict(match: Match) -> dict[str, Any]:
    return {"label": match.label, "id": match.row, "cosine": match.cosine, "distance": match.distance}
