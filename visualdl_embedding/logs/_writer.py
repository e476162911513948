"""Writer of VisualDL's log in the training process."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from visualdl_embedding.logs._budget import Tally
from visualdl_embedding.logs._record_file import RecordFile, file_lock, log_writer_class, protect_writer, quiet_thread
from visualdl_embedding.logs._repair import hidden_files_note, log_files, repair
from visualdl_embedding.logs._scan import parse_entry, scan

__all__ = ["LogFile"]

POLL_SECONDS = 0.002
PATIENCE_SECONDS = 10.0
"""Maximum time to wait for a slow disk."""
QUEUED = 100
"""Maximum number of records in VisualDL's queue of 120; a full queue would block the training."""
LARGE_BYTES = 256_000
QUEUED_BEFORE_LARGE = 4
LARGE_SECONDS = 2.0
"""Records above this size wait for the queue to empty, so that it never holds hundreds of megabytes."""


class LogFile:
    """VisualDL log file, owned or shared.

    VisualDL shows one file per directory, so `paddle.callbacks.VisualDL` and this class write to the same file. After
    one of them closes it, the other continues in the same file. All methods are thread-safe. In a forked process they
    do nothing, because VisualDL's writer hangs there.

    Create with `open`.

    Attributes
    ----------
    path
        Path of the file.
    note
        Message for the user about values shown as separate runs, or None.
    error
        First write error, including those of VisualDL's own records; None without errors. Records that could not be
        written are lost, but the file remains readable.
    tally
        Bytes of our records in the file or in the queue, for a `LogBudget`.
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
        """Open a file in a directory, by a `visualdl.LogWriter` that its owner closes, or of a callback.

        An existing log of the directory is continued after unreadable records are removed (see `repair`).

        Parameters
        ----------
        log_dir
            The directory; may be None if one of the other arguments determines it.
        writer
            An open `visualdl.LogWriter`; takes precedence.
        share
            A `paddle.callbacks.VisualDL` of the same training, or anything with its `log_dir` and `writer`. If it has
            no writer yet, it gets one, which it uses and closes. If it logs to another directory than `log_dir`, a
            separate file is used and `note` explains it.

        Raises
        ------
        OSError
            If the directory cannot be written.
        TypeError
            If `writer` is not a LogWriter, or no argument determines the directory.
        ValueError
            If `writer` is closed.
        """
        if writer is not None:
            if not hasattr(writer, "_get_file_writer"):
                raise TypeError(f"writer must be a visualdl.LogWriter, not {type(writer).__name__}.")
            if not _is_open(writer):
                raise ValueError("writer is closed; pass an open one, or None.")
            return cls(writer, owned=False)
        theirs = None if share is None else os.fspath(share.log_dir)
        folder = theirs if log_dir is None else os.fspath(log_dir)
        if folder is None:
            raise TypeError(
                "LogFile.open requires a log directory, a writer or a callback to share with; all are None."
            )
        shared = theirs is not None and os.path.realpath(theirs) == os.path.realpath(folder)
        note = hidden_files_note(folder)
        if theirs is not None and not shared:
            note = (
                f"The trainer's VisualDL callback logs to {theirs!r} but the embeddings go to {folder!r}: VisualDL "
                "shows them as two runs. Use the same directory for both to see one run."
            )
        if shared and _is_open(getattr(share, "writer", None)):
            return cls(share.writer, owned=False, note=note)
        tally = Tally()
        opened = _new_writer(folder, tally=tally)
        if shared:
            share.writer = opened
        return cls(opened, owned=not shared, note=note, tally=tally)

    def append(self, record: bytes) -> bool:
        """Queue a serialized record, such as one of `snapshot_records`, for VisualDL's thread.

        Waits up to 10 seconds for a slow disk. Returns whether the record was queued.

        Raises
        ------
        ValueError
            If the bytes are not a record: an incomplete record would make the whole log unreadable.
        """
        if os.getpid() != self._pid:
            return False
        entry = parse_entry(record)
        if entry is None:
            raise ValueError(f"record must be a serialized VisualDL record; these {len(record)} bytes are not.")
        with self._lock:
            if self._closed:
                raise ValueError(f"The log file {self.path} is closed; open it again to append records.")
            try:
                self._enqueue(record)
            except OSError as error:
                self.error = self.error or error
                return False
            self.tally.add(entry)
        return True

    def flush(self, *, timeout: float = PATIENCE_SECONDS) -> bool:
        """Wait up to `timeout` seconds until all queued records are in the file; return whether they are.

        It holds no lock while waiting, unlike VisualDL's flush, so a training thread that logs is not blocked.
        """
        if os.getpid() != self._pid:
            return False
        with self._lock:
            written = self._wait(0, timeout)
            self._note_error()
            return written

    def close(self) -> None:
        """Write the remaining records, and close the file if it is owned. Can be called twice."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._closed:
                return
            self._closed = True
            _open_files.discard(self)
            # VisualDL's close waits without limit for its thread, even on a dead disk.
            if self._wait(0, PATIENCE_SECONDS) and self._owned and _is_open(self._writer):
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

    def _enqueue(self, record: bytes) -> None:
        if len(record) >= LARGE_BYTES:
            self._wait(QUEUED_BEFORE_LARGE, LARGE_SECONDS)
        if not self._wait(QUEUED, PATIENCE_SECONDS):
            raise TimeoutError(f"{self.path} accepted no record for {PATIENCE_SECONDS:g} s; a record was dropped.")
        try:
            self._file_writer._async_writer.write(record)
        except OSError:
            # The owner closed the writer; its thread has written all queued records.
            self._note_error()
            self._attach(_new_writer(self._folder, name=self.path.name), owned=True)
            self._file_writer._async_writer.write(record)

    def _wait(self, queued: int, timeout: float) -> bool:
        """Wait until at most `queued` records are not yet in the file."""
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
    """Write the queued records at exit. Without it, a training that ends by an exception loses its last 120 records."""
    for file in list(_open_files):
        file.flush(timeout=2.0)


def _is_open(writer: Any) -> bool:
    return getattr(writer, "_file_writer", None) is not None


def _new_writer(log_dir: str | os.PathLike[str], *, name: str | None = None, tally: Tally | None = None) -> Any:
    """Open the file `name` of a directory, or the file VisualDL would read, or a new one."""
    # Make the path absolute: VisualDL reopens the file for each record, and the user may change directory.
    folder = _absolute(log_dir)
    local = "://" not in folder
    if name is None:
        existing = log_files(folder) if local else []
        # Use VisualDL's own form of names; with an explicit name, a write after the close goes to the same file.
        name = existing[-1].name if existing else f"vdlrecords.{int(time.time()):010d}.log"
    if local:
        _make_ready(Path(folder, name), tally)
    with quiet_thread():
        return log_writer_class()(folder, file_name=name)


def _absolute(path: str | os.PathLike[str]) -> str:
    """Resolve against the working directory, except ``bos://`` and ``hdfs://`` of VisualDL."""
    text = os.fspath(path)
    return text if "://" in text else os.path.abspath(text)


def _make_ready(path: Path, tally: Tally | None) -> None:
    """Check that a file is writable. VisualDL notices errors only in its thread, without reporting them."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(path):
            open(path, "ab").close()
            repair(path, tally=tally)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"The log directory cannot be written ({reason}); choose a writable one"
        raise type(error)(error.errno, message, str(path.parent)) from error
