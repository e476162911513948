"""Labels and further columns by row id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from visualdl_embedding.core.suggest import did_you_mean
from visualdl_embedding.vocabulary._forms import MetadataLike
from visualdl_embedding.vocabulary._metadata import Key, Metadata, read_metadata
from visualdl_embedding.vocabulary._numbers import NumberIndex, RowNumbers
from visualdl_embedding.vocabulary._text import first_few
from visualdl_embedding.vocabulary._tokens import Style, compose, style_of

__all__ = ["Vocabulary"]

_WITH_ID = re.compile(r"(.*) \((\d{1,18})\)", re.DOTALL)


@dataclass(frozen=True)
class Vocabulary:
    """What the row ids of a table mean.

    Attributes
    ----------
    labels
        By row id; None or ``""`` where an id has no label. `RowNumbers` where the rows have no words.
    columns
        Further columns by name, by row id, ``""`` where nothing is known. ``"frequency"`` and ``"group"`` are the names
        that the rest of the library knows.
    source
        Where it came from, for messages.
    notes
        Sentences for the user: a foreign encoding, ids without a label, metadata that met no label.
    unmatched
        Labels of the metadata that are not in the vocabulary, with their columns; they can be composed.
    composes
        Whether an absent word may be composed of the labels.
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
        """Whether the labels are nothing but the numbers of the rows."""
        return isinstance(self.labels, RowNumbers)

    @cached_property
    def _first(self) -> Mapping[str, int]:
        """The lowest id of every label."""
        if isinstance(self.labels, RowNumbers):
            return NumberIndex(self.labels)
        # Backwards, for the last one written wins.
        return {label: i for i, label in _backwards(self.labels) if label}

    @cached_property
    def _repeated(self) -> dict[str, tuple[int, ...]]:
        """All ids of the labels that several carry."""
        if self.is_numbered:
            return {}
        repeated: dict[str, list[int]] = {}
        for i, label in enumerate(self.labels):
            if label and self._first[label] != i:
                repeated.setdefault(label, [self._first[label]]).append(i)
        return {label: tuple(ids) for label, ids in repeated.items()}

    @cached_property
    def style(self) -> Style:
        """How pieces of words are marked."""
        return style_of(self.labels[-1:] if self.is_numbered else self.labels)

    def ids_of(self, label: str) -> tuple[int, ...]:
        """All ids that carry exactly this label, ascending.

        >>> Vocabulary(("a", "b", None, "a")).ids_of("a")
        (0, 3)
        """
        if label in self._repeated:
            return self._repeated[label]
        return (self._first[label],) if label in self._first else ()

    def name_of(self, row_id: int) -> str:
        """Label under which a row is shown: ``label (id)`` where several carry it.

        >>> Vocabulary(("a", "b", None, "a")).name_of(3)
        'a (3)'
        """
        name = self.labels[row_id]
        if not name:
            raise ValueError(f"Row {row_id} has no label in {self.source}.")
        if name in self._repeated:
            # Another row may be labeled 'a (3)' itself.
            while name in self._first:
                name = f"{name} ({row_id})"
        return name

    def find(self, label: str) -> tuple[int, ...]:
        """Ids that a user's label means: those that carry it, else those shown as it, else ``▁label``."""
        return self.ids_of(label) or self._shown_as(label) or self._begun(label)

    def find_all(self, label: str) -> tuple[int, ...]:
        """As `find`, but with SentencePiece both ``label`` and ``▁label``: for columns and groups of words."""
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
        """Ids of the pieces that make up a word, or None; a repeated piece counts with its lowest id."""
        return compose(word, self._first, self.style) if self.composes else None

    def suggest(self, label: str) -> str:
        """Name an unknown label with the nearest known ones, for a message."""
        return f"{label!r} ({did_you_mean(label, self.labels, limit=3, otherwise='nothing like it')})"

    def with_columns(self, metadata: MetadataLike) -> Vocabulary:
        """Add columns, or values to columns that there are.

        Parameters
        ----------
        metadata
            Whatever `read_metadata` takes.

        Returns
        -------
        A new vocabulary. What met no label stands in `unmatched` and is counted in `notes`.

        Raises
        ------
        ValueError
            Nothing matches: no label, no id, and no label that could be composed of the vocabulary's.
        """
        metadata = read_metadata(metadata)
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
        if len(lost) == len(places) and not any(isinstance(key, str) and self.compose(key) for key in lost):
            raise ValueError(self._nothing_matches(metadata, lost))
        notes = (*self.notes, *metadata.notes)
        if lost:
            few = first_few([_shown(key) for key in lost], 3)
            notes += (f"{len(lost)} of {len(places)} entries of {metadata.source} are not in {self.source}: {few}.",)
        return replace(self, columns={n: tuple(v) for n, v in columns.items()}, unmatched=unmatched, notes=notes)

    def _places(self, key: Key) -> tuple[int, ...]:
        if isinstance(key, str):
            return self.find_all(key)
        if isinstance(key, tuple):
            label, row_id = key
            return (row_id,) if row_id < len(self.labels) and self.labels[row_id] == label else ()
        return (key,) if key < len(self.labels) else ()

    def _nothing_matches(self, metadata: Metadata, lost: list[Key]) -> str:
        few = first_few([_shown(key) for key in lost], 3)
        message = f"Nothing of {metadata.source} matches {self.source}: it names {few}"
        example = [label for label in self.labels[:1000] if label][:3]
        message += f"; the vocabulary's {len(self.labels)} labels begin {first_few(example)}."
        if any(self.ids_of(name) for name in metadata.columns):
            message += " Its outer keys are labels: turn it round to {column: {label: value}}."
        elif any(isinstance(key, tuple) for key in lost):
            message += " Both its columns 'id' and 'label' must agree with the vocabulary; leave out the wrong one."
        elif any(isinstance(key, int) for key in lost):
            message += " An id is the number of a row of the table; rename the column if it is something else."
        return message


def _backwards(labels: Sequence[str | None]) -> Iterator[tuple[int, str | None]]:
    return zip(range(len(labels) - 1, -1, -1), reversed(labels), strict=True)


def _shown(key: Key) -> str:
    return key if isinstance(key, str) else f"{key[0]} ({key[1]})" if isinstance(key, tuple) else f"id {key}"
