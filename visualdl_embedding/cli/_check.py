from __future__ import annotations

import dis
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from visualdl_embedding.cli._options import JSON, SIDES
from visualdl_embedding.cli._terminal import USER_ERRORS, FriendlyCommand, echo, table_of
from visualdl_embedding.core.text import visible_text
from visualdl_embedding.errors import EmbeddingError

if TYPE_CHECKING:
    from visualdl_embedding.alerts import Verdict

__all__ = ["check"]


class _CheckCommand(FriendlyCommand):
    """Command with exit status 1 for failed rules, 2 for bad input, and 3 for internal errors and interruptions."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """See `click.Command.make_context`."""
        try:
            return super().make_context(*arguments, **options)
        except click.ClickException as error:
            _end(error, 2, "bad input")

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _interrupted_by_sigterm():
                # Not that of the parent class, which raises user errors under --debug.
                return click.Command.invoke(self, ctx)
        except click.exceptions.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            if ctx.find_root().params.get("debug"):
                traceback.print_exc()
            if isinstance(error, click.ClickException):
                _end(error, 2, "bad input")
            if _is_bad_input(error):
                _end(click.ClickException(visible_text(str(error), lines=True)), 2, "bad input")
            if isinstance(error, KeyboardInterrupt):
                _end(click.ClickException("The command was interrupted before its result."), 3, "interrupted")
            text = visible_text(f"{type(error).__name__}: {error}", lines=True)
            _end(click.ClickException(text), 3, "internal error; --debug shows where")


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Treat SIGTERM, by which CI ends a job, as Ctrl-C; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _is_bad_input(error: BaseException) -> bool:
    """Whether an error reports bad input: a public error, a path that the system refuses, or an explicit `raise`.

    The library raises ValueError and TypeError for invalid arguments. The same types from NumPy, the standard library
    or the interpreter, for example for shapes that do not match, are faults of the library.
    """
    if isinstance(error, EmbeddingError | FileNotFoundError | FileExistsError | PermissionError):
        return True
    if isinstance(error, IsADirectoryError | NotADirectoryError):
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if not isinstance(error, USER_ERRORS) or trace is None:
        return False
    frame = trace.tb_frame
    ours = frame.f_globals.get("__name__", "").partition(".")[0] == __name__.partition(".")[0]
    return ours and dis.opname[frame.f_code.co_code[trace.tb_lasti]] == "RAISE_VARARGS"


def _end(error: click.ClickException, status: int, reason: str) -> NoReturn:
    """Show an error, with the exit status in the last line, and exit."""
    error.show()
    click.echo(f"Exit status {status}: {reason}.", err=True)
    raise click.exceptions.Exit(status)


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
    """Evaluate rules on TARGET, a run or a saved model.

    Exit status: 0 if all rules passed, 1 if not (an unknown result does not pass), 2 for bad input, 3 for an internal
    error or an interruption (Ctrl-C, SIGTERM).
    """
    from visualdl_embedding import runs
    from visualdl_embedding.alerts import STATUSES, to_json, to_junit_xml, verdict_table

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
    counts = Counter(verdict.status for verdict in done.verdicts)
    counted = ", ".join(f"{counts[status]} {status}" for status in STATUSES)
    # The standard output of --json is JSON only.
    click.echo(f"Exit status {int(not done.passed)}: {'passed' if done.passed else 'failed'} ({counted}).", err=as_json)
    click.get_current_context().exit(int(not done.passed))


def _run_hooks(command: str, failed: Sequence[Verdict]) -> None:
    from visualdl_embedding.alerts import run_hook

    for verdict in failed:
        result = run_hook(command, verdict.to_alert())
        if not result.ok:
            click.echo(visible_text(f"--on-alert: {result.reason}"), err=True)
