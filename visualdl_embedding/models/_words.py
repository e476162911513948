"""Vocabulary and columns of a model's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from visualdl_embedding.core.table import Readable
from visualdl_embedding.files import first_tables
from visualdl_embedding.vocabulary import MetadataLike, Vocabulary, VocabularyLike, check_length, open_vocabulary

__all__ = ["Words"]


@dataclass(frozen=True)
class Words:
    """Vocabulary and columns given for a model, and the tables that they belong to.

    A mapping whose keys are table names holds one vocabulary per table. Any other vocabulary belongs to the table of
    the lowest `visualdl_embedding.files.StoredTable.priority`, and among several of these to the smallest with enough
    rows. Other tables use the words in their file, else the vocabulary file next to the model, else row numbers as
    labels.
    """

    tables: tuple[Readable, ...]
    vocabulary: VocabularyLike | Mapping[str, VocabularyLike] | None = None
    metadata: MetadataLike | Sequence[MetadataLike] | None = None

    @cached_property
    def given(self) -> Mapping[str, Any]:
        """Given vocabularies by table name."""
        vocabulary = self.vocabulary
        if vocabulary is None:
            return {}
        if isinstance(vocabulary, Mapping) and vocabulary and {*vocabulary} <= {r.table.name for r in self.tables}:
            return dict(vocabulary)
        tables = [reader.table for reader in first_tables(self.tables)]
        if len(tables) == 1:
            return {tables[0].name: vocabulary}
        opened = open_vocabulary(vocabulary)
        fitting = [table for table in tables if table.num_rows >= len(opened)]
        if not fitting:
            sizes = ", ".join(f"{table.name} ({table.num_rows:,})" for table in tables)
            raise ValueError(
                f"The vocabulary has {len(opened):,} labels, more than any table has rows: {sizes}. "
                "Give the vocabulary that the model was built with."
            )
        return {min(fitting, key=lambda table: table.num_rows).name: opened}

    def has_words(self, reader: Readable) -> bool:
        """Whether a table has a vocabulary. Reads nothing."""
        own = getattr(reader, "has_labels", False) or getattr(reader, "vocabulary", None) is not None
        return own or reader.table.name in self.given

    def read(self, reader: Readable, num_rows: int) -> tuple[Vocabulary, tuple[str, ...]]:
        """Read the vocabulary of a table with `num_rows` rows; return it and notes for the user."""
        source = self.given.get(reader.table.name, getattr(reader, "vocabulary", None))
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
        only = [first is reader for first in first_tables(self.tables)] == [True]
        if self.metadata is not None and (only or self.has_words(reader)):
            given: Any = self.metadata
            for columns in given if isinstance(given, list | tuple) else [given]:
                words = words.with_columns(columns)
        return replace(words, notes=()), (*notes, *words.notes)
