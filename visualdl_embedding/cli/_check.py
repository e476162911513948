from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from visualdl_embedding.cli._options import (
    DISTANCE,
    JSON,
    METADATA,
    RANDOM_STATE,
    TABLE,
    VOCABULARY,
    combined,
    positive,
)
from visualdl_embedding.cli._terminal import FriendlyCommand, echo, table_of
from visualdl_embedding.core.jsonable import dumps
from visualdl_embedding.core.text import visible_text

if TYPE_CHECKING:
    from visualdl_embedding.alerts import Verdict
    from visualdl_embedding.drift import Drift

__all__ = ["check", "drift"]

SHOWN_DIRECTIONS = 5

_SIDES = combined(
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


class _CheckCommand(FriendlyCommand):
    """Command with exit status 1 for failed rules and 2 for bad input."""

    bad_input = 2


@click.command(cls=_CheckCommand)
@click.argument("target", type=click.Path())
@click.option("--baseline", metavar="RUN_OR_MODEL", help="Run or model to compare with.")
@click.option("--rules", metavar="FILE", help="TOML with [[rule]] tables.  [default: not finite, collapsed]")
@_SIDES
@JSON
@click.option("--junit-xml", metavar="FILE", help="Write the results as JUnit XML, for Jenkins and GitLab.")
@click.option("--on-alert", metavar="CMD", help="Run CMD for each rule that fired, with the alert as JSON on stdin.")
def check(
    target: str,
    *,
    baseline: str | None,
    rules: str | None,
    metadata: Sequence[str],
    as_json: bool,
    junit_xml: str | None,
    on_alert: str | None,
    **options: Any,
) -> None:
    """Evaluate rules on TARGET, a run or a saved model. Exit status: 0 if all passed, 1 if not, 2 for bad input."""
    from visualdl_embedding import runs
    from visualdl_embedding.alerts import to_json, to_junit_xml, verdict_table

    done = runs.check(target, rules, baseline=baseline, metadata=list(metadata) or None, **options)
    if as_json:
        click.echo(to_json(done.verdicts))
    else:
        header, *lines = verdict_table(done.verdicts)
        # Print the messages of failed rules below the table, because they are long.
        table_of(header[:-1], [line[:-1] for line in lines])
        for line in lines:
            if line[0] != "passed":
                echo(f"{line[0]}: {line[3]}: {line[-1]}")
        for note in done.notes:
            echo(f"-  {note}")
    if junit_xml is not None:
        Path(junit_xml).write_text(to_junit_xml(done.verdicts), "utf-8")
    if on_alert is not None:
        _run_hooks(on_alert, [verdict for verdict in done.verdicts if verdict.status == "failed"])
    click.get_current_context().exit(0 if done.passed else 1)


def _run_hooks(command: str, failed: Sequence[Verdict]) -> None:
    from visualdl_embedding.alerts import run_hook

    for verdict in failed:
        result = run_hook(command, verdict.to_alert())
        if not result.ok:
            click.echo(visible_text(f"--on-alert: {result.reason}"), err=True)


@click.command(cls=FriendlyCommand)
@click.argument("before", type=click.Path())
@click.argument("after", type=click.Path())
@click.option("--step-before", type=click.IntRange(min=0), help="Snapshot of the run BEFORE.  [default: the newest]")
@click.option("--step-after", type=click.IntRange(min=0), help="Snapshot of the run AFTER.  [default: the newest]")
@_SIDES
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
    echo("\nMoved most, relative to their neighbors")
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
    return "–" if value is None or value != value else f"{value:.3f}"
