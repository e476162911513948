"""Model: anything that holds embedding tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import files
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.table import Readable, Table, block_ranges
from visualdl_embedding.models._options import WatchLike, by_table, rows_by_table, share_out
from visualdl_embedding.models._run_table import RunTable, StoredStep
from visualdl_embedding.models._table import ModelTable
from visualdl_embedding.models.live import find_tables, is_paddle, is_scope, live_table
from visualdl_embedding.vocabulary import (
    KEEP,
    MetadataLike,
    RowsLike,
    Vocabulary,
    VocabularyLike,
    check_length,
    name_keys,
    open_vocabulary,
)

if TYPE_CHECKING:
    from visualdl_embedding.store import Run

__all__ = ["Model", "open_model"]

UNLABELED_ROWS = 500
"""Number of rows of a table to which `rows` does not apply."""


@dataclass(frozen=True)
class ArrayTable:
    """Table in an ``(n, d)`` array, which can be memory-mapped; only the rows that are read become float32."""

    table: Table
    vectors: NDArray[Any]

    def read_rows(self, ids: NDArray[np.int64], /) -> NDArray[np.float32]:
        """Read selected rows: ``(m, d)`` float32."""
        return np.asarray(self.vectors[ids], dtype=np.float32)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows in blocks: the number of the first row, and ``(b, d)`` float32."""
        for start, stop in block_ranges(*self.vectors.shape):
            yield start, np.asarray(self.vectors[start:stop], dtype=np.float32)


@dataclass(frozen=True)
class Words:
    """Vocabulary and columns given for a model, and the tables that they belong to.

    A dict whose keys are table names holds one vocabulary, or the columns, per table (`by_table`). Any other vocabulary
    belongs to the table of the lowest `visualdl_embedding.files.StoredTable.priority`, and among several of these to
    the smallest with enough rows. Other tables use the words in their file, else the vocabulary file next to the model,
    else row numbers as labels. Columns for all tables belong to those with words, or if none has words, to all of the
    lowest priority.
    """

    tables: tuple[Readable, ...]
    vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None = None
    metadata: MetadataLike | Sequence[MetadataLike] | Mapping[str, Any] | None = None

    @cached_property
    def given(self) -> Mapping[str, Any]:
        """Given vocabularies by table name."""
        vocabulary = self.vocabulary
        if vocabulary is None:
            return {}
        if (per_table := by_table("vocabulary", vocabulary, self._names)) is not None:
            return per_table
        tables = [reader.table for reader in files.first_tables(self.tables)]
        if len(tables) == 1 or all(getattr(reader, "is_keyed", False) for reader in self.tables):
            return {table.name: vocabulary for table in tables}
        opened = open_vocabulary(vocabulary)
        fitting = [table for table in tables if table.num_rows >= len(opened)]
        if not fitting:
            sizes = ", ".join(f"{table.name} ({table.num_rows:,})" for table in tables)
            raise ValueError(
                f"The vocabulary has {len(opened):,} labels, more than any table has rows: {sizes}. "
                "Give the vocabulary that the model was built with."
            )
        return {min(fitting, key=lambda table: table.num_rows).name: opened}

    @property
    def _names(self) -> list[str]:
        return [reader.table.name for reader in self.tables]

    def columns_of(self, reader: Readable) -> list[Any]:
        """Given columns of a table, not read yet."""
        given: Any = self.metadata
        if (per_table := by_table("metadata", given, self._names)) is not None:
            given = per_table.get(reader.table.name)
        elif not self.has_words(reader):
            firsts = files.first_tables(self.tables)
            alone = len(firsts) == 1 or not any(map(self.has_words, self.tables))
            given = given if alone and any(first is reader for first in firsts) else None
        return [] if given is None else list(given) if isinstance(given, list | tuple) else [given]

    def has_words(self, reader: Readable) -> bool:
        """Whether a table has a vocabulary. Reads nothing."""
        own = getattr(reader, "has_labels", False) or getattr(reader, "vocabulary", None) is not None
        return own or reader.table.name in self.given

    def read(self, reader: Readable, num_rows: int) -> tuple[Vocabulary, tuple[str, ...]]:
        """Read the vocabulary of a table with `num_rows` rows; return it and notes for the user."""
        source = self.given.get(reader.table.name, getattr(reader, "vocabulary", None))
        if isinstance(reader, files.StoredTable) and reader.is_keyed:
            words = name_keys(reader.read_labels() or [], source)
            words = replace(words, columns=reader.read_columns(), notes=(*reader.notes, *words.notes))
        else:
            if reader.table.name not in self.given and getattr(reader, "has_labels", False):
                source = [word or None for word in reader.read_labels() or ()]  # type: ignore[attr-defined]
            words = open_vocabulary(source, num_rows=num_rows)
        check_length(words, num_rows)
        notes: tuple[str, ...] = ()
        missing = num_rows - len(words)
        if missing > max(16, num_rows // 100):
            # A few rows more than words are padding to a round number; many more suggest another model's vocabulary.
            notes = (
                f"{words.source} has {len(words):,} ids, the table {num_rows:,} rows: the last {missing:,} rows have "
                "no label. Make sure that this model was trained with this vocabulary.",
            )
        for columns in self.columns_of(reader):
            words = words.with_columns(columns)
        return replace(words, notes=()), (*notes, *words.notes)


@dataclass(frozen=True, eq=False)
class Model:
    """Model with embedding tables.

    Attributes
    ----------
    name
        Display name: the last part of the path, or the class of the layer.
    source
        Path as given; ``"array"``, ``"layer"`` or ``"scope"`` for a model in memory.
    tables
        Tables found or selected, not read yet.
    """

    name: str
    source: str
    tables: tuple[ModelTable, ...]

    def table(self, name: str | None = None) -> ModelTable:
        """Choose one of the tables.

        Parameters
        ----------
        name
            Name, key in the file, or pattern that matches one table. None: the only table, or the only one with words.

        Raises
        ------
        ValueError
            If no or several tables match; the message lists them.
        """
        chosen = files.choose_table([table.reader for table in self.tables], name)
        return next(table for table in self.tables if table.reader is chosen)

    def choose_rows(
        self,
        *,
        rows: RowsLike | Mapping[str, RowsLike] = 500,
        watch: WatchLike = (),
        random_state: int = 42,
    ) -> dict[str, Rows]:
        """Choose the watched rows of every table.

        A dict all of whose keys are names of tables has a value per table; without a value, the first 500 rows are
        chosen, and none is watched. Of a list for all tables, each id belongs to every table that has this row, and
        each label to the tables with words that have it, or without any words to all. If nothing belongs to a table,
        and for a choice by column next to tables with words, the first 500 rows are chosen.

        Parameters
        ----------
        rows, watch, random_state
            As in `ModelTable.choose_rows`, or dicts of these by table name.

        Raises
        ------
        ValueError
            As in `ModelTable.choose_rows`, if no table has a label or id, or if a table is unknown.
        """
        names = [table.name for table in self.tables]
        rows_of = rows_by_table(rows, self.tables)
        watch_of = by_table("watch", watch, names)
        if watch_of is None:
            watch_of = share_out("watch", watch, self.tables)
        chosen: dict[str, Rows] = {}
        for table in self.tables:
            watched = watch_of.get(table.name, ())
            try:
                chosen[table.name] = table.choose_rows(
                    rows=rows_of.get(table.name, UNLABELED_ROWS),
                    watch=[watched] if isinstance(watched, str) else watched,
                    random_state=random_state,
                )
            except ValueError as error:
                if len(names) == 1:
                    raise
                raise ValueError(f"Table {table.name!r}: {error}") from None
        return chosen


def open_model(
    source: Any,
    *,
    table: str | Sequence[str] | Mapping[str, Any] | None = None,
    vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None = None,
    metadata: MetadataLike | Sequence[MetadataLike] | Mapping[str, Any] | None = None,
    keep: Iterable[str] = (),
    step: int | None = None,
) -> Model:
    """Open anything that holds embedding tables, without reading the tables.

    Parameters
    ----------
    source
        - a path to a saved model, as in `visualdl_embedding.files.open_tables`, or one of the tables found there;
        - a ``paddle.nn.Layer`` in memory, or a 2-D ``paddle.Tensor``; rows are gathered on its device;
        - a scope of a static program, such as ``paddle.static.global_scope()``, with names of variables as `table`;
        - an ``(n, d)`` array;
        - a run (`visualdl_embedding.open_run`) or its path, limited to its watched rows.
    table
        Name of a table or pattern that matches one, or a list of these; None for all tables. For a layer, a pattern
        can match several tables, and ``"decoder.table"`` or ``{"name": parameter}`` selects a 2-D parameter outside
        ``nn.Embedding``. For a scope, names of variables, or ``{"name": variable}``.
    vocabulary
        Meaning of the row ids, as in `visualdl_embedding.vocabulary.open_vocabulary`, or a dict of these all of whose
        keys are names of tables. Default: the vocabulary in the model's file or next to it. One vocabulary belongs to
        the table with words, or to the one that fits best. For tables of parameter servers: names of keys, as in
        `visualdl_embedding.vocabulary.name_keys`, for all tables. Rows without a name are labeled by their key.
    metadata
        Columns (group, frequency, …), as in `read_metadata`, or a list of these, or a dict of these all of whose keys
        are names of tables.
    keep
        Rows to include that are left out by default: any of ``"special"``, ``"subword"``, ``"padding"``.
    step
        Step of a run; None for its newest snapshot.

    Raises
    ------
    FileNotFoundError
        If the path does not exist.
    ValueError
        If the model is unreadable, or the table or step does not exist.
    TypeError
        If the source is none of these.

    Examples
    --------
    >>> model = open_model([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], vocabulary=["高兴", "快乐", "悲伤"])
    >>> [str(table) for table in model.tables]
    ['array (3 × 2, float64)']
    >>> [match.label for match in model.table().closest("高兴")]
    ['快乐', '悲伤']
    """
    if (run := _as_run(source)) is not None:
        if vocabulary is not None or metadata is not None:
            raise ValueError(
                f"{run.path} is a run, which holds the labels and columns of its rows. Remove vocabulary and metadata, "
                "which are for other models."
            )
        return _of_run(run, table, step)
    if step is not None:
        shown = repr(os.fspath(source)) if isinstance(source, str | os.PathLike) else f"a {type(source).__name__}"
        raise ValueError(
            f"step={step} chooses a snapshot of a run, but {shown} is not a run. Remove step, or give a run."
        )
    readers: Sequence[Readable]
    name, origin = table if isinstance(table, str) else "array", "array"
    if isinstance(source, str | os.PathLike):
        name, origin, readers = Path(source).resolve().name, str(source), _chosen(files.open_tables(source), table)
    elif is_paddle(source, "nn.Layer"):
        name, origin, readers = type(source).__name__, "layer", find_tables(source, table)
    elif is_scope(source):
        name, origin, readers = "scope", "scope", find_tables(source, table)
    elif is_paddle(source, "Tensor"):
        readers = [live_table(name, source)]
    elif isinstance(source, files.StoredTable):
        name, origin, readers = source.path.name, str(source.path), [source]
    else:
        vectors = _as_matrix(source)
        readers = [ArrayTable(Table(name, len(vectors), vectors.shape[1], str(vectors.dtype)), vectors)]
    words = Words(tuple(readers), vocabulary, metadata)
    return Model(name, origin, tuple(ModelTable(reader, words, keep) for reader in readers))


def _as_matrix(source: Any) -> NDArray[Any]:
    """Validate an ``(n, d)`` array of real numbers without copying it; raise a TypeError or ValueError if it is not."""
    if not hasattr(source, "__array__") and not isinstance(source, list | tuple):
        inside = getattr(source, "network", None)
        hint = " Pass its network: model.network." if is_paddle(inside, "nn.Layer") else ""
        raise TypeError(
            f"{type(source).__name__} holds no embedding tables.{hint} Give a path to a model or a run, an opened "
            "run, a paddle.nn.Layer, a table of `open_tables`, or an (n, d) array of vectors."
        )
    vectors = np.asarray(source)
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise ValueError(f"An array of vectors must be (n, d) and not empty; its shape is {vectors.shape}.")
    if vectors.dtype.kind not in "fiu":
        raise TypeError(f"Vectors must be real numbers; the array holds {vectors.dtype}.")
    return vectors


def _as_run(source: Any) -> Run | None:
    if isinstance(source, str | os.PathLike) and not (Path(source) / "embeddings").is_dir():
        return None  # Do not load the store, which takes 0.6 s.
    from visualdl_embedding.store import Run, is_run, open_run

    if isinstance(source, str | os.PathLike):
        return open_run(source) if is_run(source) else None
    return source if isinstance(source, Run) else None


def _chosen(tables: Sequence[Readable], table: Any) -> list[Readable]:
    """Choose among the tables of a saved model or a run."""
    if table is None:
        return list(tables)
    if isinstance(table, Mapping):
        raise TypeError(
            f"table={dict(table)!r} selects parameters, which only a layer in memory has. Choose a table of a saved "
            "model or a run by its name."
        )
    names = [table] if isinstance(table, str) else table
    chosen = [files.choose_table(tables, name) for name in names]
    return list({id(reader): reader for reader in chosen}.values())


def _of_run(run: Run, table: Any, step: int | None) -> Model:
    steps = {name: known for name in run.tables() if (known := run.steps(name))}
    if not steps:
        raise ValueError(f"{run.path} holds no snapshot yet. Wait for the first one, or open another run.")
    stored = {name: known[-1] if step is None else step for name, known in steps.items() if step in (None, *known)}
    if step is not None and not stored:
        run.snapshot(next(iter(steps)), step)  # raises an error that names the nearest steps
    readers = _chosen([StoredStep(run, name, at) for name, at in stored.items()], table)
    tables = [RunTable(reader, Words((reader,)), KEEP) for reader in readers if isinstance(reader, StoredStep)]
    return Model(run.path.resolve().name, str(run.path), tuple(tables))
