"""A table in a file: its description at hand, its rows read when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from visualdl_embedding.core.suggest import did_you_mean
from visualdl_embedding.core.table import Readable, Table
from visualdl_embedding.files._matrix import RowReader
from visualdl_embedding.files._word_vectors import WordVectors

__all__ = ["StoredTable", "choose_table", "first_tables"]

_BLOCK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class StoredTable:
    """A table of a saved model, not loaded.

    Attributes
    ----------
    table
        Name, shape, type, padding row.
    path
        The file that its bytes lie in.
    key
        What the file calls it: ``"encoder.word_embeddings.weight"``.
    evidence
        Why it counts as a table: ``"the program looks rows up in it"``, ``"its name"``, …
    priority
        0: holds words, by its name or its size; 1: a table of something else; 2: positions, token types and the like.
    vocabulary
        A vocabulary file that lies with the model, for tables it may belong to.
    """

    table: Table
    path: Path
    key: str
    evidence: str
    priority: int
    reader: RowReader = field(repr=False, compare=False)
    vocabulary: Path | None = None

    def __str__(self) -> str:
        return str(self.table)

    def read_rows(self, ids: ArrayLike) -> NDArray[np.float32]:
        """Read only these rows.

        Parameters
        ----------
        ids
            ``(m,)`` whole numbers from 0 to V - 1, in any order, also repeated.

        Returns
        -------
        ``(m, d)`` float32, in the order of `ids`. Narrower types are widened; a float64 beyond float32 becomes inf.

        Raises
        ------
        ValueError
            If an id is no row of the table.
        UnreadableModelError
            If the file turns out to be damaged.
        """
        wanted = np.asarray(ids)
        if wanted.ndim != 1 or (wanted.size and not np.issubdtype(wanted.dtype, np.integer)):
            raise ValueError(f"Rows are chosen by a list of whole numbers, not by {wanted.dtype} of {wanted.shape}.")
        if not wanted.size:
            return np.empty((0, self.table.dim), np.float32)
        if (low := int(wanted.min())) < 0 or (high := int(wanted.max())) >= self.table.num_rows:
            given = low if low < 0 else high
            raise ValueError(f"Table {self.table.name!r} has rows 0 to {self.table.num_rows - 1:,}; {given} is none.")
        distinct, places = np.unique(wanted.astype(np.int64), return_inverse=True)
        return self.reader.gather(distinct)[places]

    def blocks(self, *, rows_per_block: int | None = None) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read the whole table in order, a part at a time.

        Parameters
        ----------
        rows_per_block
            None: about 8 MiB.

        Yields
        ------
        The id of the block's first row, and ``(b, d)`` float32.

        Raises
        ------
        ValueError
            If `rows_per_block` is below 1.
        UnreadableModelError
            If the file turns out to be damaged.
        """
        if rows_per_block is not None and rows_per_block < 1:
            raise ValueError(f"rows_per_block must be at least 1, not {rows_per_block}.")
        size = min(rows_per_block or max(1, _BLOCK_BYTES // (4 * self.table.dim)), self.table.num_rows)
        start = 0
        for block in self.reader.blocks(size):
            yield start, block
            start += len(block)

    @property
    def has_labels(self) -> bool:
        """Whether the file holds the words of the rows, as files of word vectors do."""
        return isinstance(self.reader, WordVectors)

    def read_labels(self, *, encoding: str = "utf-8", errors: str = "strict") -> list[str] | None:
        """Read the words that stand beside the vectors.

        Parameters
        ----------
        encoding, errors
            As for `bytes.decode`.

        Returns
        -------
        V strings, ``""`` for an empty word; None where the file has no words.

        Raises
        ------
        UnreadableModelError
            If a word is not in this encoding.
        """
        return self.reader.words(encoding=encoding, errors=errors) if isinstance(self.reader, WordVectors) else None


Choice = TypeVar("Choice", bound=Readable)


def first_tables(tables: Sequence[Choice]) -> list[Choice]:
    """Choose the tables of the lowest `StoredTable.priority`; tables in memory have none, and are all of one."""
    priorities = [getattr(stored, "priority", 0) for stored in tables]
    return [stored for stored, own in zip(tables, priorities, strict=True) if own == min(priorities)]


def choose_table(tables: Sequence[Choice], name: str | None = None) -> Choice:
    """Choose one of the tables of a model.

    Parameters
    ----------
    tables
        As `open_tables` or `visualdl_embedding.models.open_model` lists them.
    name
        Name of the table, its key in the file, or a pattern that only one of them matches (``"*word*"``). None: the
        only table, or the only one of the lowest `StoredTable.priority`.

    Raises
    ------
    ValueError
        Where none or several remain; the message lists them.
    """
    if not tables:
        raise ValueError("There is no table to choose from.")
    if name is None:
        first = first_tables(tables)
        if len(first) == 1:
            return first[0]
        raise ValueError(
            f"The model has {len(tables)} tables, and {len(first)} may be meant. Choose one by its name:\n"
            f"{_listed(tables)}"
        )
    names = [(stored.table.name, getattr(stored, "key", stored.table.name)) for stored in tables]
    for matches in (
        [stored for stored, own in zip(tables, names, strict=True) if name in own],
        [stored for stored, own in zip(tables, names, strict=True) if any(fnmatchcase(one, name) for one in own)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise ValueError(f"{name!r} matches {len(matches)} tables. Choose one by its name:\n{_listed(matches)}")
    hint = did_you_mean(name, [stored.table.name for stored in tables], otherwise="nothing is like it.")
    raise ValueError(f"The model has no table {name!r}; {hint} It has:\n{_listed(tables)}")


def _listed(tables: Sequence[Choice], limit: int = 30) -> str:
    lines = [f"  {stored.table}" for stored in tables[:limit]]
    return "\n".join([*lines, f"  … and {len(tables) - limit} more"] if len(tables) > limit else lines)
