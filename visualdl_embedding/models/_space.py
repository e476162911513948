"""A saved table with its words, to be asked: the nearest of a word, sums of words, lines between words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.query import Axis, Match, axis_between, combine, nearest_rows, position_on_axis
from visualdl_embedding.core.rows import COMPOSED, Rows
from visualdl_embedding.core.table import Table
from visualdl_embedding.vocabulary import Vocabulary, open_vocabulary, select_rows, token_kind

if TYPE_CHECKING:
    from visualdl_embedding.files import StoredTable

__all__ = ["Readable", "Space", "open_space", "words_of"]

Floats = NDArray[np.float32]


class Readable(Protocol):
    """A table that is read a few rows or a block at a time, as `visualdl_embedding.files.StoredTable` is."""

    @property
    def table(self) -> Table:
        """Name, shape, type, padding row."""

    def read_rows(self, ids: NDArray[np.int64], /) -> Floats:
        """Read only these rows: ``(m, d)`` float32."""

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Read all rows in order: the number of a block's first, and ``(b, d)`` float32."""


def open_space(
    model: str | os.PathLike[str], *, table: str | None = None, vocabulary: Any = None, keep: Sequence[str] = ()
) -> Space:
    """Open a saved model's table for questions; nothing is loaded until one is asked.

    Parameters
    ----------
    model
        A path that `visualdl_embedding.files.open_tables` takes.
    table
        Which table of the model, by name; needed only where several are candidates.
    vocabulary
        Any form that `open_vocabulary` takes; None for what is in the model's file or beside it.
    keep
        What else may be an answer: any of ``"special"``, ``"subword"``, ``"padding"``.

    Raises
    ------
    FileNotFoundError, ValueError
        An unreadable model, a table that is not there, or a vocabulary that cannot be this table's.
    """
    from visualdl_embedding.files import choose_table, open_tables

    stored = choose_table(open_tables(model), table)
    words = open_vocabulary(words_of(stored, vocabulary), num_rows=stored.table.num_rows)
    return Space(Path(model).resolve().name, stored, words, tuple(keep))


def words_of(stored: StoredTable, vocabulary: Any) -> Any:
    """Choose the vocabulary: the one given, else the words in the file, else a list that lies beside it.

    Words inside the file belong to its rows for certain; a list that lies beside it most likely does.
    """
    if vocabulary is not None:
        return vocabulary
    return [word or None for word in stored.read_labels() or ()] if stored.has_labels else stored.vocabulary


@dataclass(frozen=True)
class Space:
    """A table and what its rows mean.

    Attributes
    ----------
    name
        Of the model, for people.
    stored
        The table, not read.
    vocabulary
        Labels by row id.
    keep
        What else than words may be an answer.
    """

    name: str
    stored: Readable
    vocabulary: Vocabulary
    keep: tuple[str, ...] = ()

    @cached_property
    def no_answer(self) -> NDArray[np.bool_]:
        """``(V,)`` bool: the padding row, rows without a label, special tokens, pieces of words."""
        table, words = self.stored.table, self.vocabulary
        skipped = np.ones(table.num_rows, dtype=bool)
        kinds = {"word", *self.keep}
        sentencepiece = words.style.sentencepiece
        skipped[: len(words)] = [
            not label or token_kind(label, sentencepiece=sentencepiece) not in kinds for label in words.labels
        ]
        if table.padding_idx is not None and "padding" not in self.keep:
            skipped[table.padding_idx] = True
        return skipped

    def rows(self, words: Sequence[str | int]) -> Rows:
        """Find words, by label or id; one that is absent is composed of its pieces where that is possible.

        Raises
        ------
        ValueError
            For a word that is not there (the message names the nearest) or whose label several rows carry.
        """
        asked = list(words)
        rows = select_rows(
            self.vocabulary, num_rows=self.stored.table.num_rows, rows=asked, keep=("special", "subword", "padding")
        )
        if len(rows) < len(dict.fromkeys(asked)):
            raise ValueError(f"Not all of {', '.join(map(repr, asked))} are rows with a label of their own.")
        return rows

    def vectors(self, words: Sequence[str | int]) -> Floats:
        """Read the vectors of words, ``(len(words), d)`` float32; errors as for `rows`."""
        rows = self.rows(words)
        return rows.assemble(self.stored.read_rows(rows.gather_ids))

    def closest(
        self, word: str | int, *, k: int = 20, distance: Distance = "cosine", exclude: Sequence[str | int] = ()
    ) -> tuple[Match, ...]:
        """Find the words nearest to a word in the whole table, the nearest first.

        Parameters
        ----------
        word
            Label or id; it is no answer itself.
        k
            How many, at most.
        distance
            ``"cosine"`` or ``"euclidean"``.
        exclude
            Words that are no answer.
        """
        rows = self.rows([word])
        vector = rows.assemble(self.stored.read_rows(rows.gather_ids))[0]
        return self._closest(
            vector, k=k, distance=distance, excluded=[rows, *([self.rows(exclude)] if exclude else [])]
        )

    def solve_analogy(
        self, plus: Sequence[str | int], minus: Sequence[str | int] = (), *, k: int = 20
    ) -> tuple[Match, ...]:
        """Find the words nearest, by cosine, to a sum and difference of words: 国王 - 男 + 女.

        References
        ----------
        Levy and Goldberg 2014, "Linguistic regularities in sparse and explicit word representations".
        """
        if not plus:
            raise ValueError("Nothing to add: plus needs at least one word.")
        added, taken = self.rows(plus), self.rows(minus) if minus else None
        labels = [*added.labels, *(taken.labels if taken else ())]
        vectors = [self.vectors(plus), *([self.vectors(minus)] if minus else [])]
        target = combine(np.concatenate(vectors), labels, plus=added.labels, minus=taken.labels if taken else ())
        return self._closest(target, k=k, distance="cosine", excluded=[added, *([taken] if taken else [])])

    def _closest(self, target: Floats, *, k: int, distance: Distance, excluded: Sequence[Rows]) -> tuple[Match, ...]:
        skipped = self.no_answer.copy()
        for rows in excluded:
            skipped[rows.ids[rows.ids != COMPOSED]] = True
        found = nearest_rows(self.stored.blocks(), target, k=k, distance=distance, skipped=skipped)
        return tuple(Match(self.vocabulary.name_of(row), row, cosine, away) for row, cosine, away in found)

    def axis(self, a: Sequence[str | int], b: Sequence[str | int], *, distance: Distance = "cosine") -> Axis:
        """Draw the line from a word (or a group of words, by their mean) to another."""
        return axis_between(self.vectors(a), self.vectors(b), distance=distance)

    def positions(self, axis: Axis) -> Floats:
        """Tell where on a line every row falls; ``(V,)`` float32, NaN for what is no word or not usable."""
        places = np.full(self.stored.table.num_rows, np.nan, dtype=np.float32)
        for start, block in self.stored.blocks():
            places[start : start + len(block)] = position_on_axis(block, axis)
        places[self.no_answer] = np.nan
        return places
