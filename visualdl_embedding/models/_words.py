"""What the row ids of a model's tables mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from visualdl_embedding.core.table import Readable, Table
from visualdl_embedding.files import first_tables
from visualdl_embedding.vocabulary import MetadataLike, Vocabulary, VocabularyLike, check_length, open_vocabulary

__all__ = ["Words", "best_fit"]


def best_fit(tables: Sequence[Table], size: int) -> int | None:
    """Position of the table that a vocabulary of `size` labels belongs to.

    The one of exactly that many rows, else the smallest one that holds them all, else None.

    >>> best_fit([Table("word", 18000, 768), Table("position", 513, 768)], 17964)
    0
    """
    fitting = [(table.num_rows, i) for i, table in enumerate(tables) if table.num_rows >= size]
    return min(fitting)[1] if fitting else None


@dataclass(frozen=True)
class Words:
    """The vocabulary and the columns given for a model, and the tables that they belong to.

    A mapping whose keys are names of tables holds one vocabulary for each. Any other vocabulary belongs to the table
    that holds words: the only one of the lowest `visualdl_embedding.files.StoredTable.priority`, and among several of
    these the one that it fits best (`best_fit`). A table that none is given for has the words in its file, else the
    vocabulary file that lies with the model, else its rows are labeled by their numbers.

    Attributes
    ----------
    tables
        All tables of the model.
    vocabulary
        Whatever `open_vocabulary` takes, or a mapping of such by table.
    metadata
        Whatever `read_metadata` takes, or a list of such.
    """

    tables: tuple[Readable, ...]
    vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None = None
    metadata: MetadataLike | Sequence[MetadataLike] | None = None

    @cached_property
    def given(self) -> Mapping[str, Any]:
        """The vocabularies that were given, by table.

        Raises
        ------
        ValueError
            A vocabulary longer than every table.
        """
        vocabulary = self.vocabulary
        if vocabulary is None:
            return {}
        if isinstance(vocabulary, Mapping) and vocabulary and {*vocabulary} <= {r.table.name for r in self.tables}:
            return dict(vocabulary)
        tables = [reader.table for reader in first_tables(self.tables)]
        if len(tables) == 1:
            return {tables[0].name: vocabulary}
        opened = open_vocabulary(vocabulary)
        position = best_fit(tables, len(opened))
        if position is None:
            sizes = ", ".join(f"{table.name} ({table.num_rows:,})" for table in tables)
            raise ValueError(
                f"The vocabulary has {len(opened):,} labels, more than any table has rows: {sizes}. "
                "Give the vocabulary that the model was built with."
            )
        return {tables[position].name: opened}

    def source_of(self, reader: Readable) -> Any:
        """Find the vocabulary of a table; None for a table without one."""
        if reader.table.name in self.given:
            return self.given[reader.table.name]
        if getattr(reader, "has_labels", False):
            return [word or None for word in reader.read_labels() or ()]  # type: ignore[attr-defined]
        return getattr(reader, "vocabulary", None)

    def has_words(self, reader: Readable) -> bool:
        """Whether a table has a vocabulary; nothing is read."""
        beside = getattr(reader, "has_labels", False) or getattr(reader, "vocabulary", None) is not None
        return beside or reader.table.name in self.given

    def belong_to(self, reader: Readable) -> bool:
        """Whether labels and columns are those of a table: it has a vocabulary, or is the only one that may."""
        first, *others = first_tables(self.tables)
        return self.has_words(reader) or (first is reader and not others)

    def read(self, reader: Readable, num_rows: int) -> tuple[Vocabulary, tuple[str, ...]]:
        """Read the labels and columns of a table with so many rows.

        Returns
        -------
        The vocabulary, and sentences for the user.

        Raises
        ------
        ValueError
            A vocabulary longer than the table, or columns of which nothing matches.
        """
        words = open_vocabulary(self.source_of(reader), num_rows=num_rows)
        check_length(words, num_rows)
        notes: tuple[str, ...] = ()
        missing = num_rows - len(words)
        if missing > max(16, num_rows // 100):
            # A few rows more than words are padding to a round number; many more are another model's vocabulary.
            notes = (
                f"{words.source} has {len(words):,} ids, the table {num_rows:,} rows: the last {missing:,} rows have "
                "no label. Make sure that it is the vocabulary that this model was trained with.",
            )
        given = self.metadata
        metadata: list[Any] = [*given] if isinstance(given, list | tuple) else [given]
        for columns in metadata if given is not None and self.belong_to(reader) else ():
            words = words.with_columns(columns)
        return replace(words, notes=()), (*notes, *words.notes)
