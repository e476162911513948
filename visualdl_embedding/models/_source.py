"""Where a report's rows come from: a path, a stored table, or an array."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.progress import Progress
from visualdl_embedding.core.query import position_on_axis
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.models._space import Readable, Space, words_of
from visualdl_embedding.vocabulary import Vocabulary, open_vocabulary, select_rows

__all__ = ["Gathered", "Material", "gather", "open_source", "read_snapshot"]


@dataclass(frozen=True)
class _ArrayTable:
    table: Table
    vectors: NDArray[Any]

    def read_rows(self, ids: NDArray[np.int64], /) -> NDArray[np.float32]:
        return np.asarray(self.vectors[ids], dtype=np.float32)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        yield 0, np.asarray(self.vectors, dtype=np.float32)


@dataclass(frozen=True)
class Material:
    """What a report is made of; its words are read, and its table is counted, once.

    Attributes
    ----------
    name
        Of the model, for people: the last part of its path.
    source
        As it was given, for the record; ``"array"`` for an array.
    stored
        The table, not read.
    vocabulary
        What its ids mean: whatever `open_vocabulary` takes.
    metadata
        Columns, or a list of several such: whatever `read_metadata` takes.
    """

    name: str
    source: str
    stored: Readable
    vocabulary: Any
    metadata: Any = None
    _counters: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    @property
    def table(self) -> Table:
        """What is known of the table."""
        return self.stored.table

    @cached_property
    def words(self) -> tuple[Vocabulary, tuple[str, ...]]:
        """What all its ids mean, with the columns, and sentences for the user."""
        return _read_vocabulary(self.vocabulary, self.metadata, self.table)

    def count(self, on_progress: Progress) -> dict[str, float]:
        """Count over the whole table, as `visualdl_embedding.files.table_counters` does; nothing for an array."""
        if not self._counters and not isinstance(self.stored, _ArrayTable):
            from visualdl_embedding.files import StoredTable, table_counters

            assert isinstance(self.stored, StoredTable)
            self._counters.update(
                table_counters(self.stored, on_progress=lambda done, total: on_progress("counters", done, total))
            )
        return dict(self._counters)


@dataclass(frozen=True)
class Gathered:
    """What was read of a source.

    Attributes
    ----------
    name, source, table
        Those of its `Material`, which itself may be large.
    snapshot
        The chosen rows, and counters of the whole table.
    origin
        Where the labels came from; ``""`` for nowhere.
    notes
        Sentences for the user.
    """

    name: str
    source: str
    table: Table
    snapshot: Snapshot
    origin: str
    notes: tuple[str, ...]


def open_source(source: Any, *, table: str | None, vocabulary: Any, metadata: Any) -> Material:
    """Find the table, and the vocabulary where none was given.

    Raises
    ------
    FileNotFoundError, ValueError
        No table, or several without a choice; see `visualdl_embedding.files`.
    TypeError
        The source is none.
    """
    if isinstance(source, str | os.PathLike):
        from visualdl_embedding.files import choose_table, open_tables

        stored = choose_table(open_tables(source), table)
        return Material(Path(source).resolve().name, str(source), stored, words_of(stored, vocabulary), metadata)
    if hasattr(source, "read_rows") and hasattr(source, "table"):
        return Material(Path(source.path).name, str(source.path), source, words_of(source, vocabulary), metadata)
    vectors = _as_matrix(source)
    name = table or "array"
    shape = Table(name, len(vectors), vectors.shape[1], str(vectors.dtype))
    return Material(name, "array", _ArrayTable(shape, vectors), vocabulary, metadata)


def gather(
    material: Material,
    *,
    rows: Any,
    watch: Iterable[str | int],
    keep: Iterable[str],
    groups: Mapping[str, Iterable[str]] | None,
    axes: Iterable[tuple[Sequence[str | int], Sequence[str | int]]],
    distance: Distance,
    random_state: int,
    on_progress: Progress,
) -> Gathered:
    """Choose the rows, read only those, and count over the whole table."""
    table, seen = material.table, material.table
    if material.vocabulary is None and material.metadata is None and groups is None and not watch and not axes:
        seen = _numbered(table, rows)
    words, notes = material.words if seen is table else _read_vocabulary(None, None, seen)
    chosen = select_rows(
        words,
        num_rows=seen.num_rows,
        rows=rows,
        watch=watch,
        padding_idx=seen.padding_idx,
        keep=keep,
        random_state=random_state,
        groups=groups,
    )
    on_progress("rows", 0, 1)
    vectors = chosen.assemble(material.stored.read_rows(chosen.gather_ids))
    on_progress("rows", 1, 1)
    space = Space(material.name, material.stored, words)
    if places := {
        f"{'、'.join(map(str, begin))} → {'、'.join(map(str, end))}": position_on_axis(
            vectors, space.axis(begin, end, distance=distance)
        )
        for begin, end in axes
    }:
        columns = {
            name: tuple("" if x != x else f"{x:.4f}" for x in values.tolist()) for name, values in places.items()
        }
        chosen = replace(chosen, columns={**chosen.columns, **columns})
    snapshot = Snapshot(table.name, 0, chosen, vectors, material.count(on_progress))
    origin = "" if material.vocabulary is None else words.source
    files = material.metadata if isinstance(material.metadata, list | tuple) else [material.metadata]
    shown = [_without_folders(text, material.vocabulary, *files) for text in (origin, *notes)]
    notes = (*shown[1:], *_notes_on_rows(rows, chosen, table))
    return Gathered(material.name, material.source, table, snapshot, shown[0], notes)


def read_snapshot(
    material: Material, *, rows: Any = 500, watch: Iterable[str | int] = (), random_state: int = 42
) -> tuple[Snapshot, tuple[str, ...]]:
    """Read rows of a saved model as a snapshot of step 0; parameters and errors are those of `report`.

    Returns
    -------
    The snapshot, with counters of the whole table, and sentences for the user.
    """
    found = gather(
        material,
        rows=rows,
        watch=list(watch),
        keep=(),
        groups=None,
        axes=(),
        distance="cosine",
        random_state=random_state,
        on_progress=lambda part, done, total: None,
    )
    return found.snapshot, found.notes


def _numbered(table: Table, rows: Any) -> Table:
    """Of a table without words, the part that the first `rows` rows are chosen from.

    10,000,000 labels "row 17" would take 1.2 GB, the first 500 need 502: one for the padding row, one to see that the
    table goes on.
    """
    if isinstance(rows, bool) or not isinstance(rows, int | np.integer) or rows < 1:
        return table
    num_rows = min(table.num_rows, int(rows) + 2)
    padding_idx = table.padding_idx if (table.padding_idx or 0) < num_rows else None
    return replace(table, num_rows=num_rows, padding_idx=padding_idx)


def _without_folders(text: str, *paths: Any) -> str:
    """Name files, but not the folders of whoever made the report: it is passed on."""
    for path in paths:
        if isinstance(path, str | os.PathLike):
            text = text.replace(str(path), Path(path).name)
    return text


def _as_matrix(source: Any) -> NDArray[Any]:
    if not hasattr(source, "__array__") and not isinstance(source, list | tuple):
        raise TypeError(
            "A report is made of a path to a model, a table of `open_tables`, or an (n, d) array of vectors; "
            f"{type(source).__name__} was given."
        )
    vectors = np.asarray(source)
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"An array of vectors must be (n, d) and not empty; its shape is {vectors.shape}.")
    if vectors.dtype.kind not in "fiu":
        raise TypeError(f"Vectors must be real numbers; the array holds {vectors.dtype}.")
    return vectors


def _read_vocabulary(vocabulary: Any, metadata: Any, table: Table) -> tuple[Vocabulary, tuple[str, ...]]:
    words = open_vocabulary(vocabulary, num_rows=table.num_rows)
    notes: tuple[str, ...] = ()
    missing = table.num_rows - len(words)
    if vocabulary is None:
        notes = ("No vocabulary was given or found beside the model: rows are shown by their number.",)
    elif missing > max(16, table.num_rows // 100):
        # A few rows more than words are padding to a round number; many more are another model's vocabulary.
        notes = (
            f"{words.source} has {len(words):,} ids, the table {table.num_rows:,} rows: the last {missing:,} rows have "
            "no label. Make sure that it is the vocabulary that this model was trained with.",
        )
    for columns in metadata if isinstance(metadata, list | tuple) else [] if metadata is None else [metadata]:
        words = words.with_columns(columns)
    return replace(words, notes=()), (*notes, *words.notes)


def _notes_on_rows(asked: Any, rows: Rows, table: Table) -> tuple[str, ...]:
    notes = []
    if isinstance(asked, int | np.integer) and len(rows) < asked:
        notes.append(
            f"{asked:,} rows were asked for; the table has {table.num_rows:,}, of which {len(rows):,} can be shown: "
            "all of these are."
        )
    if rows.left_out:
        counted = ", ".join(f"{count:,} ({reason})" for reason, count in rows.left_out.items())
        notes.append(f"Left out: {counted}.")
    return tuple(notes)
