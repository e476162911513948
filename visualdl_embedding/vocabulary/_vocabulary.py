"""Labels and additional columns by row id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.suggest import did_you_mean
from visualdl_embedding.vocabulary._labels import LabelIndex, Labels
from visualdl_embedding.vocabulary._metadata import Key, Metadata, MetadataLike, read_metadata
from visualdl_embedding.vocabulary._text import first_few
from visualdl_embedding.vocabulary._tokens import Style, are_words, compose, style_of, token_kind

__all__ = ["RowNumbers", "Vocabulary"]

_ROW = re.compile(r"(?:row )?(0|[1-9]\d{0,17})", re.ASCII)
_WITH_ID = re.compile(r"(.*) \((\d{1,18})\)", re.DOTALL)


@dataclass(frozen=True)
class RowNumbers(Sequence[str]):
    """Labels ``row 0``, ``row 1``, …, created on access: 10,000,000 strings would take 1.2 GB.

    >>> list(RowNumbers(3))
    ['row 0', 'row 1', 'row 2']
    """

    num_rows: int

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, index: Any) -> Any:
        numbers = range(self.num_rows)[index]
        return tuple(f"row {i}" for i in numbers) if isinstance(numbers, range) else f"row {numbers}"


@dataclass(frozen=True)
class Vocabulary:
    """Labels and columns of a table's row ids.

    Attributes
    ----------
    labels
        Labels by row id; None or ``""`` if an id has no label. `RowNumbers` without a vocabulary.
    columns
        Additional columns by name, each by row id; ``""`` for unknown values. The library uses the columns
        ``"frequency"`` and ``"group"``.
    source
        Source of the vocabulary, for messages.
    notes
        Messages for the user: an unusual encoding, ids without a label, metadata without a matching label.
    unmatched
        Labels of the metadata that are not in the vocabulary, with their columns; they may be composed.
    composes
        Whether missing words may be composed of the labels.
    """

    labels: Sequence[str | None]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = "the vocabulary"
    notes: tuple[str, ...] = ()
    unmatched: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    composes: bool = True

    def __post_init__(self) -> None:
        for name, values in self.columns.items():
            if len(values) != len(self.labels):
                raise ValueError(f"Column {name!r} has {len(values)} values for {len(self.labels)} labels.")

    def __repr__(self) -> str:
        return f"<Vocabulary of {len(self)} ids with columns {sorted(self.columns)} from {self.source}>"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def is_numbered(self) -> bool:
        """Whether the labels are row numbers."""
        return isinstance(self.labels, RowNumbers)

    @cached_property
    def _index(self) -> LabelIndex:
        """Ids by label; of row numbers `ids_of` parses the label."""
        return LabelIndex(self.labels)

    @cached_property
    def style(self) -> Style:
        """Marking of subword pieces."""
        return style_of(self.labels[-1:] if self.is_numbered else self.labels)

    def kind_of(self, row_id: int) -> str:
        """Return the kind of a row's label as in `token_kind`, or ``"no label"``."""
        label = self.labels[row_id] if row_id < len(self.labels) else None
        return token_kind(label, sentencepiece=self.style.sentencepiece) if label else "no label"

    def ordinary(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return ``(m,)``: whether the first and last bytes of a row's label show that it is a word.

        False requires `kind_of`, which takes a microsecond per row. Only the labels of `open_vocabulary` are examined.
        """
        found = np.zeros(len(ids), dtype=bool)
        if isinstance(self.labels, Labels):
            inside = np.flatnonzero(ids < len(self.labels))
            inside = inside[~self.labels.empty[ids[inside]]]
            found[inside] = are_words(*self.labels.ends(ids[inside]), sentencepiece=self.style.sentencepiece)
        return found

    def ids_of(self, label: str) -> tuple[int, ...]:
        """Return all ids with exactly this label, ascending. Without a vocabulary ``"5"`` is ``"row 5"`` too.

        >>> Vocabulary(("a", "b", None, "a")).ids_of("a")
        (0, 3)
        """
        if self.is_numbered:
            found = _ROW.fullmatch(label)
            return (int(found[1]),) if found and int(found[1]) < len(self) else ()
        return self._index.ids(label) if label else ()

    def name_of(self, row_id: int) -> str:
        """Return the display label of a row: ``label (id)`` if several rows have the label.

        >>> Vocabulary(("a", "b", None, "a")).name_of(3)
        'a (3)'
        """
        name = self.labels[row_id]
        if not name:
            raise ValueError(f"Row {row_id} has no label in {self.source}.")
        if not self.is_numbered and len(self._index.ids(name)) > 1:
            # Another row may have the label 'a (3)'.
            while name in self._index:
                name = f"{name} ({row_id})"
        return name

    def find(self, label: str) -> tuple[int, ...]:
        """Return the ids of a user's label: an exact match, else a display label, else ``▁label``."""
        return self.ids_of(label) or self._shown_as(label) or self._begun(label)

    def find_all(self, label: str) -> tuple[int, ...]:
        """Like `find`, but with SentencePiece both ``label`` and ``▁label``, for columns and groups of words."""
        if not self.style.sentencepiece:
            return self.find(label)
        return tuple(dict.fromkeys((*self.ids_of(label), *self._begun(label)))) or self._shown_as(label)

    def _shown_as(self, label: str) -> tuple[int, ...]:
        name, row_id = label, None
        while found := _WITH_ID.fullmatch(name):
            name, number = found[1], int(found[2])
            if row_id not in (None, number) or number >= len(self.labels):
                return ()
            row_id = number
            if self.labels[row_id] == name:
                return (row_id,)
        return ()

    def _begun(self, label: str) -> tuple[int, ...]:
        return self.ids_of(f"▁{label}") if self.style.sentencepiece else ()

    def compose(self, word: str) -> tuple[int, ...] | None:
        """Return the ids of the pieces of a word, or None. A repeated piece has its lowest id."""
        return compose(word, self._index, self.style) if self.composes and not self.is_numbered else None

    def suggest(self, label: str) -> str:
        """Return an unknown label with the closest known labels, for a message."""
        return f"{label!r} ({did_you_mean(label, self.labels, limit=3, otherwise='no similar label')})"

    def with_columns(self, metadata: MetadataLike) -> Vocabulary:
        """Return a new vocabulary with columns, or values of existing columns, from any input of `read_metadata`.

        Entries without a matching label are listed in `unmatched` and counted in `notes`.

        Raises
        ------
        ValueError
            If nothing matches: no label, no id, and no label that can be composed of the vocabulary's labels.
        """
        metadata = read_metadata(metadata)
        source = metadata.source
        columns = {name: list(values) for name, values in self.columns.items()}
        unmatched = {label: dict(values) for label, values in self.unmatched.items()}
        places: dict[Key, tuple[int, ...]] = {}
        for name, values in metadata.columns.items():
            column = columns.setdefault(name, [""] * len(self.labels))
            for key, value in values.items():
                if key not in places:
                    places[key] = self._places(key)
                for i in places[key]:
                    column[i] = value
                if isinstance(key, str) and not places[key]:
                    unmatched.setdefault(key, {})[name] = value
        lost = [key for key, ids in places.items() if not ids]
        few = first_few([_shown(key) for key in lost], 3)
        if len(lost) == len(places) and not any(isinstance(key, str) and self.compose(key) for key in lost):
            raise ValueError(
                f"No entry of {source} matches {self.source}: its entries begin {few}{self._hint(metadata, lost)}"
            )
        notes = (*self.notes, *metadata.notes)
        if lost:
            notes += (f"{len(lost)} of {len(places)} entries of {source} are not in {self.source}: {few}.",)
        return replace(self, columns={n: tuple(v) for n, v in columns.items()}, unmatched=unmatched, notes=notes)

    def _places(self, key: Key) -> tuple[int, ...]:
        if isinstance(key, str):
            return self.find_all(key)
        if isinstance(key, tuple):
            label, row_id = key
            return (row_id,) if row_id < len(self.labels) and self.labels[row_id] == label else ()
        return (key,) if key < len(self.labels) else ()

    def _hint(self, metadata: Metadata, lost: list[Key]) -> str:
        example = [label for label in self.labels[:1000] if label][:3]
        hint = f"; the vocabulary's {len(self.labels)} labels begin {first_few(example)}."
        if any(self.ids_of(name) for name in metadata.columns):
            return f"{hint} Its outer keys are labels; key it by column: {{column: {{label: value}}}}."
        if any(isinstance(key, tuple) for key in lost):
            return f"{hint} Both its columns 'id' and 'label' must agree with the vocabulary; leave out the wrong one."
        if any(isinstance(key, int) for key in lost):
            return f"{hint} An id must be a row number of the table; rename the column if it holds something else."
        return hint


def _shown(key: Key) -> str:
    return key if isinstance(key, str) else f"{key[0]} ({key[1]})" if isinstance(key, tuple) else f"id {key}"
