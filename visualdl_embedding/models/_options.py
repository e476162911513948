"""Options that may differ from table to table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from visualdl_embedding.core.suggest import did_you_mean
from visualdl_embedding.vocabulary import Metadata, Stratified, has_ids

if TYPE_CHECKING:
    from visualdl_embedding.models._table import ModelTable

__all__ = ["WatchLike", "by_table", "rows_by_table", "share_out"]

WatchLike: TypeAlias = str | Sequence[str | int] | Mapping[str, str | Sequence[str | int]]
"""Labels and ids to watch, or a dict of these by table."""

_ELSE = {
    "vocabulary": ", else as {token: id} or {id: token}",
    "metadata": ", else as {column: {label: value}}",
    "rows": ", else as {column: values}",
    "watch": "",
}


def by_table(option: str, given: Any, tables: Sequence[str]) -> dict[str, Any] | None:
    """Return the values of an option by table, or None if it has one value for all tables.

    A dict all of whose keys are names of tables has a value per table. Any other dict must be one value: a vocabulary
    with ids, rows ``{column: values}``, or metadata by column, none of which has the name of a table.

    Parameters
    ----------
    option
        ``"vocabulary"``, ``"metadata"``, ``"rows"`` or ``"watch"``.
    given
        Its value.
    tables
        Names of the tables.

    Raises
    ------
    ValueError
        If a dict is neither; the message lists the tables.

    >>> by_table("rows", {"word": 500, "item": [5, 7]}, ["word", "item", "position"])
    {'word': 500, 'item': [5, 7]}
    >>> by_table("rows", {"group": "positive"}, ["word", "item"])
    """
    if not isinstance(given, Mapping) or not given:
        return None
    unknown = [key for key in given if key not in tables]
    if not unknown:
        return dict(given)
    names_some = len(unknown) < len(given)
    if option == "vocabulary" and has_ids(given):
        return None
    if option == "metadata" and not names_some and not any(map(_is_metadata, given.values())):
        return None
    if option == "rows" and len(given) == 1:
        return None
    name = str(unknown[0])
    known = ", ".join(tables)
    raise ValueError(
        f"{option} has the unknown table {name!r}: {did_you_mean(name, tables, otherwise='no similar table.')} The "
        f"tables are: {known}. A dict is read by table if all its keys are tables{_ELSE[option]}."
    )


def share_out(option: str, values: Iterable[str | int], tables: Sequence[ModelTable]) -> dict[str, list[str | int]]:
    """Share a list of labels and ids out among tables, by name.

    An id belongs to every table that has the row, a label to every table with words that has it, or without any words
    to all that have it. A value that no table has is a ValueError. A single table gets all values, and a single one
    with words all labels: its own error names the nearest labels.
    """
    # Sets are sorted, because their order differs between processes.
    values = sorted(values, key=str) if isinstance(values, set | frozenset) else list(values)
    worded = _worded(tables)
    if len(tables) == 1:
        return {tables[0].name: values}

    def belongs(value: str | int, table: ModelTable) -> bool:
        if isinstance(value, str):
            return table in worded and (len(worded) == 1 or table.has(value))
        return table.has(value)

    shared = {table.name: [value for value in values if belongs(value, table)] for table in tables}
    if missing := set(values).difference(*shared.values()):
        among = ", ".join(table.name for table in worded)
        raise ValueError(
            f"Labels in {option} are in no vocabulary of {among}: {', '.join(sorted(map(str, missing)))}. Correct or "
            "remove them."
        )
    return shared


def rows_by_table(rows: Any, tables: Sequence[ModelTable]) -> dict[str, Any]:
    """Return the choice of rows by table, without the tables to which a choice for all does not apply.

    A number applies to all tables, ``"all"``, a sample or a column to those with words, a list as in `share_out`.
    """
    worded = _worded(tables)
    names = [table.name for table in tables]
    if (per_table := by_table("rows", rows, names)) is not None:
        return per_table
    if isinstance(rows, Mapping) and len(tables) > 1:
        columns = sorted({name for table in worded for name in table.vocabulary.columns})
        if wrong := [str(column) for column in rows if column not in columns]:
            near = did_you_mean(wrong[0], [*names, *columns])
            raise ValueError(f"rows has {wrong[0]!r}, which is no table and no column: {near}")
    if isinstance(rows, str | Mapping | Stratified):
        return {table.name: rows for table in worded}
    if not isinstance(rows, Iterable):
        return dict.fromkeys(names, rows)
    shared = share_out("rows", rows, tables)
    return {name: own for name, own in shared.items() if own or len(tables) == 1}


def _worded(tables: Sequence[ModelTable]) -> Sequence[ModelTable]:
    """Tables to which labels and columns refer: those with words, or all."""
    return [table for table in tables if table.has_words] or tables


def _is_metadata(value: Any) -> bool:
    """Whether a value can only be the metadata of one table, and not a column."""
    if isinstance(value, Mapping):
        return any(isinstance(cell, Mapping) for cell in value.values())
    return isinstance(value, str | os.PathLike | Metadata) or hasattr(value, "columns")
