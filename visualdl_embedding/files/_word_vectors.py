"""Reader of word vector files: word2vec text and binary, GloVe, fastText's ``.vec``, each also gzipped.

Entries have different sizes, so a first pass finds their offsets (8 bytes per row). It runs on first use: it takes a
second for a text file of 1 GB, and ten times that for a gzipped file.
"""

from __future__ import annotations

import gzip
import os
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from statistics import mode
from typing import IO

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.table import block_ranges
from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._bytes import opened, read_together
from visualdl_embedding.files._matrix import MAX_DIM, Tensor

__all__ = ["WordVectors", "looks_like_word_vectors", "read_word_vectors"]

_HEADER = re.compile(rb"[ \t]*(\d{1,15})[ \t]+(\d{1,9})[ \t]*\r?")
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf|nan)", re.IGNORECASE)
_BLOCK = 4 * 2**20
_MAX_WORD = 4096
_MAX_NUMBER = 32
_MAX_ROWS = 50_000_000
"""Maximum number of rows if the file size gives no bound: without a header, or gzipped."""
_LOOK = 256 * 1024
"""Bytes read to detect the format; a line of 10,000 numbers fits."""
_ENDINGS = re.compile(r"(?<!^)(\.(gz|vec|txt|bin|w2v|word2vec|glove))+$", re.IGNORECASE)


def looks_like_word_vectors(path: Path) -> bool:
    """Whether the first lines of a file are words with vectors."""
    try:
        _layout(path)
    except (UnreadableModelError, OSError):
        return False
    return True


def read_word_vectors(path: Path) -> list[Tensor]:
    """List the one table of a word vector file. Its reader is a `WordVectors`, which has the words."""
    vectors = _layout(path)
    name = _ENDINGS.sub("", path.name)
    return [Tensor(name, (vectors.num_rows, vectors.dim), "float32", path, vectors)]


def _layout(path: Path) -> WordVectors:
    """Detect the format from the beginning of a file."""
    with opened(path) as file:
        look = file.read(_LOOK)
        zipped = isinstance(file, gzip.GzipFile)
    if not look:
        raise UnreadableModelError(path, "it is empty; word vectors were expected")
    begin = 3 if look.startswith(b"\xef\xbb\xbf") else 0
    lines = look[begin:].split(b"\n", 12)[:12]
    header = _HEADER.fullmatch(lines[0]) if len(lines) > 1 else None
    if header is None:
        return _headless(path, lines, begin)
    num_rows, dim = int(header[1]), int(header[2])
    start = begin + len(lines[0]) + 1
    room = None if zipped else os.path.getsize(path) - start
    if num_rows < 1 or not 1 <= dim <= MAX_DIM:
        raise UnreadableModelError(path, f"its header gives {num_rows:,} words of {dim:,} dimensions, which is invalid")
    separator = _separator(lines[1], dim)
    if separator is not None and _separator(lines[1], dim + 1) is None:
        return _checked(WordVectors(path, num_rows, dim, start, separator), room, 2 * dim)
    if b"\0" not in look and _separator(lines[1].rstrip(b" \t\r"), None) is not None:
        found = len(lines[1].split()) - 1
        raise UnreadableModelError(path, f"its header gives {dim} dimensions, but its first vector has {found}")
    vectors = _checked(WordVectors(path, num_rows, dim, start, None), room, 4 * dim + 1)
    _check_byte_order(path, look[start:], dim)
    return vectors


def _headless(path: Path, lines: list[bytes], begin: int) -> WordVectors:
    # The last of these lines may be cut off. A word may contain spaces, or be one, so use the most common field count.
    first = [line for line in lines if line.strip()][:10]
    first = first[:-1] if len(first) > 2 else first
    dim = mode(len(line.split()) - 1 for line in first) if first else 0
    separator = _separator(first[0], dim) if dim > 0 else None
    # One number after each word indicates a vocabulary with ids or frequencies.
    if separator is None or dim < 2 or any(_separator(line, dim) is None for line in first):
        raise UnreadableModelError(
            path,
            "word vectors were expected: a line 'number-of-words dimensions', or on every line a word and its numbers",
            advice="Supported are word2vec (text and binary), GloVe and fastText's .vec, each also gzipped",
        )
    return WordVectors(path, None, dim, begin, separator)


def _separator(line: bytes, dim: int | None) -> bytes | None:
    """Find the separator of a line with a word and `dim` numbers (None: any number). Return None if there is none."""
    separator = b"\t" if line.count(b"\t") >= max(dim or 1, 1) else b" "
    parts = line.rstrip(b" \t\r").rsplit(separator, -1 if dim is None else dim)
    numbers = parts[1:]
    fits = bool(numbers) if dim is None else len(numbers) == dim
    return separator if fits and all(_NUMBER.fullmatch(part) for part in numbers) else None


def _checked(vectors: WordVectors, room: int | None, entry: int) -> WordVectors:
    # Check before allocating: a header may claim any number of rows, and 10 MB of gzip hold 2,500,000,000 lines.
    stated = f"its header gives {vectors.num_rows:,} words"
    if room is None and vectors.num_rows > _MAX_ROWS:
        reason = f"{stated}, but at most {_MAX_ROWS:,} are read from a gzipped file"
        advice = "If you trust it, unpack it (gunzip) and give the unpacked file"
        raise UnreadableModelError(vectors.path, reason, advice=advice)
    if room is not None and vectors.num_rows * entry > room:
        reason = f"{stated} of {vectors.dim:,} dimensions, which need more than the {room:,} bytes that follow"
        raise UnreadableModelError(vectors.path, f"{reason}; it is cut off, or has another format")
    return vectors


def _check_byte_order(path: Path, entries: bytes, dim: int) -> None:
    """Reject big-endian values: read as little-endian, they are a mix of huge and tiny numbers."""
    end = entries.find(b" ")
    values = entries[end + 1 : end + 1 + 4 * min(dim, 1024)]
    values = values[: len(values) // 4 * 4]
    if end < 0 or end > _MAX_WORD or len(values) < 32:
        return

    def usual(order: str) -> float:
        with np.errstate(invalid="ignore"):
            size = np.abs(np.frombuffer(values, order + "f4").astype(np.float64))
        return float(np.mean((size == 0) | ((size > 1e-9) & (size < 1e9))))

    if usual("<") < 0.6 and usual(">") > 0.99:
        reason = "its values are big-endian; word2vec's are little-endian"
        raise UnreadableModelError(path, reason, advice="Save it again with swapped bytes")


@dataclass(frozen=True)
class WordVectors:
    """Sequence of entries from byte `start` on, each a word with its vector.

    `stated_rows` is V from the header, if there is one; `separator` stands between the fields of a line, None in binary
    files.
    """

    path: Path
    stated_rows: int | None
    dim: int
    start: int
    separator: bytes | None

    @property
    def num_rows(self) -> int:
        """V from the header, or the number of lines without a header."""
        return len(self.entries) - 1 if self.stated_rows is None else self.stated_rows

    @cached_property
    def entries(self) -> NDArray[np.int64]:
        """``(V + 1,)`` int64: offset of each entry, and the end of the last one."""
        with opened(self.path) as file:
            file.seek(self.start)
            found = _line_starts(self, file) if self.separator is not None else _binary_starts(self, file)
        if self.stated_rows is not None and len(found) - 1 != self.stated_rows:
            raise UnreadableModelError(
                self.path,
                f"its header gives {self.stated_rows:,} words, but {len(found) - 1:,} were found; it is cut off, or "
                "the header is wrong",
            )
        return found

    def gather(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read selected entries."""
        vectors = np.empty((len(ids), self.dim), np.float32)
        for position, (row, entry) in enumerate(self._entries([ids])):
            vectors[position] = self._vector(entry, row)
        return vectors

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read all entries, block by block."""
        entries = self._all_entries()
        for low, high in block_ranges(self.num_rows, self.dim):
            block = np.empty((high - low, self.dim), np.float32)
            for row, entry in islice(entries, high - low):
                block[row - low] = self._vector(entry, row)
            yield low, block

    def words(self, *, encoding: str = "utf-8", errors: str = "strict") -> list[str]:
        """Read the words in row order; `encoding` and `errors` as in `bytes.decode`."""
        found = []
        for row, entry in self._all_entries():
            word = self._word(entry, row)
            try:
                found.append(word.decode(encoding, errors))
            except UnicodeDecodeError:
                raise UnreadableModelError(
                    self.path,
                    f"word {row} is not valid {encoding}: {word[:60]!r}",
                    advice="Pass the encoding of the file (such as encoding='gb18030'), or errors='replace'",
                ) from None
        return found

    def _all_entries(self) -> Iterator[tuple[int, bytes]]:
        step = 65_536
        return self._entries(np.arange(low, min(low + step, self.num_rows)) for low in range(0, self.num_rows, step))

    def _entries(self, parts: Iterable[NDArray[np.int64]]) -> Iterator[tuple[int, bytes]]:
        """Read ascending entries in one pass, so that gzipped entries are decompressed once."""
        bounds = self.entries
        with opened(self.path) as file:
            for ids in parts:
                begins, ends = bounds[ids].tolist(), bounds[ids + 1].tolist()
                for start, stop in read_together(begins, ends, gap=0, limit=_BLOCK):
                    file.seek(begins[start])
                    run = file.read(ends[stop - 1] - begins[start])
                    if len(run) != ends[stop - 1] - begins[start]:
                        raise UnreadableModelError(self.path, "it was truncated while it was read")
                    for i in range(start, stop):
                        yield int(ids[i]), run[begins[i] - begins[start] : ends[i] - begins[start]]

    def _vector(self, entry: bytes, row: int) -> NDArray[np.float32]:
        if self.separator is None:
            return np.frombuffer(entry[len(entry) - 4 * self.dim :], "<f4")
        numbers = self._fields(entry, row)[1:]
        try:
            with np.errstate(over="ignore"):
                return np.array([float(number) for number in numbers], np.float64).astype(np.float32)
        except ValueError as error:
            raise UnreadableModelError(self.path, f"word {row} has a value that is not a number ({error})") from None

    def _word(self, entry: bytes, row: int) -> bytes:
        if self.separator is None:
            return entry[: len(entry) - 4 * self.dim - 1].lstrip(b"\n")
        return self._fields(entry, row)[0]

    def _fields(self, entry: bytes, row: int) -> list[bytes]:
        parts = entry.rstrip(b" \t\r\n").rsplit(self.separator, self.dim)
        if len(parts) != self.dim + 1:
            reason = f"word {row} has {len(parts) - 1} numbers, but earlier words have {self.dim}"
            raise UnreadableModelError(self.path, reason)
        return parts


def _line_starts(vectors: WordVectors, file: IO[bytes]) -> NDArray[np.int64]:
    shortest, longest = 2 * vectors.dim, _MAX_WORD + _MAX_NUMBER * vectors.dim
    most = _MAX_ROWS if vectors.stated_rows is None else vectors.stated_rows
    position, last, count = vectors.start, vectors.start, 0
    found = [np.array([position], np.int64)]
    while block := file.read(_BLOCK):
        ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + (position + 1)
        position += len(block)
        lengths = np.diff(ends, prepend=last)
        last = int(ends[-1]) if len(ends) else last
        # Check every line while reading, so that a gzip bomb of line ends does not become a list of its lines.
        if (len(lengths) and (lengths.min() < shortest or lengths.max() > longest)) or position - last > longest:
            row = count + int(np.argmax((lengths < shortest) | (lengths > longest))) if len(lengths) else count
            reason = f"the line of word {row:,} has the wrong length for a word and {vectors.dim:,} numbers"
            raise UnreadableModelError(vectors.path, reason)
        count += len(ends)
        if count > most:
            raise UnreadableModelError(vectors.path, f"it has more lines than the {most:,} words expected")
        found.append(ends)
    if position > last:
        found.append(np.array([position], np.int64))
    return np.concatenate(found)


def _binary_starts(vectors: WordVectors, file: IO[bytes]) -> NDArray[np.int64]:
    width = 4 * vectors.dim
    found = array("q", [vectors.start])
    buffer, base, at = b"", vectors.start, 0
    for _ in range(vectors.stated_rows or 0):
        if len(buffer) - at < _MAX_WORD + 1 + width:
            buffer, base, at = buffer[at:] + file.read(_BLOCK + width), base + at, 0
        space = buffer.find(b" ", at, at + _MAX_WORD)
        end = space + 1 + width
        if space < 0 or end > len(buffer):
            break
        found.append(base + end)
        at = end
    if (buffer[at:] + file.read(16)).strip(b"\r\n"):
        row = len(found) - 1
        reason = f"after {row:,} words the next entry is invalid; it is cut off, or is not a word2vec file"
        raise UnreadableModelError(vectors.path, reason)
    return np.frombuffer(found, np.int64)
