"""Collector of chosen rows that counts the rows it leaves out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.rows import COMPOSED, Rows
from visualdl_embedding.vocabulary._text import first_few, whole_number
from visualdl_embedding.vocabulary._tokens import token_kind
from visualdl_embedding.vocabulary._vocabulary import Vocabulary

__all__ = ["KEEP", "Picker"]

KEEP = ("special", "subword", "padding")
_REASONS = ("", "padding row", "no label", "special token", "subword piece")
_PADDING, _NO_LABEL, _SPECIAL, _SUBWORD = 1, 2, 3, 4
_SUGGESTED = 5


class Picker:
    """Rows chosen so far.

    Attributes
    ----------
    taken
        Chosen rows in order: ids, and composed words with the ids of their pieces.
    strata
        Stratum by id; empty unless the rows are a stratified sample.
    """

    def __init__(self, vocabulary: Vocabulary, num_rows: int, *, padding_idx: int | None, keep: frozenset[str]) -> None:
        self.vocabulary = vocabulary
        self.num_rows = num_rows
        self.strata: dict[int, str] = {}
        self.taken: dict[int | str, tuple[int, ...]] = {}
        self._padding = padding_idx
        self._keep = keep
        self._reasons = np.zeros(num_rows, dtype=np.int8)
        self._absent: set[str] = set()

    def sift(self, candidates: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the candidates that are words, and count the others."""
        known = len(self.vocabulary)
        reasons = self._reasons
        reasons[candidates[candidates >= known]] = _NO_LABEL
        if not self.vocabulary.is_numbered:
            labeled = candidates[candidates < known]
            reasons[labeled] = self._reasons_of(labeled)
        if self._padding is not None and self._padding in candidates:
            reasons[self._padding] = self._obstacle(self._padding)
        kept: NDArray[np.int64] = candidates[reasons[candidates] == 0]
        return kept

    def _reasons_of(self, ids: NDArray[np.int64]) -> list[int]:
        labels, sentencepiece = self.vocabulary.labels, self.vocabulary.style.sentencepiece
        codes = {"word": 0, "special": _SPECIAL, "subword": _SUBWORD}
        codes |= {kind: 0 for kind in self._keep if kind in codes}
        return [
            codes[token_kind(label, sentencepiece=sentencepiece)] if (label := labels[i]) else _NO_LABEL
            for i in ids.tolist()
        ]

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
        found: set[int] = set()
        absent = []
        for word in words:
            ids = self.vocabulary.find_all(word)
            found.update(ids)
            if not ids:
                absent.append(word)
        self.take_ids(self.sift(np.array(sorted(found), dtype=np.int64)))
        for word in absent:
            if pieces := self._compose(word):
                self.taken[word] = pieces
            else:
                self._absent.add(word)

    def take_named(self, asked: list[Any], name: str, *, required: bool = False) -> list[int | str]:
        """Take requested labels and ids.

        Parameters
        ----------
        asked
            Labels and ids.
        name
            Name of the argument, for messages.
        required
            Raise an error if a row cannot be taken; otherwise count it.

        Returns
        -------
        Keys of `taken`.
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
        if unknown:
            raise ValueError(self._unknown(unknown, name))
        for key in list(keys):
            if isinstance(key, int) and (obstacle := self._obstacle(key)):
                if required:
                    raise ValueError(self._cannot_watch(key, obstacle, name))
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

    def _unknown(self, unknown: list[str], name: str) -> str:
        many = len(unknown) - _SUGGESTED
        suggested = "; ".join(self.vocabulary.suggest(label) for label in unknown[:_SUGGESTED])
        return (
            f"{name} has labels that are not in {self.vocabulary.source} and cannot be composed of its tokens: "
            f"{suggested}{f'; and {many} more' if many > 0 else ''}."
        )

    def _cannot_watch(self, row_id: int, obstacle: int, name: str) -> str:
        if obstacle == _PADDING:
            return f"{name} has the padding row ({row_id}); pass keep=['padding'] to include it."
        return f"{name} has row {row_id}, which has no label in {self.vocabulary.source}."

    def finish(self, watched: list[int | str], *, how: str) -> Rows:
        """Return the chosen rows.

        Raises
        ------
        ValueError
            If no row was taken.
        """
        left_out = self._count()
        if not self.taken:
            counted = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none"
            raise ValueError(
                f"No rows to watch among {how} in {self.vocabulary.source}; left out: {counted}. "
                f"Pass keep= with any of {first_few(list(KEEP))} to include them."
            )
        vocabulary = self.vocabulary
        composed = {key: pieces for key, pieces in self.taken.items() if isinstance(key, str)}
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
        if composed:
            spelt = {key: " ".join(vocabulary.name_of(i) for i in pieces) for key, pieces in composed.items()}
            columns["pieces"] = tuple(spelt.get(str(key), "") if isinstance(key, str) else "" for key in self.taken)
        return Rows(
            ids=np.array([COMPOSED if isinstance(key, str) else key for key in self.taken], dtype=np.int64),
            labels=tuple(names.values()),
            columns=columns,
            pieces={i: composed[key] for i, key in enumerate(self.taken) if isinstance(key, str)},
            watch=tuple(names[key] for key in watched),
            left_out=left_out,
            how=how,
        )

    def _count(self) -> dict[str, int]:
        reasons = self._reasons.copy()
        reasons[[key for key in self.taken if isinstance(key, int)]] = 0
        counts = np.bincount(reasons, minlength=len(_REASONS))
        left_out = {reason: int(n) for reason, n in zip(_REASONS, counts, strict=True) if reason and n}
        if self._absent:
            left_out["not in the vocabulary"] = len(self._absent)
        return left_out
