"""Patches for faults of VisualDL's server.

A patch replaces functions of VisualDL that it recognizes by a fingerprint of their source. If upstream has changed one
of them, the patch is not applied: the fault may be gone, and the replacement may not fit.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import inspect
import io
import logging
import textwrap
import threading
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from visualdl_embedding.logs import LARGEST_RECORD_BYTES
from visualdl_embedding.server._forget import forget_replaced

__all__ = ["PATCHES", "Part", "Patch", "apply_patches", "complete_language", "end_with_process", "fingerprint"]

_log = logging.getLogger(__name__)

_reading = threading.RLock()
"""VisualDL's readers are not safe for several threads."""


@dataclass(frozen=True, slots=True)
class Part:
    """A function that is replaced.

    Attributes
    ----------
    module, name
        Where it is: ``"visualdl.server.api"``, ``"Api._get"``.
    known
        Fingerprint of the function that has the fault.
    make
        Makes the replacement from the replaced function.
    """

    module: str
    name: str
    known: str
    make: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Patch:
    """A fault and the functions that replace the faulty ones.

    Attributes
    ----------
    name
        Of the fault.
    why
        Its effect for users, in VisualDL 2.5.3.
    parts
        If one is not the known function, none is replaced.
    """

    name: str
    why: str
    parts: tuple[Part, ...]


def fingerprint(function: Callable[..., Any]) -> str:
    """Hash of a function's source without comments, white space and line breaks; ``""`` without source."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""
    skipped = (
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    )
    words = [t.string for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in skipped]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]


def apply_patches() -> tuple[str, ...]:
    """Apply all patches that fit to this process; a second call changes nothing.

    Returns
    -------
    Names of the patches in place.
    """
    done = []
    with _reading:
        for patch in PATCHES:
            found = [_find(part) for part in patch.parts]
            if all(getattr(function, "_patched", False) for _, _, function in found):
                done.append(patch.name)
            elif [fingerprint(function) for _, _, function in found] == [part.known for part in patch.parts]:
                for part, (owner, name, function) in zip(patch.parts, found, strict=True):
                    replacement = part.make(function)
                    replacement._patched = True
                    setattr(owner, name, replacement)
                done.append(patch.name)
            else:
                _log.info("The patch for %s is not applied: VisualDL has changed.", patch.name)
        _guard_readers()
        if "late tags" in done:
            _rebind_tags()
    return tuple(done)


def _find(part: Part) -> tuple[Any, str, Any]:
    owner: Any = import_module(part.module)
    *path, name = part.name.split(".")
    for step in path:
        owner = getattr(owner, step, None)
    return owner, name, getattr(owner, name, None)


def _guard_readers() -> None:
    """Let one thread at a time use a reader."""
    reader = import_module("visualdl.reader.reader").LogReader
    for name in ("logs", "load_new_data", "get_log_data"):
        method = getattr(reader, name)
        if not getattr(method, "_guarded", False):
            setattr(reader, name, _guarded(method))


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with _reading:
            return method(*args, **kwargs)

    wrapper._guarded = True  # type: ignore[attr-defined]
    return wrapper


def _rebind_tags() -> None:
    """``get_scalar_tags`` and its like hold the function that they were made of."""
    lib = import_module("visualdl.server.lib")
    for name, value in list(vars(lib).items()):
        if isinstance(value, functools.partial) and value.func.__name__ == "get_logs":
            setattr(lib, name, functools.partial(lib.get_logs, *value.args, **value.keywords))


def _read_whole_records(stock: Any) -> Any:
    """Leave half a record where it is until the rest has come."""

    def get_next(self: Any) -> None:
        self._curr_event = None
        file = self.file_handle
        before = (file.buff, file.buff_offset, file.continuation_token)
        header = file.read(8)
        length = int.from_bytes(header, "little")
        data = file.read(length) if len(header) == 8 and 0 < length <= LARGEST_RECORD_BYTES else b""
        if not data or len(data) < length:
            file.buff, file.buff_offset, file.continuation_token = before
            raise EOFError("No whole record yet.")
        self._curr_event = data

    return get_next


def _pass_over_garbage(stock: Any) -> Any:
    """Pass over records that are none, and files that went away."""

    def add_remain(self: Any) -> None:
        from google.protobuf.message import DecodeError

        for reader in list(self.readers.values()):
            self.reader = reader
            try:
                remain = reader.get_remain()
            except OSError:
                continue
            for item in remain:
                try:
                    component, _, tag, record = self.parse_from_bin(item)
                except (DecodeError, IndexError, TypeError):
                    continue
                self.data_manager.add_item(component, reader.dir, tag, record)

    return add_remain


def _key_by_function(stock: Any) -> Any:
    """Keep answers under the function that made them: an absolute run swallowed the rest of the key."""

    def get(self: Any, key: str, function: Any, *args: Any, **kwargs: Any) -> Any:
        name = getattr(function, "__name__", "") or repr(getattr(function, "keywords", function))
        return stock(self, f"{name}:{key}", function, *args, **kwargs)

    return get


def _look_first(stock: Any) -> Any:
    """Read what is new before tags are listed."""

    def get_logs(log_reader: Any, component: str) -> Any:
        log_reader.load_new_data()
        return stock(log_reader, component)

    return get_logs


def _embeddings(log_reader: Any) -> dict[str, Any]:
    """All records of embeddings, by name. The newest of a tag has its name; the first stays as ``… (record 1)``."""
    lib = import_module("visualdl.server.lib")
    listed = lib.get_logs(log_reader, "embeddings")
    reservoir = log_reader.data_manager.get_reservoir("embeddings")
    found: dict[str, Any] = {}
    for run, tags in zip(listed["runs"], listed["tags"], strict=True):
        place = log_reader.name2tags.get(run, run)
        for tag in tags:
            *older, newest = reservoir.get_items(place, lib.decode_tag(tag))
            found[f"{place}/{tag}"] = newest
            found.update({f"{place}/{tag} (record {i})": record for i, record in enumerate(older, start=1)})
    return found


def _list_all(stock: Any) -> Any:
    def get_embeddings_list(log_reader: Any) -> list[dict[str, Any]]:
        log_reader.load_new_data()
        return [
            {"name": name, "shape": [len(rows), len(rows[0].vectors) if len(rows) else 0], "path": name}
            for name, record in _embeddings(log_reader).items()
            for rows in [record.embeddings.embeddings]
        ]

    return get_embeddings_list


def _labels_of_all(stock: Any) -> Any:
    def get_embedding_labels(log_reader: Any, name: str) -> str:
        log_reader.load_new_data()
        embeddings = _embeddings(log_reader)[name].embeddings
        with io.StringIO() as text:
            lines = csv.writer(text, delimiter="\t")
            if embeddings.label_meta:
                lines.writerow(embeddings.label_meta)
            lines.writerows(row.label for row in embeddings.embeddings)
            return text.getvalue()

    return get_embedding_labels


def _tensor_of_all(stock: Any) -> Any:
    def get_embedding_tensors(log_reader: Any, name: str) -> bytes:
        log_reader.load_new_data()
        rows = _embeddings(log_reader)[name].embeddings.embeddings
        return np.array([row.vectors for row in rows], dtype=np.float32).tobytes()

    return get_embedding_tensors


def _daemon_thread(stock: Any) -> Any:
    """End with the process: the profiler's reader waits on a queue for ever."""

    class Daemon(threading.Thread):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "daemon": True})

    return Daemon


_LIB = "visualdl.server.lib"
_API = "visualdl.server.api"
_READER = "visualdl.reader.reader"

PATCHES = (
    Patch(
        "half a record",
        "Half a record at the end of a file stops the server at its start, and later puts it out of step for good.",
        (
            Part("visualdl.reader.record_reader", "_RecordReader.get_next", "f7d7ed10065cb21a", _read_whole_records),
            Part(_READER, "LogReader.add_remain", "f03d780d16100c23", _pass_over_garbage),
        ),
    ),
    Patch(
        "absolute log directories",
        "With an absolute --logdir labels and vectors share one place in the cache: labels are answered with vectors.",
        (
            Part(_API, "Api._get", "d1cfcda68bf4b016", _key_by_function),
            Part(_API, "Api._get_with_retry", "f4415b388d651f41", _key_by_function),
        ),
    ),
    Patch(
        "late tags",
        "Tags that are written while the server runs are not listed before something else reads on.",
        (Part(_LIB, "get_logs", "6684c029db04eed5", _look_first),),
    ),
    Patch(
        "late embeddings",
        "Embeddings that are written after the first listing never show, nor does any record of a tag but the first.",
        (
            Part(_LIB, "get_embeddings_list", "b83daae3b43cf60b", _list_all),
            Part(_LIB, "get_embedding_labels", "bed393237269fc6b", _labels_of_all),
            Part(_LIB, "get_embedding_tensors", "fb976aec8f0db874", _tensor_of_all),
        ),
    ),
    Patch(
        "replaced files",
        "A file that is replaced (`relog`) is read on in its middle, beside what the old one held.",
        (Part(_READER, "LogReader.register_readers", "41480c552e6b9145", forget_replaced),),
    ),
)


def end_with_process() -> None:
    """Make the profiler's endless thread a daemon, so that Ctrl-C ends the server."""
    module: Any = import_module("visualdl.component.profiler.profiler_reader")
    if module.Thread is threading.Thread:
        module.Thread = _daemon_thread(None)


def complete_language(environ: dict[str, Any], default: str) -> None:
    """Name a language that VisualDL has, where a request names none: without one its pages answer with status 500."""
    asked = environ.get("HTTP_ACCEPT_LANGUAGE", "")
    if "en" not in asked.lower() and "zh" not in asked.lower() and "*" not in asked:
        environ["HTTP_ACCEPT_LANGUAGE"] = f"{asked}, {default};q=0.1" if asked.strip() else default
