"""Reader of vocabularies in all supported formats."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.columns import is_number
from visualdl_embedding.core.progress import announced
from visualdl_embedding.vocabulary._labels import Labels
from visualdl_embedding.vocabulary._text import cell_text, read_text, sentence, whole_number
from visualdl_embedding.vocabulary._vocabulary import RowNumbers, Vocabulary

__all__ = ["VocabularyLike", "has_ids", "open_vocabulary"]

_LARGEST_ID = 2**62


class _Tokenizer(Protocol):
    def get_vocab(self) -> Any: ...


class _HasVocab(Protocol):
    @property
    def vocab(self) -> Any: ...


VocabularyLike: TypeAlias = (
    "str | os.PathLike[str] | Vocabulary | Mapping[str, int] | Mapping[int, str] | Iterable[str | None] | _Tokenizer"
    " | _HasVocab"
)
"""What the row ids mean: a file, a dict, labels in the order of their ids, or a tokenizer. See `open_vocabulary`."""


def open_vocabulary(
    source: VocabularyLike | None, *, num_rows: int | None = None, encoding: str | None = None
) -> Vocabulary:
    """Read a vocabulary.

    Parameters
    ----------
    source
        - a path to a text file with one token per line; the line number (from 0) is the id. An empty line is an id
          without a label, white space is a token, a final newline is not an id. A ``.vocab`` of SentencePiece also
          works;
        - a path to a file of ``token<TAB>id`` or ``id<TAB>token``; the order is detected;
        - a path to ``.json``: a list, ``{token: id}``, ``{id: token}``, or a ``tokenizer.json``;
        - a dict in one of these two forms, or a list, tuple, array or Series of tokens, None for ids without a
          token;
        - a tokenizer with ``get_vocab()``, or with ``vocab`` (a dict, or an object with ``token_to_idx`` as in
          PaddleNLP);
        - None: the labels are ``row 0``, ``row 1``, …, `num_rows` of them;
        - a `Vocabulary`, which is returned unchanged.
    num_rows
        Number of rows, required if `source` is None.
    encoding
        Encoding of a file. None: UTF-8 with or without a byte order mark, or else GB18030 with a note.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If the source has an unsupported type.
    ValueError
        If the file cannot be decoded or parsed, has no tokens, or has a duplicate id.

    >>> open_vocabulary({"a": 0, "b": 2}).labels
    ('a', None, 'b')
    """
    if isinstance(source, Vocabulary):
        return source
    if source is None:
        if num_rows is None or num_rows < 1:
            raise ValueError(f"Without a vocabulary num_rows must be the table's number of rows, not {num_rows}.")
        return Vocabulary(RowNumbers(num_rows), source="no vocabulary")
    if isinstance(source, str | os.PathLike):
        return _from_file(Path(source), encoding)
    if isinstance(source, Mapping):
        return _from_mapping(source, "the given vocabulary")
    if (tokenizer := _mapping_of(source)) is not None:
        return _from_mapping(tokenizer, f"the vocabulary of {type(source).__name__}")
    if isinstance(source, Iterable) and not isinstance(source, set | frozenset | bytes):
        return _from_list(list(source), "the given vocabulary")
    raise TypeError(
        "A vocabulary must be a path, a list of tokens in the order of their ids, a dict {token: id}, a tokenizer with "
        f"get_vocab(), or None; {type(source).__name__} was passed."
    )


def has_ids(mapping: Mapping[Any, Any]) -> bool:
    """Whether a dict is a vocabulary ``{token: id}`` or ``{id: token}``, possibly with wrong entries."""
    return any(
        whole_number(value) is not None
        or whole_number(key) is not None
        or (isinstance(key, str) and key.isascii() and key.isdigit())  # full-width digits are tokens
        for key, value in mapping.items()
    )


def _mapping_of(source: Any) -> Mapping[Any, Any] | None:
    """Find the ``{token: id}`` mapping of a tokenizer or a PaddleNLP vocabulary."""
    found = None
    with contextlib.suppress(NotImplementedError):
        found = source.get_vocab() if callable(getattr(source, "get_vocab", None)) else None
    vocab = getattr(source, "vocab", None)
    inner = (getattr(holder, "token_to_idx", None) for holder in (vocab, source))
    return next((mapping for mapping in (found, vocab, *inner) if isinstance(mapping, Mapping)), None)


def _from_file(path: Path, encoding: str | None) -> Vocabulary:
    source = f"'{path}'"
    with announced(f"Reading the vocabulary {source}"):
        text, notes = read_text(path, encoding=encoding, what="vocabulary file")
        if path.suffix.lower() == ".json":
            return _from_json(text, source, notes)
        lines = Labels.of_lines(text)
        del text
        tokens, lines_of_ids = _columns(lines, source)
        if lines_of_ids is None:
            return _from_labels(tokens, source, notes)
        numbers, ids = lines_of_ids
        return _from_pairs(tokens, ids, lambda i: f"line {numbers[i] + 1}", source=source, notes=notes)


def _columns(lines: Labels, source: str) -> tuple[Labels, tuple[NDArray[np.intp], NDArray[np.int64]] | None]:
    """Return the tokens, and if the lines are pairs, the line number (from 0) and the id of each."""
    filled = len(lines) - int(lines.empty.sum())
    first_tab, last_tab = _tabs(lines)
    if int((first_tab >= 0).sum()) * 2 <= filled:
        return lines, None
    first = _ids(Labels(lines.data, lines.starts, np.where(first_tab < 0, lines.starts, first_tab)))
    tails = Labels(lines.data, np.where(last_tab < 0, lines.stops, last_tab + 1), lines.stops)
    last = _ids(tails)
    if (last_tab >= 0).all() and _has_scores(tails, first, last):
        return Labels(lines.data, lines.starts, last_tab), None
    if (id_first := _id_first(first, last, filled=filled, source=source)) is None:
        return lines, None
    ids = first if id_first else last
    for i in np.flatnonzero((ids < 0) & ~lines.empty)[:1]:
        form = "id<TAB>token" if id_first else "token<TAB>id"
        raise ValueError(f"Line {i + 1} of {source} is not {form} like the other lines: {lines[i][:80]!r}.")
    numbers = np.flatnonzero(ids >= 0)
    starts, stops = (first_tab + 1, lines.stops) if id_first else (lines.starts, last_tab)
    return Labels(lines.data, starts[numbers], stops[numbers]), (numbers, ids[numbers])


def _tabs(lines: Labels) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Positions of the first and of the last tab in each line; -1 without a tab."""
    tabs = np.flatnonzero(np.frombuffer(lines.data, dtype=np.uint8) == ord("\t")).astype(lines.starts.dtype)
    after, before = tabs.searchsorted(lines.starts), tabs.searchsorted(lines.stops)
    tabs = np.append(tabs, tabs.dtype.type(-1))
    without = after == before
    return np.where(without, -1, tabs[after]), np.where(without, -1, tabs[before - 1])


def _ids(column: Labels) -> NDArray[np.int64]:
    """``(n,)`` int64: ids in a column; -1 where there is none."""
    # `bytes.isdigit` accepts ASCII only: full-width digits are tokens.
    found = (int(cell) if cell.isdigit() and len(cell) <= 18 else -1 for cell in column.octets())
    return np.fromiter(found, dtype=np.int64, count=len(column))


def _id_first(first: NDArray[np.int64], last: NDArray[np.int64], *, filled: int, source: str) -> bool | None:
    """Whether lines are ``id<TAB>token`` (True), ``token<TAB>id`` (False) or single tokens (None).

    `first` and `last` are the ids in the first and in the last column. Lines are pairs if more than half of the
    `filled` ones parse as pairs: a token may be a tab, and a pair may be damaged.
    """
    first, last = first[first >= 0], last[last >= 0]
    is_first, is_last = len(first) * 2 > filled, len(last) * 2 > filled
    if not (is_first and is_last):
        return True if is_first else False if is_last else None
    if len(first) != len(last):
        return len(first) > len(last)
    if np.array_equal(first, last):
        return True
    # Tokens are often numbers too: the id column is the one that counts the rows.
    counts_first, counts_last = (np.array_equal(np.sort(ids), np.arange(len(ids))) for ids in (first, last))
    if counts_first == counts_last:
        raise ValueError(
            f"In {source} both columns hold numbers, and either may be the id. Use JSON {{token: id}} or a "
            "text file with one token per line."
        )
    return counts_first


def _has_scores(tails: Labels, first: NDArray[np.int64], last: NDArray[np.int64]) -> bool:
    """Whether lines are ``token<TAB>score``, as in a SentencePiece ``.vocab``: all numbers, not all of them ids."""
    if (first >= 0).all() or (last >= 0).all():
        return False
    return all(is_number(tails[i] or "") for i in np.flatnonzero(last < 0))


def _from_json(text: str, source: str, notes: tuple[str, ...]) -> Vocabulary:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{source} is not JSON: {error}.") from None
    if isinstance(content, dict) and isinstance(model := content.get("model"), dict) and "vocab" in model:
        vocabulary, added = model["vocab"], content.get("added_tokens") or []
        if isinstance(vocabulary, list):
            vocabulary = {entry[0]: i for i, entry in enumerate(vocabulary)}
        content = {**vocabulary, **{token["content"]: token["id"] for token in added}}
    if isinstance(content, list):
        return _from_list(content, source, notes)
    if isinstance(content, dict):
        return _from_mapping(content, source, notes)
    raise ValueError(f"{source} must hold a list of tokens or an object {{token: id}}, not {type(content).__name__}.")


def _from_mapping(mapping: Mapping[Any, Any], source: str, notes: tuple[str, ...] = ()) -> Vocabulary:
    by_id = bool(mapping) and all(isinstance(token, str) for token in mapping.values())
    ids: list[int] = []
    for key, value in mapping.items():
        row_id = key if by_id else value
        if by_id and isinstance(row_id, str) and row_id.isascii() and row_id.isdigit() and len(row_id) <= 18:
            row_id = int(row_id)
        if (number := whole_number(row_id)) is None or number < 0:
            raise ValueError(f"A vocabulary must map tokens to ids, integers from 0; {source} has {key!r}: {value!r}.")
        ids.append(min(number, _LARGEST_ID))
    given = list(mapping.values() if by_id else mapping)
    tokens = Labels.of(_token(token, source) for token in given)
    return _from_pairs(
        tokens, np.array(ids, dtype=np.int64), lambda i: f"token {given[i]!r}", source=source, notes=notes
    )


def _from_pairs(
    tokens: Labels, ids: NDArray[np.int64], where: Callable[[int], str], *, source: str, notes: tuple[str, ...]
) -> Vocabulary:
    """Place the i-th token at ``ids[i]``; ``where(i)`` names its place in the source."""
    order = np.argsort(ids, kind="stable")
    if len(again := order[1:][np.diff(ids[order]) == 0]):
        second = int(again.min())
        first = int(np.argmax(ids == ids[second]))
        raise ValueError(
            f"{sentence(source)} has id {ids[second]} twice: {where(first)} and {where(second)}. If these "
            "numbers are frequencies, pass them as metadata, and only the tokens as the vocabulary."
        )
    length = int(ids.max(initial=-1)) + 1
    if length > 1000 * len(ids) + 1_000_000:
        raise ValueError(
            f"{sentence(source)} has {len(ids)} tokens, but ids up to {length - 1}; check that the ids are row numbers."
        )
    return _from_labels(tokens.taken(ids, length), source, notes)


def _from_list(tokens: list[Any], source: str, notes: tuple[str, ...] = ()) -> Vocabulary:
    return _from_labels(Labels.of(_token(token, source) for token in tokens), source, notes)


def _from_labels(labels: Labels, source: str, notes: tuple[str, ...]) -> Vocabulary:
    gaps = int(labels.empty.sum())
    if gaps == len(labels):
        raise ValueError(f"{sentence(source)} has no tokens; expected at least one.")
    if gaps:
        plural = "id has" if gaps == 1 else "ids have"
        notes = (*notes, f"{gaps} {plural} no label in {source}, the first of them {labels.empty.argmax()}.")
    return Vocabulary(labels, source=source, notes=notes)


def _token(token: Any, source: str) -> str:
    if isinstance(token, str):
        return str(token)
    if isinstance(token, bytes | bool | Mapping | list | tuple):
        raise TypeError(f"A token must be a string; {source} has {token!r}.")
    return cell_text(token)
