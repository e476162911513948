"""Compatibility checks for resuming a training, and removal of superseded steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from itertools import count
from pathlib import Path

from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.table import Table
from visualdl_embedding.store._description import Description

__all__ = ["difference", "move_aside", "obstacle", "rows_difference"]

_SHOWN = 3
_HARMLESS = {"n_jobs"}
"""Fields of a configuration that may change within a run."""


def difference(stored: Description, stored_rows: Rows, *, table: Table, rows: Rows, config: Config) -> str:
    """Describe how table, rows or settings of the analysis differ from the stored ones; ``""`` if none does."""
    before, now = (stored.table.num_rows, stored.table.dim), (table.num_rows, table.dim)
    if before != now:
        return f"the table was {before[0]}×{before[1]} and is now {now[0]}×{now[1]}"
    return rows_difference(stored_rows, rows) or "; ".join(
        f"{f.name} was {getattr(stored.config, f.name)!r} and is now {getattr(config, f.name)!r}"
        for f in fields(Config)
        if f.name not in _HARMLESS and getattr(stored.config, f.name) != getattr(config, f.name)
    )


def obstacle(stored: Description, stored_rows: Rows, *, table: Table, rows: Rows) -> str:
    """Describe why rows of another checkpoint cannot be compared with the stored ones; ``""`` if they can.

    The number of rows, their order and their ids may differ, because rows pair by label.
    """
    if stored.table.dim != table.dim:
        return f"its rows have {table.dim} columns, those of the run {stored.table.dim}"
    if not set(stored_rows.labels) & set(rows.labels):
        of_run, own = (", ".join(map(repr, labels[:_SHOWN])) for labels in (stored_rows.labels, rows.labels))
        return f"no label is in both ({own}, … and {of_run}, … in the run)"
    return ""


def rows_difference(stored: Rows, given: Rows) -> str:
    """Describe how rows differ from the stored ones; ``""`` if their versions are equal.

    >>> import numpy as np
    >>> rows_difference(Rows(np.array([1, 2]), ("a", "b")), Rows(np.array([1, 3]), ("a", "c")))
    "1 label is new ('c'); 1 label is gone ('b')"
    """
    if stored.version == given.version:
        return ""
    before, now = (
        {label: (int(rows.ids[i]), *rows.pieces.get(i, ())) for i, label in enumerate(rows.labels)}
        for rows in (stored, given)
    )
    found = [
        _listed([label for label in now if label not in before], "new"),
        _listed([label for label in before if label not in now], "gone"),
        _listed([label for label in now if label in before and now[label] != before[label]], "at another id"),
    ]
    if not any(found):
        changed = [
            name
            for name in dict.fromkeys([*stored.columns, *given.columns])
            if stored.columns.get(name) != given.columns.get(name)
        ]
        named = ", ".join(map(repr, changed))
        found = [f"{named} of the metadata changed" if changed else "the order of the labels changed"]
    return "; ".join(text for text in found if text)


def move_aside(files: Mapping[int, list[Path]], folder: Path) -> Path:
    """Move files, given by step, into a new subfolder ``superseded-N``, and return it."""
    names = (folder / f"superseded-{number}" for number in count(1))
    aside = next(name for name in names if not name.exists())
    aside.mkdir()
    # Move the newest step first, and the analysis before its snapshot: after an interruption the remaining files are a
    # run that stopped earlier, and the next resume moves the rest.
    for step in sorted(files, reverse=True):
        for path in sorted(files[step]):
            path.rename(aside / path.name)
    return aside


def _listed(labels: list[str], what: str) -> str:
    if not labels:
        return ""
    shown = ", ".join(map(repr, labels[:_SHOWN])) + (", …" if len(labels) > _SHOWN else "")
    return f"{len(labels)} {'label is' if len(labels) == 1 else 'labels are'} {what} ({shown})"
