"""Anything that holds embedding tables, opened in one way."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.table import Readable, Table
from visualdl_embedding.models._arrays import ArrayTable, as_matrix
from visualdl_embedding.models._run_table import RunTable, StoredStep
from visualdl_embedding.models._table import ModelTable
from visualdl_embedding.models._words import Words
from visualdl_embedding.models.live import find_tables, is_layer, is_tensor, live_table
from visualdl_embedding.vocabulary import KEEP, MetadataLike, RowsLike, VocabularyLike

if TYPE_CHECKING:
    from visualdl_embedding.store import Run

__all__ = ["Model", "open_model"]

UNLABELED_ROWS = 500
"""Rows of a table without words, where `rows` is a choice by label, group or frequency."""


@dataclass(frozen=True, eq=False)
class Model:
    """Something that holds embedding tables.

    Attributes
    ----------
    name
        For people: the last part of the path, or the class of the layer.
    source
        Path as it was given; ``"array"`` or ``"layer"`` for a model in memory.
    tables
        Those that `open_model` found or was asked for; nothing is read.
    """

    name: str
    source: str
    tables: tuple[ModelTable, ...]

    def table(self, name: str | None = None) -> ModelTable:
        """Choose one of the tables.

        Parameters
        ----------
        name
            Its name, its key in the file, or a pattern that only one table matches. None: the only table, or the only
            one that holds words.

        Raises
        ------
        ValueError
            Where none or several remain; the message lists them.
        """
        from visualdl_embedding.files import choose_table

        chosen = choose_table([table.reader for table in self.tables], name)
        return next(table for table in self.tables if table.reader is chosen)

    def choose_rows(
        self, *, rows: RowsLike = 500, watch: Sequence[str] = (), random_state: int = 42
    ) -> dict[str, Rows]:
        """Choose the rows to watch of every table.

        Labels of `watch` are those of the tables that have words; of several, each watches the labels that it has. Of
        a table without words beside one that has them, the first 500 rows are chosen where `rows` is no number.

        Parameters
        ----------
        rows, watch, random_state
            As for `ModelTable.choose_rows`.

        Raises
        ------
        ValueError
            As there, and for a label of `watch` that no table has.
        """
        worded = [table for table in self.tables if table.has_words]
        chosen: dict[str, Rows] = {}
        missing = set(watch) if len(worded) > 1 else set()
        for table in self.tables:
            labeled = table in worded or len(self.tables) == 1
            words = table.vocabulary
            watched = [label for label in watch if len(worded) < 2 or words.find(label) or words.compose(label)]
            missing.difference_update(watched if labeled else ())
            chosen[table.name] = table.choose_rows(
                rows=rows if labeled or isinstance(rows, int) else UNLABELED_ROWS,
                watch=watched if labeled else (),
                random_state=random_state,
            )
        if missing:
            names = ", ".join(sorted(missing))
            among = ", ".join(table.name for table in worded)
            raise ValueError(f"watch names what is in no vocabulary of {among}: {names}.")
        return chosen


def open_model(
    source: Any,
    *,
    table: str | Sequence[str] | Mapping[str, Any] | None = None,
    vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None = None,
    metadata: MetadataLike | Sequence[MetadataLike] | None = None,
    keep: Iterable[str] = (),
    step: int | None = None,
) -> Model:
    """Open anything that holds embedding tables; its tables are listed, and nothing of them is read.

    Parameters
    ----------
    source
        - a path to a saved model, as `visualdl_embedding.files.open_tables` takes it, or one of the tables found there;
        - a ``paddle.nn.Layer`` in memory, or a 2-D ``paddle.Tensor``, whose rows are gathered on its device;
        - an ``(n, d)`` array, whose labels are then `vocabulary`;
        - a run (`visualdl_embedding.open_run`) or the path of one: its watched rows.
    table
        Name of a table or a pattern that only one matches, or a list of these; None for all tables. Of a layer, a
        pattern may match several, and ``{"name": parameter}`` takes parameters outside ``nn.Embedding``.
    vocabulary
        What the row ids mean, in any form that `visualdl_embedding.vocabulary.open_vocabulary` takes, or a dict of
        these by table name; None for what is in the model's file or beside it. Among several tables it belongs to the
        one that holds words, or that it fits.
    metadata
        Columns (group, frequency, …) in any form that `read_metadata` takes, or a list of several such.
    keep
        What is no row by default and no answer: any of ``"special"``, ``"subword"``, ``"padding"``.
    step
        Of a run; None for its newest snapshot.

    Raises
    ------
    FileNotFoundError
        There is nothing at the path.
    ValueError
        An unreadable model, or a table or step that is not there.
    TypeError
        The source is none of these.

    Examples
    --------
    >>> model = open_model([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], vocabulary=["高兴", "快乐", "悲伤"])
    >>> [str(table) for table in model.tables]
    ['array (3 × 2, float64)']
    >>> [match.label for match in model.table().closest("高兴")]
    ['快乐', '悲伤']
    """
    from visualdl_embedding import files

    if (run := _as_run(source)) is not None:
        if vocabulary is not None or metadata is not None:
            raise ValueError(
                f"{run.path} is a run, which holds the labels and columns of its rows; vocabulary and metadata are "
                "for models without. Leave them out."
            )
        return _of_run(run, table, step)
    if step is not None:
        raise ValueError(
            f"step={step} chooses a snapshot of a run, and {_shown(source)} is none. Leave it out, or give a run."
        )
    readers: Sequence[Readable]
    if isinstance(source, str | os.PathLike):
        name, origin, readers = Path(source).resolve().name, str(source), _chosen(files.open_tables(source), table)
    elif is_layer(source):
        name, origin, readers = type(source).__name__, "layer", find_tables(source, table)
    elif is_tensor(source):
        name, origin = _array_name(table), "array"
        readers = [live_table(name, source)]
    elif isinstance(source, files.StoredTable):
        name, origin, readers = source.path.name, str(source.path), [source]
    else:
        vectors, name, origin = as_matrix(source), _array_name(table), "array"
        readers = [ArrayTable(Table(name, len(vectors), vectors.shape[1], str(vectors.dtype)), vectors)]
    words = Words(tuple(readers), vocabulary, metadata)
    return Model(name, origin, tuple(ModelTable(reader, words, keep) for reader in readers))


def _as_run(source: Any) -> Run | None:
    if isinstance(source, str | os.PathLike) and not (Path(source) / "embeddings").is_dir():
        return None  # without loading the store, which takes 0.6 s
    from visualdl_embedding.store import Run, is_run, open_run

    if isinstance(source, str | os.PathLike):
        return open_run(source) if is_run(source) else None
    return source if isinstance(source, Run) else None


def _shown(source: Any) -> str:
    return repr(os.fspath(source)) if isinstance(source, str | os.PathLike) else f"a {type(source).__name__}"


def _array_name(table: Any) -> str:
    return table if isinstance(table, str) else "array"


def _chosen(tables: Sequence[Readable], table: Any) -> list[Readable]:
    """Choose among the tables of a saved model or a run."""
    if table is None:
        return list(tables)
    if isinstance(table, Mapping):
        raise TypeError(
            f"table={dict(table)!r} names parameters, which a layer in memory has; of a saved model or a run, choose a "
            "table by its name."
        )
    from visualdl_embedding.files import choose_table

    names = [table] if isinstance(table, str) else table
    chosen = [choose_table(tables, name) for name in names]
    return list({id(reader): reader for reader in chosen}.values())


def _of_run(run: Run, table: Any, step: int | None) -> Model:
    steps = {name: known for name in run.tables() if (known := run.steps(name))}
    if not steps:
        raise ValueError(f"{run.path} holds no snapshot yet. Wait for the first one, or open another run.")
    stored = {name: known[-1] if step is None else step for name, known in steps.items() if step in (None, *known)}
    if step is not None and not stored:
        run.snapshot(next(iter(steps)), step)  # raises, and names the nearest steps
    readers = _chosen([StoredStep(run, name, at) for name, at in stored.items()], table)
    tables = [RunTable(reader, Words((reader,)), KEEP) for reader in readers if isinstance(reader, StoredStep)]
    return Model(run.path.resolve().name, str(run.path), tuple(tables))
