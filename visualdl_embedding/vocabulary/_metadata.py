"""Additional vocabulary columns, read from files, DataFrames and dicts."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from visualdl_embedding.core.columns import is_number
from visualdl_embedding.vocabulary._labels import Labels
from visualdl_embedding.vocabulary._text import cell_text, first_few, in_order, read_text, whole_number

__all__ = ["WELL_KNOWN", "Key", "Metadata", "MetadataLike", "read_metadata"]

Key: TypeAlias = str | int | tuple[str, int]
"""Key of a value: a label, an id, or an id with the label it must have."""

WELL_KNOWN = ("frequency", "group")
_LABEL_NAMES = ("label", "token", "word")


@dataclass(frozen=True)
class Metadata:
    """Columns not yet joined to a vocabulary: values by column name and key, their source, and notes for the user."""

    columns: Mapping[str, Mapping[Key, str]]
    source: str
    notes: tuple[str, ...] = ()


class _DataFrame(Protocol):
    @property
    def columns(self) -> Any: ...

    def __getitem__(self, name: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


MetadataLike: TypeAlias = (
    str | os.PathLike[str] | Metadata | Mapping[str, Mapping[Any, Any] | Iterable[Any]] | _DataFrame
)
"""Columns for the labels: a TSV or CSV file, a DataFrame, or a dict by column. See `read_metadata`."""


def read_metadata(metadata: MetadataLike, *, encoding: str | None = None) -> Metadata:
    """Read additional columns.

    A file or a DataFrame has a header and one line per label. Lines are matched by their column ``id`` if there is one,
    else by the column ``label``, ``token`` or ``word``, else by the first column. If there are both ids and labels,
    both must match the vocabulary.

    A dict is keyed by column, in any of three forms, which may be combined::

        {"frequency": {"高兴": 412, "悲伤": 97}}                    # {label: value}, or {id: value}
        {"group": {"positive": ["高兴", "快乐"], "negative": []}}   # {value: labels}: a lexicon
        {"frequency": [5, 0, 17]}                                   # by row id

    Parameters
    ----------
    metadata
        A path (``.csv``: comma-separated with quotes; otherwise tab-separated without), a DataFrame, such a dict, or a
        `Metadata`, which is returned.
    encoding
        Encoding of a file. None: UTF-8, or else GB18030 with a note.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If the metadata have an unsupported type.
    ValueError
        If there is no header, a line has the wrong number of cells, an id is not a number, or a dict is keyed by label.

    >>> read_metadata({"group": {"positive": ["高兴"]}}).columns
    {'group': {'高兴': 'positive'}}
    """
    if isinstance(metadata, Metadata):
        return metadata
    if isinstance(metadata, str | os.PathLike):
        return _from_file(Path(metadata), encoding)
    if isinstance(metadata, Mapping):
        return _from_mapping(metadata)
    if hasattr(metadata, "columns") and hasattr(metadata, "__getitem__"):
        return _from_frame(metadata)
    raise TypeError(
        "Metadata must be a path to a TSV or CSV file, a DataFrame, or a dict {column: {label: value}}; "
        f"{type(metadata).__name__} was passed."
    )


def _from_file(path: Path, encoding: str | None) -> Metadata:
    text, notes = read_text(path, encoding=encoding, what="metadata file")
    source = f"'{path}'"
    try:
        if path.suffix.lower() == ".csv":
            lines = [cells for cells in csv.reader(io.StringIO(text, newline="")) if cells]
        else:
            lines = [line.split("\t") for line in Labels.of_lines(text) if line]
    except csv.Error as error:
        raise ValueError(f"{source} is not CSV: {error}.") from None
    if not lines:
        raise ValueError(f"{source} is empty; a header and at least one line were expected.")
    header, *body = lines
    for number, cells in enumerate(body, 2):
        if len(cells) != len(header):
            raise ValueError(
                f"Entry {number} of {source} has {len(cells)} cells, but its header has {len(header)}: "
                f"{first_few(cells, 3)}."
            )
    columns = [[cells[i] for cells in body] for i in range(len(header))]
    if wrong := _not_a_header(header, columns):
        raise ValueError(
            f"{source} needs a header line such as 'label<TAB>group<TAB>frequency'; it begins with "
            f"{first_few(header)}, where {wrong}."
        )
    return _from_columns(header, columns, source, notes=notes)


def _not_a_header(header: list[str], columns: list[list[str]]) -> str:
    """Reason why a first line is data, or ``""``. The first name may be empty, as in an index written by pandas."""
    for i, (name, values) in enumerate(zip(header, columns, strict=True)):
        if i and not name.strip():
            return f"name {i + 1} is empty"
        if is_number(name):
            return f"{name!r} is a number"
        if i and name in values:
            return f"{name!r} is also a value of that column"
    return ""


def _from_frame(frame: Any) -> Metadata:
    names = [str(name) for name in frame.columns]
    for name in frame.columns:
        if hasattr(frame[name], "columns"):
            raise ValueError(f"The given {type(frame).__name__} has several columns called {str(name)!r}.")
    columns = [[cell_text(value) for value in frame[name]] for name in frame.columns]
    index = getattr(frame, "index", None)
    if index is not None and str(getattr(index, "name", None)).lower() in (*_LABEL_NAMES, "id"):
        names.insert(0, str(index.name))
        columns.insert(0, [cell_text(value) for value in index])
    return _from_columns(names, columns, f"the given {type(frame).__name__}")


def _from_columns(header: list[str], columns: list[list[str]], source: str, *, notes: tuple[str, ...] = ()) -> Metadata:
    names = [_canonical(name) for name in header]
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise ValueError(f"{source} has several columns called {repeated[0]!r}.")
    label_at = next((i for name in _LABEL_NAMES for i, n in enumerate(names) if n == name), None)
    id_at = names.index("id") if "id" in names else None
    if label_at is None and id_at is None:
        label_at = 0
    used = {label_at, id_at} | {i for i, name in enumerate(names) if not name}
    data = {names[i]: columns[i] for i in range(len(names)) if i not in used}
    if not data:
        raise ValueError(f"{source} has no column besides {first_few(header)}; expected at least one column to add.")
    labels = [""] * len(columns[0]) if label_at is None else columns[label_at]
    keys: list[Key | None] = [label or None for label in labels]
    if id_at is not None:
        ids = [_row_id(cell, source) for cell in columns[id_at]]
        keys = [(label, row_id) if label else row_id for label, row_id in zip(labels, ids, strict=True)]
    kept: dict[Key, int] = {}
    for i, key in enumerate(keys):
        if key is not None:
            kept.setdefault(key, i)
    if not kept:
        raise ValueError(f"{source} has a header, but no line with a label or an id.")
    if nameless := keys.count(None):
        notes = (*notes, f"{nameless} lines of {source} have no label; they are ignored.")
    if again := len(keys) - nameless - len(kept):
        notes = (*notes, f"{again} lines of {source} repeat a label or an id; the first of each is used.")
    return Metadata({name: {key: values[i] for key, i in kept.items()} for name, values in data.items()}, source, notes)


def _canonical(name: str) -> str:
    """Return well-known names in lowercase, others unchanged."""
    name = name.strip()
    return name.lower() if name.lower() in (*WELL_KNOWN, *_LABEL_NAMES, "id") else name


def _row_id(cell: str, source: str) -> int:
    if not (cell.isascii() and cell.isdigit()):
        raise ValueError(
            f"In {source} the column 'id' has {cell!r}; expected a row number from 0. Rename the column if it "
            "holds something else."
        )
    return int(cell)


def _from_mapping(mapping: Mapping[Any, Any]) -> Metadata:
    source = "the given metadata"
    if not mapping:
        raise ValueError("The given metadata are empty; {column: {label: value}} was expected.")
    _check_direction(mapping)
    columns: dict[str, dict[Key, str]] = {}
    notes: tuple[str, ...] = ()
    for name, values in mapping.items():
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"The outer keys of metadata must be column names (strings), not {name!r}.")
        if _canonical(name) in columns:
            raise ValueError(f"The given metadata have column {_canonical(name)!r} twice.")
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise ValueError(
                f"Column {name!r} of the metadata must be {{label: value}}, {{value: labels}} or a list by row id; "
                f"{values!r} was passed."
            )
        pairs: Iterable[tuple[Any, Any]] = values.items() if isinstance(values, Mapping) else enumerate(values)
        if isinstance(values, Mapping) and (lists := sum(map(_is_list, values.values()))):
            if lists != len(values):
                raise ValueError(f"Column {name!r} of the metadata mixes {{label: value}} with {{value: labels}}.")
            pairs = [(label, group) for group, labels in values.items() for label in in_order(labels)]
        column: dict[Key, str] = {}
        texts = ((_key(key, name), cell_text(value)) for key, value in pairs)
        if several := sum(column.setdefault(key, text) != text for key, text in texts):
            notes += (f"{several} labels of the metadata have several values of {name}; the first one is used.",)
        columns[_canonical(name)] = column
    if not any(columns.values()):
        raise ValueError("The given metadata have no values; {column: {label: value}} was expected.")
    return Metadata(columns, source, notes)


def _check_direction(mapping: Mapping[Any, Any]) -> None:
    inner = [set(values) if isinstance(values, Mapping) else set() for values in mapping.values()]
    if all(keys and keys <= set(WELL_KNOWN) for keys in inner) and not set(mapping) & set(WELL_KNOWN):
        raise ValueError(
            "The given metadata are keyed by label. Key them by column: {column: {label: value}}, for example "
            f"{{{min(inner[0])!r}: {{{next(iter(mapping))!r}: …}}}}. (A dict is read by table only if all its keys are "
            "names of tables.)"
        )


def _key(key: Any, column: str) -> Key:
    if isinstance(key, str):
        return str(key)
    if (row_id := whole_number(key)) is None or row_id < 0:
        raise ValueError(
            f"Column {column!r} of the metadata has the key {key!r}; a label or an id (from 0) was expected."
        )
    return row_id


def _is_list(value: object) -> bool:
    if isinstance(value, Mapping):
        raise ValueError("The given metadata are nested too deep; {column: {label: value}} was expected.")
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)
