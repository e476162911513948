"""Import of VisualDL on first use, without its warnings and prints."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from functools import cache
from typing import Any

__all__ = ["log_writer_class", "quiet_import", "quiet_thread", "record_class"]


@cache
def record_class() -> Any:
    """`visualdl.proto.record_pb2.Record`, the message that a log is made of."""
    with quiet_import():
        from visualdl.proto.record_pb2 import Record
    return Record


@cache
def log_writer_class() -> Any:
    """`visualdl.LogWriter`."""
    with quiet_import():
        from visualdl import LogWriter
    return LogWriter


@contextmanager
def quiet_import() -> Iterator[None]:
    """Suppress the warnings of VisualDL's import, such as those about invalid escapes in baidubce, a dependency."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, SyntaxWarning, UserWarning, ImportWarning):
            warnings.simplefilter("ignore", category)
        yield


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
