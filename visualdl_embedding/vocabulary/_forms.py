"""Types of the arguments for vocabularies, their columns, and the choice of rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from visualdl_embedding.vocabulary._metadata import Metadata
    from visualdl_embedding.vocabulary._select import Stratified
    from visualdl_embedding.vocabulary._vocabulary import Vocabulary

__all__ = ["MetadataLike", "RowsLike", "VocabularyLike"]


class _Tokenizer(Protocol):
    def get_vocab(self) -> Any: ...


class _HasVocab(Protocol):
    @property
    def vocab(self) -> Any: ...


class _DataFrame(Protocol):
    @property
    def columns(self) -> Any: ...

    def __getitem__(self, name: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


VocabularyLike: TypeAlias = (
    "str | os.PathLike[str] | Vocabulary | Mapping[str, int] | Mapping[int, str] | Iterable[str | None] | _Tokenizer"
    " | _HasVocab"
)
"""Vocabulary: a file, a dict in either direction, labels in the order of their ids, or a tokenizer.

See `open_vocabulary`.
"""

MetadataLike: TypeAlias = (
    "str | os.PathLike[str] | Metadata | Mapping[str, Mapping[Any, Any] | Iterable[Any]] | _DataFrame"
)
"""Columns for the labels: a TSV or CSV file, a DataFrame, or a dict by column. See `read_metadata`."""

RowsLike: TypeAlias = "int | str | Stratified | Sequence[str | int] | Mapping[str, str | Iterable[str]]"
"""Rows: a number, ``"all"``, ``"stratified:500"``, labels and ids, or ``{column: values}``. See `select_rows`."""
