from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from visualdl_embedding.cli._options import JSON, SIDES
from visualdl_embedding.cli._terminal import FriendlyCommand, echo, table_of
from visualdl_embedding.core.jsonable import dumps

if TYPE_CHECKING:
    from visualdl_embedding.drift import Drift

__all__ = ["drift"]

SHOWN_DIRECTIONS = 5


@click.command(cls=FriendlyCommand)
@click.argument("before", type=click.Path())
@click.argument("after", type=click.Path())
@click.option("--step-before", type=click.IntRange(min=0), help="Snapshot of the run BEFORE.  [default: the newest]")
@click.option("--step-after", type=click.IntRange(min=0), help="Snapshot of the run AFTER.  [default: the newest]")
@SIDES
@JSON
def drift(before: str, after: str, *, metadata: Sequence[str], as_json: bool, **options: Any) -> None:
    """Report changes from BEFORE to AFTER (runs or saved models): the space, groups, words and their directions."""
    from visualdl_embedding.runs import drift_between

    found = drift_between(before, after, metadata=list(metadata) or None, **options)
    if as_json:
        click.echo(dumps(found.to_dict(), indent=2))
    else:
        _print_drift(found)


def _print_drift(found: Drift) -> None:
    echo(f"{len(found.labels):,} rows are in both tables.\n")
    floor, p_values = found.floor or {}, found.space_p_values
    values = {"neighbor_overlap": found.mean_neighbor_overlap, "displacement": found.mean_displacement}
    table_of(
        ["space", "value", "without a change", "p"],
        (
            [name, *map(_number, (value, floor.get(name), p_values.get(name)))]
            for name, value in {**values, "cka": found.cka}.items()
        ),
    )
    if found.groups:
        echo()
        table_of(
            ["group", "rows", "overlap", "displacement", "p"],
            (
                [g.group, g.size, *map(_number, (g.neighbor_overlap, g.displacement, g.p_corrected))]
                for g in found.groups
            ),
        )
    if found.directions:
        echo()
        ordered = sorted(found.directions, key=lambda direction: (not direction.significant, direction.p_value))
        shown = max(SHOWN_DIRECTIONS, sum(direction.significant for direction in ordered))
        for direction in ordered[:shown]:
            echo(("! " if direction.significant else "  ") + direction.sentence())
        if len(ordered) > shown:
            echo(f"  and {len(ordered) - shown} more without a clear motion (--json lists all)")
    echo("\nChanged most, by evidence (p-value, then change relative to the usual one)")
    table_of(
        ["", "overlap", "p", "neighbors before", "neighbors after"],
        (
            [
                word.label,
                *map(_number, (word.neighbor_overlap, word.p_corrected)),
                *("、".join(neighbors[:5]) for neighbors in (word.neighbors_before, word.neighbors_after)),
            ]
            for word in found.moved[:10]
        ),
    )
    echo(f"\np-values are ranks: {found.null}.")
    for note in found.notes:
        echo(f"-  {note}")


def _number(value: float | None) -> str:
    if value is None or value != value:
        return "–"
    return f"{value:.0e}" if 0 < value < 0.0005 else f"{value:.3f}"
