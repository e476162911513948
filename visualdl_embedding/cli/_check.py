from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from visualdl_embedding.cli._terminal import FriendlyCommand, echo, table_of
from visualdl_embedding.core.text import visible_text

if TYPE_CHECKING:
    from visualdl_embedding.alerts import Verdict
    from visualdl_embedding.drift import Drift

__all__ = ["check", "drift"]

F = TypeVar("F", bound=Callable[..., Any])
BAD_INPUT = 2
SHOWN_DIRECTIONS = 5

_SIDES: tuple[Callable[[Any], Any], ...] = (
    click.option("--table", metavar="NAME", help="Table to use, if there are several."),
    click.option("--vocab", "--vocab-file", "vocabulary", metavar="FILE", help="Vocabulary, for models."),
    click.option("--metadata", multiple=True, metavar="FILE", help="TSV or CSV with columns, for models; repeatable."),
    click.option(
        "--top-k", type=click.IntRange(min=1), default=500, show_default=True, help="Number of rows, for models."
    ),
    click.option("--watch", multiple=True, metavar="LABEL", help="Report on this word; repeatable."),
    click.option(
        "--null",
        nargs=2,
        multiple=True,
        metavar="A B",
        help="A pair without a change, such as two seeds or earlier weeks; repeatable.",
    ),
    click.option(
        "--n-neighbors", type=click.IntRange(min=1), default=15, show_default=True, help="Number of neighbors."
    ),
    click.option(
        "--distance", type=click.Choice(["cosine", "euclidean"]), default="cosine", show_default=True, help="Of rows."
    ),
    click.option("--random-state", type=int, default=42, show_default=True, help="Random seed."),
)


class _JudgingCommand(FriendlyCommand):
    """Command with exit status 1 for failed rules and 2 for bad input."""

    bad_input = BAD_INPUT


def _with_sides(function: F) -> F:
    for option in reversed(_SIDES):
        function = option(function)
    return function


@click.command(cls=_JudgingCommand)
@click.argument("target", type=click.Path())
@click.option("--baseline", metavar="RUN_OR_MODEL", help="Run or model to compare with.")
@click.option("--rules", metavar="FILE", help="TOML with [[rule]] tables.  [default: not finite, collapsed]")
@_with_sides
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--junit-xml", metavar="FILE", help="Write the results as JUnit XML, for Jenkins and GitLab.")
@click.option("--on-alert", metavar="CMD", help="Run CMD for each rule that fired, with the alert as JSON on stdin.")
def check(
    target: str,
    *,
    baseline: str | None,
    rules: str | None,
    top_k: int,
    metadata: Sequence[str],
    as_json: bool,
    junit_xml: str | None,
    on_alert: str | None,
    **options: Any,
) -> None:
    """Evaluate rules on TARGET, a run or a saved model. Exit status: 0 if all passed, 1 if not, 2 for bad input."""
    from visualdl_embedding import runs
    from visualdl_embedding.alerts import to_json, to_junit_xml, verdict_table

    done = runs.check(target, rules, baseline=baseline, rows=top_k, metadata=list(metadata) or None, **options)
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
@_with_sides
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def drift(before: str, after: str, *, top_k: int, metadata: Sequence[str], as_json: bool, **options: Any) -> None:
    """Report changes from BEFORE to AFTER (runs or saved models): the space, groups, words and their directions."""
    from visualdl_embedding.core.jsonable import dumps
    from visualdl_embedding.runs import drift_between

    found = drift_between(before, after, rows=top_k, metadata=list(metadata) or None, **options)
    if as_json:
        click.echo(dumps(found.to_dict(), indent=2))
    else:
        _print_drift(found)


def _print_drift(found: Drift) -> None:
    echo(f"{len(found.labels):,} rows are in both tables.\n")
    floor = found.floor or {}
    values = {
        "neighbor_overlap": found.mean_neighbor_overlap,
        "displacement": found.mean_displacement,
        "cka": found.cka,
    }
    table_of(
        ["space", "value", "without a change", "p"],
        (
            [name, _number(value), _number(floor.get(name)), _number(found.space_p_values.get(name))]
            for name, value in values.items()
        ),
    )
    if found.groups:
        echo()
        table_of(
            ["group", "rows", "overlap", "displacement", "p"],
            (
                [g.group, g.size, _number(g.neighbor_overlap), _number(g.displacement), _number(g.p_corrected)]
                for g in found.groups
            ),
        )
    if found.directions:
        echo()
        ordered = sorted(found.directions, key=lambda direction: (not direction.significant, direction.p_value))
        clear = sum(direction.significant for direction in ordered)
        for direction in ordered[: max(clear, SHOWN_DIRECTIONS)]:
            echo(("! " if direction.significant else "  ") + direction.sentence())
        if len(ordered) > max(clear, SHOWN_DIRECTIONS):
            echo(f"  and {len(ordered) - max(clear, SHOWN_DIRECTIONS)} more without a clear motion (--json lists all)")
    echo("\nMoved most, relative to their neighbors")
    table_of(
        ["", "overlap", "p", "neighbors before", "neighbors after"],
        (
            [
                word.label,
                _number(word.neighbor_overlap),
                _number(word.p_corrected),
                "、".join(word.neighbors_before[:5]),
                "、".join(word.neighbors_after[:5]),
            ]
            for word in found.moved[:10]
        ),
    )
    echo(f"\np-values are ranks: {found.null}.")
    for note in found.notes:
        echo(f"-  {note}")


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.3f}"
