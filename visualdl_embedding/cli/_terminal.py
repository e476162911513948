"""Shared parts of the commands: error messages, flags with dashes or underscores, progress, safe text output."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from visualdl_embedding.core.text import visible_text

if TYPE_CHECKING:
    import rich.progress
    import rich.text

__all__ = ["USER_ERRORS", "FriendlyCommand", "FriendlyGroup", "echo", "progress_bars", "set_up_logging", "table_of"]


def _as_dashes(name: str) -> str:
    return name.replace("_", "-") if name.startswith("--") else name


SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "show_default": True}
OLD_NAMES = {"analyse": "analyze"}
USER_ERRORS = (ValueError, TypeError, OSError, ModuleNotFoundError)


class FriendlyCommand(click.Command):
    """Command that prints user errors as messages, with flags in either form, ``--top-k`` or ``--top_k``.

    The flag ``--debug`` of the group adds tracebacks.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except USER_ERRORS as error:
            if ctx.find_root().params.get("debug"):
                raise
            raise click.ClickException(visible_text(str(error), lines=True)) from error

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as `click.Command.parse_args`."""
        flags = {option for parameter in self.params for option in (*parameter.opts, *parameter.secondary_opts)}
        parts = (arg.partition("=") for arg in args)
        dashed = [(d if (d := _as_dashes(flag)) in flags else flag) + rest + value for flag, rest, value in parts]
        return super().parse_args(ctx, dashed)


class FriendlyGroup(FriendlyCommand, click.Group):
    """Group of `FriendlyCommand` commands, with unlisted old names."""

    command_class = FriendlyCommand

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See `click.Group.get_command`."""
        return super().get_command(ctx, OLD_NAMES.get(cmd_name, cmd_name))


def set_up_logging(debug: bool = False) -> None:
    """Print the library's log messages on the terminal without a prefix."""
    logging.basicConfig(format="%(message)s", level=logging.DEBUG if debug else logging.WARNING)
    logging.getLogger("visualdl_embedding").setLevel(logging.DEBUG if debug else logging.INFO)


def echo(text: str = "") -> None:
    """Print text that contains data from files."""
    click.echo(visible_text(text, lines=True))


def table_of(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """Print a table with numeric columns right-aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    rows = [[visible_text(str(cell)) for cell in line] for line in lines]
    for number, name in enumerate(header):
        is_number = number > 0 and all(row[number].strip("–-+.,%0123456789") == "" for row in rows)
        table.add_column(name, justify="right" if is_number else "left")
    for row in rows:
        # Pass Text objects: rich would parse [bold] in a label as markup.
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


@contextmanager
def progress_bars(verb: str = "") -> Iterator[Callable[[str, int, int], None]]:
    """Show progress on stderr with a bar for each part; the bars disappear at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, rich.progress.TaskID] = {}

        def on_progress(part: str, done: int, total: int) -> None:
            if part not in tasks:
                tasks[part] = progress.add_task(visible_text(f"{verb} {part}".strip()))
            # A part with an unknown number of steps has a bar without a percentage.
            known = total > 1 or done >= total
            progress.update(tasks[part], completed=done, total=total if known else None)

        yield on_progress
