"""Byte ranges of tensors in files, read in parts.

Files are read by seeking and are not memory-mapped. If another process truncates a mapped file, the reader is killed by
SIGBUS; a read reports an error. Mapped pages also count as memory of the process.
"""

from __future__ import annotations

import codecs
import gzip
import os
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import accumulate
from pathlib import Path
from typing import IO

from visualdl_embedding.errors import UnreadableModelError

__all__ = [
    "Bytes",
    "Latin1Bytes",
    "Read",
    "check_range",
    "file_bytes",
    "joined_bytes",
    "opened",
    "read_exactly",
    "read_together",
    "stored_bytes",
]

Read = Callable[[int, int], bytes]
"""Read the bytes from `start` to `stop`."""
Bytes = Callable[[], AbstractContextManager[Read]]
"""Open a byte range for any number of reads."""

_CHUNK = 16 * 1024
_CONTINUATION = bytes(range(0x80, 0xC0))


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, decompressing gzip. Damage found while reading is reported."""
    with open(path, "rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not zipped:
            yield raw
            return
        try:
            with gzip.GzipFile(fileobj=raw) as stream:
                # GzipFile reads like any binary file, but is typed as its own class.
                yield stream  # type: ignore[misc]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableModelError(path, f"its gzip data is damaged or cut off ({error})") from error


def check_range(path: Path, offset: int, size: int) -> None:
    """Raise UnreadableModelError if a file ends before the end of a byte range."""
    found = os.path.getsize(path)
    if offset < 0 or size < 0 or offset + size > found:
        raise UnreadableModelError(
            path,
            f"it has {found:,} bytes, but {size:,} were expected from byte {offset:,} on; it is cut off, or this size "
            "in it is wrong",
        )


def read_exactly(file: IO[bytes], size: int, path: Path) -> bytes:
    """Read exactly `size` bytes, or raise UnreadableModelError."""
    data = file.read(size)
    if len(data) != size:
        raise UnreadableModelError(path, f"it ends {size - len(data):,} bytes early")
    return data


@contextmanager
def file_bytes(path: Path, offset: int) -> Iterator[Read]:
    """Open the bytes of a file from `offset` on."""
    with open(path, "rb", buffering=0) as file:

        def read(start: int, stop: int) -> bytes:
            file.seek(offset + start)
            return read_exactly(file, stop - start, path)

        yield read


def stored_bytes(path: Path, offset: int, size: int) -> Bytes:
    """Bytes of a file in a range that must exist."""
    check_range(path, offset, size)
    return partial(file_bytes, path, offset)


@contextmanager
def joined_bytes(parts: Sequence[tuple[Bytes, int]]) -> Iterator[Read]:
    """Concatenate byte ranges of given sizes: Paddle splits tensors above 1 GiB with pickle protocols 2 and 3.

    One part is open at a time, which limits the number of open files.
    """
    ends = list(accumulate(size for _, size in parts))

    def read(start: int, stop: int) -> bytes:
        found = []
        at = bisect_right(ends, start)
        while start < stop:
            part, size = parts[at]
            begin, end = ends[at] - size, min(stop, ends[at])
            with part() as read_part:
                found.append(read_part(start - begin, end - begin))
            start, at = end, at + 1
        return b"".join(found)

    yield read


def read_together(begins: list[int], ends: list[int], *, gap: int, limit: int) -> Iterator[tuple[int, int]]:
    """Split ascending byte ranges into runs that are read at once: with gaps up to `gap`, and `limit` bytes in all.

    >>> list(read_together([0, 5, 20], [5, 9, 30], gap=0, limit=100))
    [(0, 2), (2, 3)]
    """
    start = 0
    for i in range(1, len(begins) + 1):
        if i == len(begins) or begins[i] - ends[i - 1] > gap or ends[i] - begins[start] > limit:
            yield start, i
            start = i


@dataclass(frozen=True)
class Latin1Bytes:
    """Bytes that pickle protocol 2 stores as text: each byte is a character from U+0000 to U+00FF, encoded as UTF-8.

    A byte takes one or two bytes of the file, so an index of character counts per 16 KiB chunk is built first.
    """

    path: Path
    offset: int
    text_size: int
    size: int

    @cached_property
    def _starts(self) -> list[int]:
        """Number of characters before each chunk, followed by the total."""
        starts = [0]
        with file_bytes(self.path, self.offset) as read:
            for begin in range(0, self.text_size, _CHUNK):
                chunk = read(begin, min(begin + _CHUNK, self.text_size))
                starts.append(starts[-1] + len(chunk.translate(None, _CONTINUATION)))
        if starts[-1] != self.size:
            raise UnreadableModelError(
                self.path, f"a tensor of {self.size:,} bytes was expected at byte {self.offset:,}, not {starts[-1]:,}"
            )
        return starts

    @contextmanager
    def __call__(self) -> Iterator[Read]:
        starts = self._starts
        with file_bytes(self.path, self.offset) as read_text:

            def read(start: int, stop: int) -> bytes:
                if start >= stop:
                    return b""
                first, last = bisect_right(starts, start) - 1, bisect_right(starts, stop - 1) - 1
                # Read one more byte: the last character of a chunk may end in the next chunk.
                text = read_text(first * _CHUNK, min((last + 1) * _CHUNK + 1, self.text_size))
                text = text[1:] if first and text[:1] in _CONTINUATION else text
                try:
                    data = codecs.getincrementaldecoder("utf-8")().decode(text).encode("latin-1")
                except UnicodeError as error:
                    reason = f"the text that holds a tensor at byte {self.offset:,} is damaged ({error})"
                    raise UnreadableModelError(self.path, reason) from None
                return data[start - starts[first] : stop - starts[first]]

            yield read
