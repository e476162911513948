"""Table of a model: words, rows, snapshots, neighbors and axes."""

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
from visualdl_embedding.core.neighbors import Distance
from visualdl_embedding.core.progress import Progress
from visualdl_embedding.core.query import Axis, Match, axis_between, combine, nearest_rows, position_on_axis
from visualdl_embedding.core.rows import COMPOSED, Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Readable, Table
from visualdl_embedding.vocabulary import KEEP, RowsLike, Vocabulary, select_rows

if TYPE_CHECKING:
    from visualdl_embedding.models._model import Words

__all__ = ["ModelTable", "Progress", "silent"]

Floats = NDArray[np.float32]


def silent(part: str, done: int, total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, eq=False)
class ModelTable:
    """Table of a model with the meaning of its rows. Reads on first use; the vocabulary is read once."""

    reader: Readable
    words: Words
    keep: Iterable[str] = ()
    """Rows other than words that can be chosen and be answers: any of ``"special"``, ``"subword"``, ``"padding"``."""

    def __str__(self) -> str:
        return str(self.table)

    @property
    def table(self) -> Table:
        """Name, shape, type, padding row."""
        return self.reader.table

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.table.name

    @property
    def num_rows(self) -> int:
        """Number of rows that can be read; for a run, the number of watched rows."""
        return int(getattr(self.reader, "num_rows", self.table.num_rows))

    def read_rows(self, ids: NDArray[np.int64], /) -> Floats:
        """Read selected rows: ``(m, d)`` float32."""
        return self.reader.read_rows(ids)

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Read all rows in blocks: the number of the first row, and ``(b, d)`` float32."""
        return self.reader.blocks()

    @property
    def vocabulary(self) -> Vocabulary:
        """Labels and columns by row. Reading raises ValueError if it does not fit the table or the metadata."""
        return self._read_words[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user about the vocabulary and the metadata."""
        return self._read_words[1]

    @cached_property
    def _read_words(self) -> tuple[Vocabulary, tuple[str, ...]]:
        return self.words.read(self.reader, self.num_rows)

    @property
    def has_words(self) -> bool:
        """Whether there is a vocabulary. Without one, row numbers are the labels."""
        return self.words.has_words(self.reader)

    @property
    def origin(self) -> str:
        """Source of the labels, without folders; ``""`` without a vocabulary."""
        return self._without_folders(self.vocabulary.source) if self.has_words else ""

    def counters(self, *, on_progress: Progress = silent) -> dict[str, float]:
        """Compute `visualdl_embedding.files.table_counters` over the whole table, in blocks."""
        return files.table_counters(self, on_progress=lambda done, total: on_progress("counters", done, total))

    def choose_rows(
        self,
        *,
        rows: RowsLike | None = None,
        watch: Iterable[str | int] = (),
        groups: Mapping[str, Iterable[str]] | None = None,
        random_state: int = 42,
    ) -> Rows:
        """Choose rows without reading vectors.

        Parameters
        ----------
        rows, watch, groups, random_state
            As in `visualdl_embedding.vocabulary.select_rows`. ``rows=None``: 500, or all rows of a run.

        Raises
        ------
        ValueError, TypeError
            As in `select_rows`.
        """
        return select_rows(
            self.vocabulary,
            num_rows=self.num_rows,
            rows=500 if rows is None else rows,
            watch=watch,
            padding_idx=self.table.padding_idx,
            keep=self.keep,
            random_state=random_state,
            groups=groups,
        )

    def snapshot(
        self,
        *,
        rows: RowsLike | None = None,
        watch: Iterable[str | int] = (),
        groups: Mapping[str, Iterable[str]] | None = None,
        step: int = 0,
        random_state: int = 42,
        on_progress: Progress = silent,
    ) -> Snapshot:
        """Choose rows and read only those.

        Snapshots of saved models include `counters`; those of tables in memory do not.

        Parameters
        ----------
        rows, watch, groups, random_state
            As in `choose_rows`.
        step
            Step of the snapshot; ignored for a run.
        on_progress
            Called with ``"rows"`` or ``"counters"``, the number of units done, and of all units.
        """
        chosen = self.choose_rows(rows=rows, watch=watch, groups=groups, random_state=random_state)
        on_progress("rows", 0, 1)
        vectors = self.vectors_of(chosen)
        on_progress("rows", 1, 1)
        # A saved model does not change, so it is counted once.
        if hasattr(self.reader, "path") and not self._counted:
            self._counted.update(self.counters(on_progress=on_progress))
        return Snapshot(self.name, step, chosen, vectors, dict(self._counted), notes=self._notes_on(rows, chosen))

    @cached_property
    def _counted(self) -> dict[str, float]:
        return {}

    def _notes_on(self, asked: Any, rows: Rows) -> tuple[str, ...]:
        missing = "No vocabulary was given or found next to the model: rows are labeled by their numbers."
        notes = [] if self.has_words else [missing]
        notes += map(self._without_folders, self.notes)
        if isinstance(asked, int | np.integer) and len(rows) < asked:
            notes.append(
                f"{asked:,} rows were requested; the table has {self.num_rows:,}, of which {len(rows):,} can be shown. "
                "All of these are shown."
            )
        if rows.left_out:
            counted = ", ".join(f"{count:,} ({reason})" for reason, count in rows.left_out.items())
            notes.append(f"Left out: {counted}.")
        return tuple(notes)

    def _without_folders(self, text: str) -> str:
        """Remove folders from file names, because reports are passed on."""
        words = self.words
        given = words.given.get(self.name)
        columns = words.columns_of(self.reader)
        for path in (words.vocabulary, given, getattr(self.reader, "vocabulary", None), *columns):
            if isinstance(path, str | os.PathLike):
                text = text.replace(str(path), Path(path).name)
        return text

    def with_axes(
        self,
        snapshot: Snapshot,
        axes: Iterable[tuple[Sequence[str | int], Sequence[str | int]]],
        *,
        distance: Distance = "cosine",
    ) -> Snapshot:
        """Add a column ``"悲伤 → 高兴"`` for each axis, with the position of each row of a snapshot on it."""
        columns = dict(snapshot.rows.columns)
        for begin, end in axes:
            places = position_on_axis(snapshot.vectors, self.axis(begin, end, distance=distance))
            name = f"{'、'.join(map(str, begin))} → {'、'.join(map(str, end))}"
            columns[name] = tuple("" if x != x else f"{x:.4f}" for x in places.tolist())
        return replace(snapshot, rows=replace(snapshot.rows, columns=columns))

    @cached_property
    def no_answer(self) -> NDArray[np.bool_]:
        """``(num_rows,)`` bool: True for the padding row, rows without a label, special tokens, pieces of words."""
        words, padding = self.vocabulary, self.table.padding_idx
        kinds = {"word", *self.keep}
        skipped = np.zeros(self.num_rows, dtype=np.bool_)
        if not words.is_numbered:
            skipped[:] = [words.kind_of(row) not in kinds for row in range(self.num_rows)]
        if padding is not None and "padding" not in kinds:
            skipped[padding] = True
        return skipped

    def find(self, words: str | int | Sequence[str | int]) -> Rows:
        """Find one or several words by label or id; missing words are composed of pieces if possible.

        Raises
        ------
        ValueError
            If a word is missing (the message names the nearest ones), or several rows have its label.
        """
        asked = [words] if isinstance(words, str | int) else list(words)
        rows = select_rows(self.vocabulary, num_rows=self.num_rows, rows=asked, keep=KEEP)
        if len(rows) < len(dict.fromkeys(asked)):
            raise ValueError(
                f"Not all of {', '.join(map(repr, asked))} are rows with a label of their own; choose others."
            )
        return rows

    def has(self, label: str | int) -> bool:
        """Whether there is a row with an id, or with a label that can also be composed of the table's tokens."""
        if not isinstance(label, str):
            return 0 <= label < self.num_rows
        return bool(self.vocabulary.find(label) or self.vocabulary.compose(label))

    def known(self, labels: Iterable[str]) -> list[str]:
        """List the labels that are in the table or can be composed of its tokens."""
        words = self.vocabulary
        return [label for label in labels if len(words.find(label)) == 1 or words.compose(label)]

    def vectors(self, words: str | int | Sequence[str | int]) -> Floats:
        """Read the vectors of words, ``(len(words), d)`` float32; errors as in `find`."""
        return self.vectors_of(self.find(words))

    def vectors_of(self, rows: Rows) -> Floats:
        """Read the vectors of rows from `find`, ``(n, d)`` float32."""
        return rows.assemble(self.reader.read_rows(rows.gather_ids))

    def id_of(self, row: int) -> int:
        """Id of a row from `find` or `blocks`; -1 for a composed word."""
        return row

    def closest(
        self, word: str | int | Floats, *, k: int = 20, distance: Distance = "cosine", exclude: Sequence[str | int] = ()
    ) -> tuple[Match, ...]:
        """Find the words nearest to a word or a vector in the whole table.

        Parameters
        ----------
        word
            Label or id, excluded from the answers, or a vector ``(d,)``.
        k
            Maximum number of answers.
        distance
            ``"cosine"`` or ``"euclidean"``.
        exclude
            More words to exclude.

        Returns
        -------
        Answers by distance, then by row.

        Raises
        ------
        ValueError
            As in `find`, and if a vector has another width or is not finite.
        """
        skipped = self.no_answer.copy()
        if isinstance(word, np.ndarray):
            target = word
            if target.shape != (self.table.dim,):
                raise ValueError(f"Give a label, an id, or a vector ({self.table.dim},); {target.shape} was given.")
        else:
            target, exclude = self.vectors(word)[0], [word, *exclude]
        for excluded in exclude:
            rows = self.find(excluded).ids
            skipped[rows[rows != COMPOSED]] = True
        found = nearest_rows(self.reader.blocks(), target, k=k, distance=distance, skipped=skipped)
        name_of = self.vocabulary.name_of
        return tuple(Match(name_of(row), self.id_of(row), cosine, away) for row, cosine, away in found)

    def solve_analogy(
        self, plus: Sequence[str | int], minus: Sequence[str | int] = (), *, k: int = 20
    ) -> tuple[Match, ...]:
        """Find the words nearest by cosine to a sum of words, such as 国王 - 男 + 女.

        References
        ----------
        Levy and Goldberg 2014, "Linguistic regularities in sparse and explicit word representations".
        """
        none = np.empty((0, self.table.dim), dtype=np.float32)
        target = combine(*(self.vectors(words) if words else none for words in (plus, minus)))
        return self.closest(target, k=k, exclude=[*plus, *minus])

    def axis(
        self,
        a: str | int | Sequence[str | int],
        b: str | int | Sequence[str | int],
        *,
        distance: Distance = "cosine",
    ) -> Axis:
        """Axis from one word to another, or between the means of two groups of words."""
        return axis_between(self.vectors(a), self.vectors(b), distance=distance)

    def positions(self, axis: Axis) -> Floats:
        """Position of every row on an axis, ``(num_rows,)`` float32; NaN for rows that are no words or not finite."""
        places = np.full(self.num_rows, np.nan, dtype=np.float32)
        for start, block in self.reader.blocks():
            places[start : start + len(block)] = position_on_axis(block, axis)
        places[self.no_answer] = np.nan
        return places
