"""Reader of the sparse tables that parameter servers save as text: ``<table id>/part-<server>-<shard>[.gz]``.

A line is a key (a decimal uint64, usually a hashed feature) and the numbers of its row. The rows of the library are the
admitted rows in the order of the shards; the keys are their labels. One pass over the files takes 2.3 µs of processor
time per row, and keeps 36 bytes per row: key, place, and the numbers that become columns.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.table import block_ranges
from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import opened, read_together
from visualdl_embedding.files._matrix import MAX_DIM, Tensor
from visualdl_embedding.files._server_layouts import Accessor, RowLayout, choose_layout, describe

__all__ = ["ServerRows", "is_part", "read_server_tables", "server_parts"]

_PART = re.compile(r"part-\d{3,9}-(\d{5,9})(\.gz)?")
_BINARY = re.compile(r"part-\d+-\d+-\d+-\d+(\.gz)?")
_TABLE = re.compile(r"\d{3,9}")
_COLUMNS = ("show", "click", "slot", "unseen_days")
_MAX_KEY = 2**64 - 1
_MAX_LINE = 2**22
_MAX_ROWS = 50_000_000
_MAX_SHARDS = 1_000_000
_SAMPLE = 100_000
"""Lines whose widths are counted to choose the layout."""
_SHOWN = 5
"""Rows of each width that a layout must not contradict."""
_CHUNK = 65_536
_PARSED = 1024
_RUN = 4 * 2**20
_GAP = 16 * 1024


def is_part(path: Path) -> bool:
    """Whether a file has the name of a shard of a table."""
    return _PART.fullmatch(path.name) is not None


def server_parts(folder: Path) -> list[Path]:
    """List the shards in a table's folder, or in the folders of the tables (``000``, ``001``) in a folder."""
    places = [folder, *(place for place in sorted(folder.iterdir()) if _TABLE.fullmatch(place.name) and place.is_dir())]
    for place in places:
        binary = next((file for file in place.iterdir() if _BINARY.fullmatch(file.name)), None)
        if binary is not None:
            reason = "it is a shard of a parameter server's table on SSD, in binary form"
            raise UnreadableModelError(binary, reason, advice="Save the table as text, with a save mode of 4 or more")
    return [file for place in places for file in sorted(place.iterdir(), key=_shard) if is_part(file)]


def _shard(file: Path) -> int:
    match = _PART.fullmatch(file.name)
    return int(match[1]) if match else -1


def read_server_tables(
    parts: Collection[Path],
    *,
    accessor: str | None = None,
    dim: int | None = None,
    keys: Collection[int] | None = None,
) -> list[Tensor]:
    """List the tables of which these are the shards. The readers are `ServerRows`; options as in `open_tables`."""
    folders: dict[Path, list[Path]] = {}
    for part in parts:
        folders.setdefault(part.parent, []).append(part)
    tables = [_read_table(folder, files, describe(folder, accessor, dim), keys) for folder, files in folders.items()]
    return [Tensor(name, (len(rows.keys), rows.dim), "float32", rows.files[0], rows) for name, rows in tables]


def _read_table(
    folder: Path, files: list[Path], known: list[Accessor], keys: Collection[int] | None
) -> tuple[str, ServerRows]:
    place = folder.absolute().name
    name = f"table_{place}" if _TABLE.fullmatch(place) else place or "table"
    shards = [_shard(file) for file in files]
    if repeated := [shard for shard, count in Counter(shards).items() if count > 1]:
        twice = ", ".join(repr(file.name) for file in files if _shard(file) == repeated[0])
        raise UnreadableModelError(
            folder, f"shard {repeated[0]} is there twice ({twice})", advice="Remove the files of the older save"
        )
    wanted = None if keys is None else frozenset(keys)
    held = _holding(files, wanted)
    layout, source = choose_layout(*_sample(held), known, path=folder)
    if layout.dim > MAX_DIM:
        raise UnreadableModelError(folder, f"its rows have {layout.dim:,} columns; at most {MAX_DIM:,} are read")
    found = _Scan(layout, wanted)
    found.read(held)
    notes = [f"The rows of {name} were read as {layout}, by {source.source}."]
    num_shards = max(max(shards) + 1, sum(map(is_part, folder.iterdir())), found.num_shards())
    if num_shards > len(files):
        notes.append(f"{len(files):,} of the {num_shards:,} shards of {name} are read; rows of the others are missing.")
    if not len(found.keys):
        reason = f"none of its rows can be read: {' '.join(found.notes(name)) or 'it is empty'}".rstrip(".")
        raise UnreadableModelError(folder, reason, advice="Give a later save, or keys that the table has")
    return name, found.rows(tuple(notes) + found.notes(name))


def _lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """Lines of a shard, bounded in length. Each ends in a newline, so that a file that is cut off is noticed."""
    for line in iter(partial(file.readline, _MAX_LINE), b""):
        if not line.endswith(b"\n"):
            reason = "its last line is not complete, so it is cut off" if len(line) < _MAX_LINE else "it has no lines"
            raise UnreadableModelError(path, reason)
        yield line


def _key(line: bytes) -> int | None:
    text = line[: line.find(b" ")]
    key = int(text) if text.isdigit() and len(text) <= 20 else -1
    return key if 0 <= key <= _MAX_KEY else None


def _sample(files: list[Path]) -> tuple[Counter[int], list[list[float]]]:
    """Count the widths of the first rows, and return the numbers of a few rows of each."""
    widths: Counter[int] = Counter()
    rows = []
    for path in files:
        with opened(path) as file:
            for line in islice(_lines(file, path), _SAMPLE - widths.total()):
                line = line.rstrip()
                if _key(line) is None:
                    continue
                width = line.count(b" ")
                widths[width] += 1
                if widths[width] <= _SHOWN and len(widths) <= 100:
                    try:
                        rows.append([float(number) for number in line.split(b" ")[1:]])
                    except ValueError:
                        continue
        if widths.total() >= _SAMPLE:
            break
    if not widths:
        reason = "its shards are empty, or hold no lines of a decimal key and numbers"
        raise UnreadableModelError(files[0].parent, reason, advice="Give a table that a parameter server saved as text")
    return widths, rows


def _holding(files: list[Path], wanted: frozenset[int] | None) -> list[Path]:
    """Choose the shards that hold keys: shard = key mod number of shards. All, if the first keys contradict this."""
    if wanted is None or [_shard(file) for file in files] != list(range(len(files))):
        return files
    for path in files:
        with opened(path) as file:
            key = _key(next(_lines(file, path), b""))
        if key is not None and key % len(files) != _shard(path):
            return files
    shards = {key % len(files) for key in wanted}
    return [file for file in files if _shard(file) in shards]


class _Scan:
    """One pass over the shards of a table."""

    def __init__(self, layout: RowLayout, wanted: frozenset[int] | None) -> None:
        self.layout, self.wanted = layout, wanted
        self.keys, self.starts, self.lengths, self.values = array("Q"), array("q"), array("i"), array("f")
        self.files: list[Path] = []
        self.firsts = [0]
        self.waiting = 0
        self.others: Counter[int] = Counter()
        self.damaged: list[str] = []
        self.num_damaged = 0

    def read(self, files: list[Path]) -> None:
        short, width = self.layout.short, self.layout.width
        places = [self.layout.fields.index(name) + 1 for name in _COLUMNS]
        for path in files:
            with opened(path) as file:
                position = 0
                for number, line in enumerate(_lines(file, path), 1):
                    begin, position = position, position + len(line)
                    line = line.rstrip()
                    key, found = _key(line), line.count(b" ")
                    if self.wanted is not None and key is not None and key not in self.wanted:
                        continue
                    fields = line.split(b" ", short + 1)
                    try:
                        values = [float(fields[place]) for place in places]
                        if key is None or found not in (short, width):
                            self._put_aside(key, found, fields)
                        elif found == short:
                            self.waiting += 1
                        else:
                            self.keys.append(key)
                            self.starts.append(begin)
                            self.lengths.append(len(line))
                            self.values.extend(values)
                    except (ValueError, IndexError, OverflowError):
                        self.num_damaged += 1
                        self.damaged.append(f"line {number:,} of '{path.name}'") if not self.damaged else None
                    if len(self.keys) > _MAX_ROWS:
                        raise UnreadableModelError(path.parent, f"it has more than {_MAX_ROWS:,} rows")
            self.files.append(path)
            self.firsts.append(len(self.keys))

    def _put_aside(self, key: int | None, width: int, fields: list[bytes]) -> None:
        """Count a row of another width, which CtrDymfAccessor allows. Other lines are damaged."""
        if key is None or "mf_dim" not in self.layout.fields or width <= self.layout.short:
            raise ValueError
        self.others[int(float(fields[self.layout.fields.index("mf_dim") + 1])) + 1] += 1

    def num_shards(self) -> int:
        """Find the number of shards, modulo which the keys equal their shard; 0 if unknown."""
        if self.wanted is not None or len(self.keys) < 16:
            return 0
        keys, step = np.frombuffer(self.keys, np.uint64), np.uint64(0)
        for path, low, high in zip(self.files, self.firsts, self.firsts[1:], strict=False):
            # Keys of another rule wrap around, and have no common divisor.
            step = np.gcd(step, np.gcd.reduce(keys[low:high] - np.uint64(_shard(path))))
        return int(step) if step < _MAX_SHARDS else 0

    def notes(self, name: str) -> tuple[str, ...]:
        notes = []
        if self.waiting:
            notes.append(
                f"{self.waiting:,} rows of {name} are not yet admitted (their score is below embedx_threshold), so "
                "that they have no vector; they are left out."
            )
        for dim, count in self.others.items():
            notes.append(f"{count:,} rows of {name} have {dim} columns, not {self.layout.dim}; they are left out.")
        if self.num_damaged:
            where = self.damaged[0]
            notes.append(f"{self.num_damaged:,} damaged lines of {name} were skipped; the first is {where}.")
        if self.wanted is not None and (lost := self.wanted.difference(self.keys)):
            few = ", ".join(map(str, sorted(lost)[:3]))
            notes.append(f"{len(lost):,} of {len(self.wanted):,} keys have no row in {name}, such as {few}.")
        return tuple(notes)

    def rows(self, notes: tuple[str, ...]) -> ServerRows:
        return ServerRows(
            tuple(self.files),
            self.layout,
            np.array(self.firsts),
            np.frombuffer(self.keys, np.uint64),
            np.frombuffer(self.starts, np.int64),
            np.frombuffer(self.lengths, np.int32),
            np.frombuffer(self.values, np.float32).reshape(-1, len(_COLUMNS)),
            notes,
        )


@dataclass(frozen=True)
class ServerRows:
    """Admitted rows of a table, in the order of its shards: ``embed_w``, then embedx.

    `firsts` is the first row of each file, `keys` are ``(V,)`` uint64, `starts` and `lengths` the places of the lines,
    `values` ``(V, 4)`` float32: show, click, slot, unseen days.
    """

    files: tuple[Path, ...]
    layout: RowLayout
    firsts: NDArray[np.int64]
    keys: NDArray[np.uint64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    values: NDArray[np.float32]
    notes: tuple[str, ...] = field(default=())

    @property
    def dim(self) -> int:
        """Columns of the table."""
        return self.layout.dim

    def gather(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read selected rows, from the files that hold them."""
        return self._vectors(self._rows(ids), len(ids))

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all rows, block by block."""
        rows = self._rows(np.arange(len(self.keys)))
        for low, high in block_ranges(len(self.keys), self.dim):
            yield low, self._vectors(rows, high - low)

    def words(self, *, encoding: str = "utf-8", errors: str = "strict") -> list[str]:
        """Keys in row order, as text."""
        return list(map(str, self.keys.tolist()))

    def columns(self) -> dict[str, tuple[str, ...]]:
        """Columns of the vocabulary: ``frequency`` (show), ``group`` (slot), ``click rate``, ``unseen days``."""
        show, click, slot, unseen = self.values.T
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(show > 0, click / show, np.nan)
        columns = {
            "frequency": _texts(np.where(show >= 0, show, np.nan), _number),
            "group": _texts(slot, lambda value: f"slot {value:.0f}" if 0 <= value < np.inf else ""),
            "click rate": _texts(rate, _number),
            "unseen days": _texts(unseen, _number),
        }
        return {name: texts for name, texts in columns.items() if any(texts)}

    def _rows(self, ids: NDArray[np.int64]) -> Iterator[tuple[int, bytes]]:
        """Read the lines of ascending rows; each file is opened once, so that gzip is decompressed once."""
        for path, low, high in zip(self.files, self.firsts[:-1], self.firsts[1:], strict=True):
            inside = ids[np.searchsorted(ids, low) : np.searchsorted(ids, high)]
            if not len(inside):
                continue
            with opened(path) as file:
                for at in range(0, len(inside), _CHUNK):
                    rows = inside[at : at + _CHUNK]
                    begins = self.starts[rows].tolist()
                    ends = (self.starts[rows] + self.lengths[rows]).tolist()
                    for start, stop in read_together(begins, ends, gap=_GAP, limit=_RUN):
                        file.seek(begins[start])
                        run = file.read(ends[stop - 1] - begins[start])
                        if len(run) != ends[stop - 1] - begins[start]:
                            raise UnreadableModelError(path, "it was truncated while it was read")
                        for i in range(start, stop):
                            yield int(rows[i]), run[begins[i] - begins[start] : ends[i] - begins[start]]

    def _vectors(self, rows: Iterator[tuple[int, bytes]], count: int) -> NDArray[np.float32]:
        """Parse the next rows, in parts: conversion row by row takes twice the time."""
        vectors = np.empty((count, self.dim), np.float32)
        layout, place = self.layout, self.layout.fields.index("embed_w") + 1
        begin, end = layout.begin + 1, layout.begin + 1 + layout.embedx_dim
        for at in range(0, count, _PARSED):
            parsed = []
            for row, line in islice(rows, min(_PARSED, count - at)):
                fields = line.split(b" ")
                try:
                    parsed.append([float(fields[place]), *map(float, fields[begin:end])])
                except ValueError as error:
                    reason = f"the row of key {self.keys[row]} has a value that is not a number ({error})"
                    raise UnreadableModelError(self.files[0].parent, reason) from None
            with np.errstate(over="ignore"):
                vectors[at : at + len(parsed)] = np.array(parsed, np.float64)
        return vectors


def _number(value: float) -> str:
    return "" if value != value else f"{value:g}"


def _texts(values: NDArray[Any], text: Callable[[float], str]) -> tuple[str, ...]:
    """Texts of numbers; equal numbers share one string."""
    distinct, places = np.unique(values, return_inverse=True)
    texts = [text(value) for value in distinct.tolist()]
    return tuple(texts[place] for place in places.tolist())
