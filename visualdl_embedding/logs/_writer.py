"""The training process's end of VisualDL's log: one file per directory, whole at any time."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from visualdl_embedding.logs._entries import Entry, Tally, tag_and_kind
from visualdl_embedding.logs._library import log_writer_class, quiet_thread
from visualdl_embedding.logs._record_file import RecordFile, file_lock, protect_writer
from visualdl_embedding.logs._repair import hidden_files_note, log_files, repair
from visualdl_embedding.logs._scan import scan

__all__ = ["LogFile"]

POLL_SECONDS = 0.002
QUEUED = 100
"""Records that may wait in VisualDL's queue of 120: a full one would block the training, too."""
LARGE_BYTES = 256_000
QUEUED_BEFORE_LARGE = 4
LARGE_SECONDS = 2.0
"""A large record waits so long for the queue to empty, so that it never holds hundreds of megabytes."""


class LogFile:
    """One of VisualDL's log files, owned or shared.

    VisualDL shows one file per directory, so `paddle.callbacks.VisualDL` and we write into the same. Whoever closes
    it first, the other goes on in the same file. All methods may be called from any thread; in a process forked from
    the one that opened it they do nothing, for VisualDL's writer hangs there.

    Made by `open` or `share`.

    Attributes
    ----------
    path
        The file.
    note
        A sentence for the user about what will not be shown together, or None.
    error
        The first error in writing, VisualDL's own records included; None while all is well. What could not be
        written is lost, but the file stays whole.
    tally
        Bytes of our records that the file holds or was handed, for a `LogBudget`.
    """

    def __init__(self, writer: Any, *, owned: bool, note: str | None = None, tally: Tally | None = None) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._closed = False
        self._folder = _absolute(writer.logdir)
        self.path = Path(_absolute(writer.file_name))
        self.note = note
        self.error: OSError | None = None
        self.tally = Tally() if tally is None else tally
        if tally is None and self.path.exists():
            for entry in scan(self.path):
                self.tally.add(entry)
        self._attach(writer, owned=owned)
        _open_files.add(self)

    @classmethod
    def open(cls, log_dir: str | os.PathLike[str] | None = None, *, writer: Any = None, share: Any = None) -> LogFile:
        """Write into a directory, with a `visualdl.LogWriter` that somebody else closes, or into a callback's file.

        A log that the directory holds already is continued, without the records that
        cannot be read, see `repair`.

        Parameters
        ----------
        log_dir
            The directory; may be None where one of the others says it.
        writer
            An open `visualdl.LogWriter`; comes first.
        share
            A `paddle.callbacks.VisualDL` of the same training, see `LogFile.share`.

        Raises
        ------
        OSError
            Where the directory cannot be written.
        TypeError
            Where `writer` is no LogWriter, or nothing says where to.
        ValueError
            Where `writer` was closed already.
        """
        if writer is not None:
            return cls(_validate_writer(writer), owned=False)
        if share is not None:
            return cls.share(share, log_dir)
        if log_dir is None:
            raise TypeError("LogFile.open needs a log directory, a writer or a callback to share with.")
        tally = Tally()
        return cls(_new_writer(log_dir, tally=tally), owned=True, note=hidden_files_note(log_dir), tally=tally)

    @classmethod
    def share(cls, callback: Any, log_dir: str | os.PathLike[str] | None = None) -> LogFile:
        """Write into the file of a `paddle.callbacks.VisualDL`.

        If it has no writer yet it is given one, which it will use and close. If it logs into another directory than
        `log_dir`, the file is our own and `note` says so.
        """
        theirs = os.fspath(callback.log_dir)
        if log_dir is not None and os.path.realpath(theirs) != os.path.realpath(log_dir):
            file = cls.open(log_dir)
            file.note = (
                f"paddle.callbacks.VisualDL logs to {theirs!r} but the embeddings go to {os.fspath(log_dir)!r}: "
                "VisualDL shows them as two runs. Give both the same directory to see them in one."
            )
            return file
        tally = None
        if not _is_open(getattr(callback, "writer", None)):
            tally = Tally()
            callback.writer = _new_writer(theirs, tally=tally)
        return cls(callback.writer, owned=False, note=hidden_files_note(theirs), tally=tally)

    @property
    def size(self) -> int:
        """Bytes of the file now."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def append(self, record: bytes, *, timeout: float = 10.0) -> bool:
        """Hand over a serialized record; VisualDL's thread writes it.

        Parameters
        ----------
        record
            As from `snapshot_records`.
        timeout
            Seconds to wait while the disk is behind.

        Returns
        -------
        Whether it was handed over.

        Raises
        ------
        ValueError
            Where the bytes are no record: half a one would make the whole log unreadable.
        """
        if os.getpid() != self._pid:
            return False
        found = tag_and_kind(record)
        if found is None:
            raise ValueError(f"append takes a serialized VisualDL record; these {len(record)} bytes are none.")
        with self._lock:
            if self._closed:
                raise ValueError(f"This log file was closed: {self.path}.")
            try:
                self._enqueue(record, timeout)
            except OSError as error:
                self.error = self.error or error
                return False
            self.tally.add(Entry(*found, record))
        return True

    def flush(self, *, timeout: float = 10.0) -> bool:
        """Wait until all that was handed over is in the file, at most `timeout` seconds; returns whether it is.

        Unlike VisualDL's own flush it holds no lock while it waits, so a training thread that logs is not held up.
        """
        if os.getpid() != self._pid:
            return False
        with self._lock:
            written = self._wait(0, timeout)
            self._note_error()
            return written

    def close(self) -> None:
        """Write what is left; close the file if it is ours. Safe to call twice."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            _open_files.discard(self)
            # VisualDL's close waits without limit for a thread that may be stuck on a dead disk.
            if self._wait(0, 10.0) and self._owned and _is_open(self._writer):
                self._writer.close()
            self._note_error()
            if self._record_file is not None and self._record_file.broken and not _is_open(self._writer):
                repair(self.path)

    def __enter__(self) -> LogFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _attach(self, writer: Any, *, owned: bool) -> None:
        self._writer, self._owned = writer, owned
        self._file_writer = writer._get_file_writer()
        self._record_file: RecordFile | None = protect_writer(self._file_writer)

    def _enqueue(self, record: bytes, timeout: float) -> None:
        if len(record) >= LARGE_BYTES:
            self._wait(QUEUED_BEFORE_LARGE, min(timeout, LARGE_SECONDS))
        if not self._wait(QUEUED, timeout):
            raise TimeoutError(f"{self.path} took no record for {timeout:g} s; a record was dropped.")
        try:
            self._file_writer._async_writer.write(record)
        except OSError:
            # Its owner closed it, perhaps this very moment; its thread has written all that it was given.
            self._note_error()
            self._attach(_new_writer(self._folder, name=self.path.name), owned=True)
            self._file_writer._async_writer.write(record)

    def _wait(self, queued: int, timeout: float) -> bool:
        """Wait until at most so many records are not in the file yet."""
        queue = self._file_writer._async_writer._bytes_queue
        deadline = time.monotonic() + timeout
        while queue.unfinished_tasks > queued:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _note_error(self) -> None:
        if self._record_file is not None:
            self.error = self.error or self._record_file.error


_open_files: weakref.WeakSet[LogFile] = weakref.WeakSet()


@atexit.register
def _flush_at_exit() -> None:
    """VisualDL has no such thing: a training that ends by an exception lost its last 120 records."""
    for file in list(_open_files):
        file.flush(timeout=2.0)


def _validate_writer(writer: Any) -> Any:
    if not hasattr(writer, "_get_file_writer"):
        raise TypeError(f"writer takes a visualdl.LogWriter, not {type(writer).__name__}.")
    if not _is_open(writer):
        raise ValueError("writer was closed already; give one that is open, or none.")
    return writer


def _is_open(writer: Any) -> bool:
    return getattr(writer, "_file_writer", None) is not None


def _new_writer(log_dir: str | os.PathLike[str], *, name: str | None = None, tally: Tally | None = None) -> Any:
    """Open the file `name` of a directory, or the one that VisualDL would read, or a new one."""
    # Absolute, for VisualDL opens the file anew for each record, and the user may change directory meanwhile.
    folder = _absolute(log_dir)
    local = "://" not in folder
    if name is None:
        existing = log_files(folder) if local else []
        # The form of VisualDL's own names; given as one, a write after the close goes to the same file.
        name = existing[-1].name if existing else f"vdlrecords.{int(time.time()):010d}.log"
    if local:
        _make_ready(Path(folder, name), tally)
    with quiet_thread():
        return log_writer_class()(folder, file_name=name)


def _absolute(path: str | os.PathLike[str]) -> str:
    """Resolve against the working directory; VisualDL also knows ``bos://`` and ``hdfs://``, which stay."""
    text = os.fspath(path)
    return text if "://" in text else os.path.abspath(text)


def _make_ready(path: Path, tally: Tally | None) -> None:
    """Find out now that a file cannot be written, for VisualDL finds out in its thread and tells nobody."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(path):
            open(path, "ab").close()
            repair(path, tally=tally)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"The log directory cannot be written ({reason}); give one that can"
        raise type(error)(error.errno, message, str(path.parent)) from error
