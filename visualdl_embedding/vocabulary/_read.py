"""Reader of vocabularies in all supported formats."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from visualdl_embedding.core.columns import is_number
from visualdl_embedding.vocabulary._text import cell_text, read_text, sentence, split_lines, whole_number
from visualdl_embedding.vocabulary._vocabulary import RowNumbers, Vocabulary

__all__ = ["VocabularyLike", "has_ids", "open_vocabulary"]

Pairs = Iterable[tuple[str, int, str]]


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
        whole_number(value) is not None or whole_number(key) is not None or (isinstance(key, str) and _is_id(key))
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
    text, notes = read_text(path, encoding=encoding, what="vocabulary file")
    source = f"'{path}'"
    if path.suffix.lower() == ".json":
        return _from_json(text, source, notes)
    lines = split_lines(text)
    if _has_scores(lines):
        return _from_list([line.rpartition("\t")[0] for line in lines], source, notes)
    if (id_first := _id_first(lines, source)) is not None:
        return _from_pairs(_pairs(lines, id_first, source), source, notes)
    return _from_list(lines, source, notes)


def _id_first(lines: list[str], source: str) -> bool | None:
    """Whether lines are ``id<TAB>token`` (True), ``token<TAB>id`` (False) or single tokens (None).

    Lines are pairs if more than half of them parse as pairs: a token may be a tab, and a pair may be damaged.
    """
    first = [int(head) for head, tab, _ in (line.partition("\t") for line in lines) if tab and _is_id(head)]
    last = [int(tail) for _, tab, tail in (line.rpartition("\t") for line in lines) if tab and _is_id(tail)]
    filled = sum(map(bool, lines))
    is_first, is_last = len(first) * 2 > filled, len(last) * 2 > filled
    if not (is_first and is_last):
        return True if is_first else False if is_last else None
    if len(first) != len(last):
        return len(first) > len(last)
    if first == last:
        return True
    # Tokens are often numbers too: the id column is the one that counts the rows.
    counts_first, counts_last = (sorted(ids) == list(range(len(ids))) for ids in (first, last))
    if counts_first == counts_last:
        raise ValueError(
            f"In {source} both columns hold numbers, and either may be the id. Use JSON {{token: id}} or a "
            "text file with one token per line."
        )
    return counts_first


def _is_id(text: str) -> bool:
    # ASCII only: full-width digits are tokens.
    return text.isascii() and text.isdigit() and len(text) <= 18


def _pairs(lines: list[str], id_first: bool, source: str) -> Pairs:
    for number, line in enumerate(lines, 1):
        head, tab, tail = line.partition("\t") if id_first else line.rpartition("\t")
        token, row_id = (tail, head) if id_first else (head, tail)
        if tab and _is_id(row_id):
            yield token, int(row_id), f"line {number}"
        elif line:
            form = "id<TAB>token" if id_first else "token<TAB>id"
            raise ValueError(f"Line {number} of {source} is not {form} like the other lines: {line[:80]!r}.")


def _has_scores(lines: list[str]) -> bool:
    """Whether lines are ``token<TAB>score``, as in a SentencePiece ``.vocab``: all numbers, not all of them ids."""
    parts = [line.rpartition("\t") for line in lines]
    if not all(tab and is_number(score) for _, tab, score in parts):
        return False
    return not all(_is_id(score) for _, _, score in parts) and not all(_is_id(token) for token, _, _ in parts)


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
    pairs: list[tuple[str, int, str]] = []
    for key, value in mapping.items():
        token, row_id = (value, key) if by_id else (key, value)
        if by_id and isinstance(row_id, str) and _is_id(row_id):
            row_id = int(row_id)
        if (number := whole_number(row_id)) is None or number < 0:
            raise ValueError(f"A vocabulary must map tokens to ids, integers from 0; {source} has {key!r}: {value!r}.")
        pairs.append((_token(token, source), number, f"token {token!r}"))
    return _from_pairs(pairs, source, notes)


def _from_pairs(pairs: Pairs, source: str, notes: tuple[str, ...]) -> Vocabulary:
    taken: dict[int, tuple[str, str]] = {}
    for token, row_id, where in pairs:
        if row_id in taken:
            raise ValueError(
                f"{sentence(source)} has id {row_id} twice: {taken[row_id][1]} and {where}. If these "
                "numbers are frequencies, pass them as metadata, and only the tokens as the vocabulary."
            )
        taken[row_id] = (token, where)
    length = max(taken, default=-1) + 1
    if length > 1000 * len(taken) + 1_000_000:
        raise ValueError(
            f"{sentence(source)} has {len(taken)} tokens, but ids up to {length - 1}; check that the ids "
            "are row numbers."
        )
    labels: list[str | None] = [None] * length
    for row_id, (token, _) in taken.items():
        labels[row_id] = token
    return _from_list(labels, source, notes)


def _from_list(tokens: list[Any], source: str, notes: tuple[str, ...] = ()) -> Vocabulary:
    labels = tuple(_token(token, source) or None for token in tokens)
    gaps = labels.count(None)
    if gaps == len(labels):
        raise ValueError(f"{sentence(source)} has no tokens; expected at least one.")
    if gaps:
        plural = "id has" if gaps == 1 else "ids have"
        notes = (*notes, f"{gaps} {plural} no label in {source}, the first of them {labels.index(None)}.")
    return Vocabulary(labels, source=source, notes=notes)


def _token(token: Any, source: str) -> str:
    if isinstance(token, str):
        return str(token)
    if isinstance(token, bytes | bool | Mapping | list | tuple):
        raise TypeError(f"A token must be a string; {source} has {token!r}.")
    return cell_text(token)
