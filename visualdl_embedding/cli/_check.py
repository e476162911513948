from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from visualdl_embedding.cli._options import JSON, SIDES
from visualdl_embedding.cli._terminal import FriendlyCommand, echo, table_of
from visualdl_embedding.core.text import visible_text

if TYPE_CHECKING:
    from visualdl_embedding.alerts import Verdict

__all__ = ["check"]


class _CheckCommand(FriendlyCommand):
    """Command with exit status 1 for failed rules and 2 for bad input."""

    bad_input = 2


@click.command(cls=_CheckCommand)
@click.argument("target", type=click.Path())
@click.option("--baseline", metavar="RUN_OR_MODEL", help="Run or model to compare with.")
@click.option("--rules", metavar="FILE", help="TOML with [[rule]] tables.  [default: not finite, collapsed]")
@SIDES
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
