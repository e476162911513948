"""Collector of chosen rows that counts the rows it leaves out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.rows import COMPOSED, Rows
from visualdl_embedding.vocabulary._text import first_few, whole_number
from visualdl_embedding.vocabulary._vocabulary import Vocabulary

__all__ = ["KEEP", "Picker"]

KEEP = ("special", "subword", "padding")
_REASONS = ("", "padding row", "no label", "special token", "subword piece")
_PADDING, _NO_LABEL = 1, 2
_CODES = {"word": 0, "no label": _NO_LABEL, "special": 3, "subword": 4}
"""Position in `_REASONS` by kind of label."""
_SUGGESTED = 5


class Picker:
    """Rows chosen so far."""

    def __init__(self, vocabulary: Vocabulary, num_rows: int, *, padding_idx: int | None, keep: frozenset[str]) -> None:
        self.vocabulary = vocabulary
        self.num_rows = num_rows
        self.strata: dict[int, str] = {}
        """Stratum by id; empty unless the rows are a stratified sample."""
        self.taken: dict[int | str, tuple[int, ...]] = {}
        """Chosen rows in order: ids, and composed words with the ids of their pieces."""
        self._padding = padding_idx
        self._keep = keep
        self._reasons = np.zeros(num_rows, dtype=np.int8)
        self._absent: set[str] = set()

    def sift(self, candidates: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the candidates that are words, and count the others."""
        reasons = self._reasons
        if self.vocabulary.is_numbered:
            reasons[candidates[candidates >= len(self.vocabulary)]] = _NO_LABEL
        else:
            words = self.vocabulary.ordinary(candidates)
            reasons[candidates[words]] = 0
            others = candidates[~words]
            kinds = map(self.vocabulary.kind_of, others.tolist())
            reasons[others] = [0 if kind in self._keep else _CODES[kind] for kind in kinds]
        if self._padding is not None and self._padding in candidates:
            reasons[self._padding] = self._obstacle(self._padding)
        kept: NDArray[np.int64] = candidates[reasons[candidates] == 0]
        return kept

    def _obstacle(self, row_id: int) -> int:
        """Reason code why a row cannot be taken even if it is requested by name, or 0."""
        if row_id == self._padding and "padding" not in self._keep:
            return _PADDING
        return 0 if row_id < len(self.vocabulary) and self.vocabulary.labels[row_id] else _NO_LABEL

    def take_ids(self, ids: NDArray[np.int64]) -> None:
        """Take rows that `sift` returned."""
        self.taken.update((i, ()) for i in ids.tolist())

    def take_words(self, words: Iterable[str]) -> None:
        """Take words of a lexicon: all rows with these labels by id, then composed words. Other words are counted."""
        found = {word: self.vocabulary.find_all(word) for word in words}
        self.take_ids(self.sift(np.unique(np.array([i for ids in found.values() for i in ids], dtype=np.int64))))
        for word in (word for word, ids in found.items() if not ids):
            if pieces := self._compose(word):
                self.taken[word] = pieces
            else:
                self._absent.add(word)

    def take_named(self, asked: list[Any], name: str, *, required: bool = False) -> list[int | str]:
        """Take labels and ids requested in an argument, and return their keys in `taken`.

        A row that cannot be taken is an error if it is `required`; otherwise it is counted.
        """
        keys: dict[int | str, tuple[int, ...]] = {}
        unknown: list[str] = []
        for item in asked:
            if not isinstance(item, str):
                keys[self._row_id(item, name)] = ()
            elif ids := self.vocabulary.find(item):
                keys[self._only(item, ids, name)] = ()
            elif pieces := self._compose(item):
                keys[item] = pieces
            else:
                unknown.append(item)
        if unknown and self.vocabulary.is_numbered and self.vocabulary.composes:
            shown = ", ".join(map(repr, unknown[:_SUGGESTED])) + ", …" * (len(unknown) > _SUGGESTED)
            raise ValueError(
                f"{name} has {shown}, but without a vocabulary rows have numbers only. Pass vocabulary=, or choose "
                "rows by number, such as 5."
            )
        if unknown:
            suggested = [self.vocabulary.suggest(label) for label in unknown[:_SUGGESTED]]
            suggested += [f"and {many} more"] if (many := len(unknown) - _SUGGESTED) > 0 else []
            raise ValueError(
                f"{name} has labels that are not in {self.vocabulary.source} and cannot be composed of its tokens: "
                f"{'; '.join(suggested)}."
            )
        for key in list(keys):
            if isinstance(key, int) and (obstacle := self._obstacle(key)):
                if required and obstacle == _PADDING:
                    raise ValueError(f"{name} has the padding row ({key}); pass keep=['padding'] to include it.")
                if required:
                    raise ValueError(f"{name} has row {key}, which has no label in {self.vocabulary.source}.")
                self._reasons[key] = obstacle
                del keys[key]
        self.taken.update((key, pieces) for key, pieces in keys.items() if key not in self.taken)
        return list(keys)

    def _compose(self, word: str) -> tuple[int, ...] | None:
        pieces = self.vocabulary.compose(word)
        return None if pieces is None or self._padding in pieces else pieces

    def _row_id(self, item: Any, name: str) -> int:
        if (row_id := whole_number(item)) is None:
            raise TypeError(f"{name} must hold labels (strings) or ids (integers), not {item!r}.")
        if not 0 <= row_id < self.num_rows:
            raise ValueError(f"{name} has row {row_id}, but the table has rows 0 to {self.num_rows - 1}.")
        return row_id

    def _only(self, label: str, ids: tuple[int, ...], name: str) -> int:
        if len(ids) > 1:
            shown = [self.vocabulary.name_of(i) for i in ids]
            raise ValueError(
                f"{name} has {label!r}, which is the label of {len(ids)} rows: {', '.join(map(str, ids[:10]))}"
                f"{', …' if len(ids) > 10 else ''}. Choose one as {shown[0]!r}, or by its id."
            )
        return ids[0]

    def finish(self, watched: list[int | str], *, how: str) -> Rows:
        """Return the chosen rows; raise ValueError if there is none."""
        reasons = self._reasons.copy()
        reasons[[key for key in self.taken if isinstance(key, int)]] = 0
        counts = np.bincount(reasons, minlength=len(_REASONS)).tolist()
        left_out = {reason: n for reason, n in zip(_REASONS, counts, strict=True) if reason and n}
        if self._absent:
            left_out["not in the vocabulary"] = len(self._absent)
        if not self.taken:
            counted = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none"
            raise ValueError(
                f"No rows to watch among {how} in {self.vocabulary.source}; left out: {counted}. "
                f"Pass keep= with any of {first_few(list(KEEP))} to include them."
            )
        vocabulary = self.vocabulary
        names = {key: key if isinstance(key, str) else vocabulary.name_of(key) for key in self.taken}
        columns = {
            column: tuple(
                vocabulary.unmatched.get(key, {}).get(column, "") if isinstance(key, str) else values[key]
                for key in self.taken
            )
            for column, values in vocabulary.columns.items()
        }
        if self.strata:
            columns["stratum"] = tuple("" if isinstance(k, str) else self.strata.get(k, "") for k in self.taken)
        pieces = {i: found for i, (key, found) in enumerate(self.taken.items()) if isinstance(key, str)}
        if pieces:
            spelt = {i: " ".join(vocabulary.name_of(piece) for piece in found) for i, found in pieces.items()}
            columns["pieces"] = tuple(spelt.get(i, "") for i in range(len(self.taken)))
        return Rows(
            ids=np.array([COMPOSED if isinstance(key, str) else key for key in self.taken], dtype=np.int64),
            labels=tuple(names.values()),
            columns=columns,
            pieces=pieces,
            watch=tuple(names[key] for key in watched),
            left_out=left_out,
            how=how,
        )
