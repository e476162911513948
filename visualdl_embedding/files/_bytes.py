"""Byte ranges of tensors in files, read in parts.

Files are read by seeking and are not memory-mapped. If another process truncates a mapped file, the reader is killed by
SIGBUS; a read reports an error. Mapped pages also count as memory of the process.
"""

from __future__ import annotations

import codecs
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import IO, Protocol

from visualdl_embedding.errors import UnreadableModelError

__all__ = [
    "Bytes",
    "FileBytes",
    "JoinedBytes",
    "Latin1Bytes",
    "MemoryBytes",
    "Read",
    "StreamBytes",
    "check_range",
    "read_exactly",
]

Read = Callable[[int, int], bytes]
"""Read the bytes from `start` to `stop`."""

_CHUNK = 16 * 1024
_CONTINUATION = bytes(range(0x80, 0xC0))


class Bytes(Protocol):
    """Sequence of bytes that can be read in parts."""

    def open(self) -> AbstractContextManager[Read]:
        """Open the underlying file for any number of reads."""
        ...


def check_range(path: Path, offset: int, size: int) -> None:
    """Check that a file holds a byte range.

    Raises
    ------
    UnreadableModelError
        If the file ends before the end of the range.
    """
    found = os.path.getsize(path)
    if offset < 0 or size < 0 or offset + size > found:
        raise UnreadableModelError(
            path, f"it has {found:,} bytes, but {size:,} were expected from byte {offset:,} on; it may be cut off"
        )


def read_exactly(file: IO[bytes], size: int, path: Path) -> bytes:
    """Read exactly `size` bytes.

    Raises
    ------
    UnreadableModelError
        If the file ends too early.
    """
    data = file.read(size)
    if len(data) != size:
        raise UnreadableModelError(path, f"it ends {size - len(data):,} bytes early")
    return data


@dataclass(frozen=True, slots=True)
class FileBytes:
    """Byte range of a file."""

    path: Path
    offset: int
    size: int

    @contextmanager
    def open(self) -> Iterator[Read]:
        """Open the file."""
        with open(self.path, "rb", buffering=0) as file:

            def read(start: int, stop: int) -> bytes:
                file.seek(self.offset + start)
                return read_exactly(file, stop - start, self.path)

            yield read


@dataclass(frozen=True, slots=True)
class MemoryBytes:
    """Bytes in memory, for small tensors that a pickle stores inline."""

    data: bytes

    @contextmanager
    def open(self) -> Iterator[Read]:
        """Return a reader; there is no file to open."""
        yield lambda start, stop: self.data[start:stop]


@dataclass(frozen=True, slots=True)
class JoinedBytes:
    """Concatenation of several byte ranges: Paddle splits tensors above 1 GiB when it pickles with protocol 2 or 3."""

    parts: tuple[tuple[Bytes, int], ...]

    @contextmanager
    def open(self) -> Iterator[Read]:
        """Return a reader that opens one part at a time, which limits the number of open files."""
        ends = list(accumulate(size for _, size in self.parts))

        def read(start: int, stop: int) -> bytes:
            found = []
            at = bisect_right(ends, start)
            while start < stop:
                part, size = self.parts[at]
                begin, end = ends[at] - size, min(stop, ends[at])
                with part.open() as read_part:
                    found.append(read_part(start - begin, end - begin))
                start, at = end, at + 1
            return b"".join(found)

        yield read


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
        with FileBytes(self.path, self.offset, self.text_size).open() as read:
            for begin in range(0, self.text_size, _CHUNK):
                chunk = read(begin, min(begin + _CHUNK, self.text_size))
                starts.append(starts[-1] + len(chunk.translate(None, _CONTINUATION)))
        if starts[-1] != self.size:
            raise UnreadableModelError(
                self.path, f"a tensor of {self.size:,} bytes was expected at byte {self.offset:,}, not {starts[-1]:,}"
            )
        return starts

    @contextmanager
    def open(self) -> Iterator[Read]:
        """Open the file."""
        starts = self._starts
        with FileBytes(self.path, self.offset, self.text_size).open() as read_text:

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


@dataclass(frozen=True, slots=True)
class StreamBytes:
    """Bytes of a compressed stream. Streams only read forward; reading backward restarts the decompressor.

    Attributes
    ----------
    path
        Path of the file, for error messages.
    open_stream
        Function that opens the decompressor at the start of the stream.
    offset
        Offset of the first byte in the stream.
    broken
        Exceptions that the decompressor raises on damaged input.
    """

    path: Path
    open_stream: Callable[[], AbstractContextManager[IO[bytes]]]
    offset: int
    broken: tuple[type[Exception], ...]

    @contextmanager
    def open(self) -> Iterator[Read]:
        """Open the decompressor."""
        with ExitStack() as stack:
            with self._reported():
                stream = stack.enter_context(self.open_stream())

            def read(start: int, stop: int) -> bytes:
                with self._reported():
                    stream.seek(self.offset + start)
                    return read_exactly(stream, stop - start, self.path)

            yield read

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except self.broken as error:
            raise UnreadableModelError(self.path, f"its compressed data is damaged ({error})") from error
