"""Options shared by several commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["combined", "positive"]

F = TypeVar("F", bound=Callable[..., Any])


def combined(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Combine options into one decorator that adds them in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def positive(*names: str, **attributes: Any) -> Callable[[F], F]:
    """Create an option for a positive integer."""
    return click.option(*names, type=click.IntRange(min=1), **attributes)


TABLE = click.option("--table", metavar="NAME", help="Table to use, by name or pattern, if there are several.")
VOCABULARY = click.option(
    "--vocab", "--vocab-file", "vocabulary", metavar="FILE", help="Vocabulary file.  [default: a file next to MODEL]"
)
METADATA = click.option(
    "--metadata", multiple=True, metavar="FILE", help="TSV or CSV with columns: group, frequency, …; repeatable."
)
WATCH = click.option("--watch", multiple=True, metavar="LABEL", help="Also include and label this row; repeatable.")
KEEP = click.option(
    "--keep",
    multiple=True,
    type=click.Choice(["special", "subword", "padding"]),
    help="Include rows left out by default; repeatable.",
)
DISTANCE = click.option("--distance", type=click.Choice(["cosine", "euclidean"]), default="cosine", help="Of rows.")
RANDOM_STATE = click.option("--random-state", type=int, default=42, help="Random seed.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
SIDES = combined(
    TABLE,
    VOCABULARY,
    METADATA,
    positive("--top-k", "rows", default=500, help="Number of rows, for models."),
    click.option("--watch", multiple=True, metavar="LABEL", help="Report on this word; repeatable."),
    click.option(
        "--null",
        nargs=2,
        multiple=True,
        metavar="A B",
        help="A pair without a change, such as two seeds or earlier weeks; repeatable.",
    ),
    positive("--n-neighbors", default=15, help="Number of neighbors."),
    DISTANCE,
    RANDOM_STATE,
)
"""Options of the commands that compare two sides."""
