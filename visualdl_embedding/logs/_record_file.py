"""Log file that takes whole records only."""

from __future__ import annotations

import errno
import os
import threading
from collections import defaultdict
from typing import Any

__all__ = ["RecordFile", "file_lock", "protect_writer"]

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def file_lock(path: str | os.PathLike[str]) -> threading.Lock:
    """Lock of a file: two writers may append to one, and what the one cuts off must not be the other's record."""
    return _locks[os.path.realpath(path)]


class RecordFile:
    """A file that takes a record as a whole or not at all, and remembers what went wrong.

    VisualDL appends, says once on stdout that it failed, and goes on: a full disk leaves half a record, and its reader
    breaks on all that follows. An error in a flush ends its thread, whereupon the training waits for ever on a full
    queue. So errors end here: what a failed write left is cut off.

    Attributes
    ----------
    error
        The first error, or None.
    broken
        Whether half a record may still stand in the file.
    """

    def __init__(self, file: Any, path: str) -> None:
        self._file = file
        self._path = path
        self._lock = file_lock(path)
        self.error: OSError | None = None
        self.broken = False

    @property
    def closed(self) -> bool:
        """As of the file behind it."""
        return bool(self._file.closed)

    def write(self, data: bytes) -> None:
        """Append `data`, or nothing."""
        with self._lock:
            before = self._size()
            try:
                self._file.write(data)
                if self._size() < before + len(data):
                    # VisualDL makes a folder that has vanished anew, and forgets the record over it.
                    raise FileNotFoundError(errno.ENOENT, "A record was lost: the folder had vanished", self._path)
            except OSError as error:
                self._keep(error)
                self._cut(before)

    def flush(self) -> None:
        """Flush; an error is kept, not raised."""
        try:
            self._file.flush()
        except OSError as error:
            self._keep(error)

    def close(self) -> None:
        """Close; an error is kept, not raised."""
        try:
            self._file.close()
        except OSError as error:
            self._keep(error)

    def _size(self) -> int:
        try:
            return os.path.getsize(self._path)
        except FileNotFoundError:
            return 0

    def _keep(self, error: OSError) -> None:
        self.error = self.error or error

    def _cut(self, size: int) -> None:
        try:
            if self._size() > size:
                os.truncate(self._path, size)
        except OSError as error:
            self._keep(error)
            self.broken = True


def protect_writer(file_writer: Any) -> RecordFile | None:
    """Let VisualDL's `RecordFileWriter` write through a `RecordFile`; None where its file is not a local one."""
    records = getattr(getattr(file_writer, "_async_writer", None), "_record_writer", None)
    if records is None or "://" in file_writer.get_filename():
        return None
    if not isinstance(records._writer, RecordFile):
        # The name as VisualDL has it: where that is relative and the user changes directory, both go along.
        records._writer = RecordFile(records._writer, file_writer.get_filename())
    file: RecordFile = records._writer
    return file
