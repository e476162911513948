"""VisualDL's writer, and a file for its thread that keeps the log readable after write errors."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from functools import cache
from typing import Any

from visualdl_embedding.logs._scan import quiet_import

__all__ = ["RecordFile", "file_lock", "log_writer_class", "protect_writer", "quiet_thread"]

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


@cache
def log_writer_class() -> Any:
    """`visualdl.LogWriter`."""
    with quiet_import():
        from visualdl import LogWriter
    return LogWriter


def quiet_thread() -> AbstractContextManager[Any]:
    """Suppress prints of this thread only: VisualDL prints a message if a log file exists."""
    return redirect_stdout(_OthersOnly(sys.stdout))


class _OthersOnly:
    """Stream that drops writes from its creating thread. An `io` class would close the stream in its finalizer."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._silent = threading.get_ident()

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() == self._silent else int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def file_lock(path: str | os.PathLike[str]) -> threading.Lock:
    """Return the lock of a file. Two writers may append to it; one must not truncate the other's record."""
    return _locks[os.path.realpath(path)]


class RecordFile:
    """File that appends complete records only and keeps the first error.

    After a failed write, VisualDL prints one message and continues: a full disk leaves an incomplete record, which
    breaks its reader. An error in a flush ends its thread, and the training then blocks on a full queue. This class
    catches the errors and truncates incomplete records.

    Attributes
    ----------
    error
        First error, or None.
    broken
        Whether the file may end with an incomplete record.
    """

    def __init__(self, file: Any, path: str) -> None:
        self._file = file
        self._path = path
        self._lock = file_lock(path)
        self.error: OSError | None = None
        self.broken = False

    @property
    def closed(self) -> bool:
        """Whether the wrapped file is closed."""
        return bool(self._file.closed)

    def write(self, data: bytes) -> None:
        """Append `data` completely or not at all."""
        with self._lock:
            before = self._size()
            try:
                self._file.write(data)
                if self._size() < before + len(data):
                    # VisualDL recreates a missing folder and loses the record.
                    raise FileNotFoundError(errno.ENOENT, "A record was lost: the folder was removed", self._path)
            except OSError as error:
                self.error = self.error or error
                self._cut(before)

    def flush(self) -> None:
        """Flush; an error is stored, not raised."""
        with self._keeping():
            self._file.flush()

    def close(self) -> None:
        """Close; an error is stored, not raised."""
        with self._keeping():
            self._file.close()

    def _size(self) -> int:
        try:
            return os.path.getsize(self._path)
        except FileNotFoundError:
            return 0

    @contextmanager
    def _keeping(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = self.error or error

    def _cut(self, size: int) -> None:
        try:
            if self._size() > size:
                os.truncate(self._path, size)
        except OSError as error:
            self.error = self.error or error
            self.broken = True


def protect_writer(file_writer: Any) -> RecordFile | None:
    """Wrap the file of VisualDL's `RecordFileWriter` once. Return None if the file is not local."""
    records = getattr(getattr(file_writer, "_async_writer", None), "_record_writer", None)
    if records is None or "://" in file_writer.get_filename():
        return None
    if not isinstance(records._writer, RecordFile):
        # Use VisualDL's name: if it is relative and the user changes directory, both follow.
        records._writer = RecordFile(records._writer, file_writer.get_filename())
    file: RecordFile = records._writer
    return file
