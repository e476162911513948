"""Which rows of a training's tables are watched, and what they are called."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.table import Table
from visualdl_embedding.vocabulary import Vocabulary, open_vocabulary, select_rows

__all__ = ["choose_vocabulary", "watch_rows"]

logger = logging.getLogger("visualdl_embedding")

UNLABELED_ROWS = 500
"""Of a table whose labels are not known, where `rows` is a choice by label, group or frequency."""


def choose_vocabulary(tables: Sequence[Table], size: int) -> int | None:
    """Position of the table that a vocabulary of `size` labels belongs to.

    The one of exactly that many rows, else the smallest one that holds them all, else None.

    >>> choose_vocabulary([Table("word", 18000, 768), Table("position", 513, 768)], 17964)
    0
    """
    fitting = [(table.num_rows, i) for i, table in enumerate(tables) if table.num_rows >= size]
    return min(fitting)[1] if fitting else None


def watch_rows(
    tables: Sequence[Table],
    *,
    vocabulary: Any,
    metadata: Any,
    rows: Any,
    watch: Sequence[str],
    keep: Sequence[str],
    random_state: int,
) -> dict[str, Rows]:
    """Choose the rows to watch of every table.

    With one table the vocabulary is its own, and must not be longer. Among several it belongs to the one that it fits
    (`choose_vocabulary`); the rows of the others are labeled by their numbers. A mapping whose keys are names of
    tables holds one vocabulary for each.
    """
    sources: dict[str, Any] = {}
    if isinstance(vocabulary, Mapping) and vocabulary and set(vocabulary) <= {t.name for t in tables}:
        sources = dict(vocabulary)
    elif vocabulary is not None:
        opened = open_vocabulary(vocabulary)
        position = choose_vocabulary(tables, len(opened.labels)) if len(tables) > 1 else 0
        if position is None:
            sizes = ", ".join(f"{t.name} ({t.num_rows:,})" for t in tables)
            raise ValueError(
                f"The vocabulary has {len(opened.labels):,} labels, more than any table has rows: {sizes}. "
                "Give the vocabulary that the model was built with."
            )
        sources[tables[position].name] = opened
    chosen: dict[str, Rows] = {}
    unwatched = set(watch) if len(sources) > 1 else set()
    for table in tables:
        source = sources.get(table.name)
        labeled = source is not None or len(tables) == 1
        seen = table.num_rows
        if source is None and isinstance(rows, int) and metadata is None and not watch:
            # Of 1,000,000 labels "row 17", which take 155 MB and two seconds, the first k rows need k + 1.
            seen = min(seen, max(rows, 0) + 1)
        opened = source if isinstance(source, Vocabulary) else open_vocabulary(source, num_rows=seen)
        if metadata is not None and labeled:
            opened = opened.with_columns(metadata)
        for note in opened.notes:
            logger.warning("Table %s: %s", table.name, note)
        # Several vocabularies, such as users and items, need not all have every watched label.
        watched = [label for label in watch if len(sources) < 2 or opened.find(label) or opened.compose(label)]
        unwatched.difference_update(watched if labeled else ())
        chosen[table.name] = select_rows(
            opened,
            num_rows=seen,
            rows=rows if labeled or isinstance(rows, int) else UNLABELED_ROWS,
            watch=watched if labeled else (),
            padding_idx=table.padding_idx if (table.padding_idx or 0) < seen else None,
            keep=tuple(keep),
            random_state=random_state,
        )
        _say_what_is_watched(table, chosen[table.name])
    if unwatched:
        names = ", ".join(sorted(unwatched))
        raise ValueError(f"watch names what is in no vocabulary of {', '.join(sources)}: {names}.")
    return chosen


def _say_what_is_watched(table: Table, rows: Rows) -> None:
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in rows.left_out.items() if count)
    logger.info(
        "Table %s (%d x %d): watching %d rows, %s%s.",
        table.name,
        table.num_rows,
        table.dim,
        len(rows),
        rows.how,
        f"; left out: {left_out}" if left_out else "",
    )
