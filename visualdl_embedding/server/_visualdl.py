"""VisualDL's application without its side effects on the process, and patches for faults of its server.

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
import os
import textwrap
import threading
import tokenize
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from flask import Flask

from visualdl_embedding.logs import LARGEST_RECORD_BYTES, quiet_import
from visualdl_embedding.server._files import Mark, mark

__all__ = ["PATCHES", "THEMES", "apply_patches", "complete_language", "create_visualdl_app"]

THEMES = ("light", "dark")

_log = logging.getLogger(__name__)
_SPACE = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
_reading = threading.RLock()
"""VisualDL's readers are not thread-safe."""
_MARKS = "_visualdl_embedding_marks"
_creating = threading.Lock()


def create_visualdl_app(log_dirs: Sequence[str], **options: Any) -> Flask:
    """Create VisualDL's application with all its pages and API, patched and without telemetry.

    VisualDL names runs by the log directories, so they are as the user gave them. The options are also VisualDL's.
    """
    with quiet_import():
        stock = import_module("visualdl.server.app")
        arguments = import_module("visualdl.server.args")
        import_module("visualdl.server.log").init_logger(0)
    apply_patches()
    # A daemon thread: the profiler's, which waits on a queue forever, would keep the server running after Ctrl-C.
    profiler_reader: Any = import_module("visualdl.component.profiler.profiler_reader")
    profiler_reader.Thread = functools.partial(threading.Thread, daemon=True)
    args = arguments.ParseArgs(
        logdir=list(log_dirs),
        # Used in a printed line only. Without a host, VisualDL looks up the name of this machine.
        host="localhost",
        port=0,
        telemetry=False,
        **options,
    )
    with _creating, _own_state(stock):
        app: Flask = stock.create_app(args)
    # The code of the profiler and of the graphs is not thread-safe.
    lock = threading.RLock()
    views = app.view_functions

    def serve(name: str, view: Callable[..., Any], /, **values: Any) -> Any:
        with lock if name == "serve_profiler_api" or values.get("method", "").startswith("graph") else nullcontext():
            return view(**values)

    for name in ("serve_profiler_api", "serve_api"):
        views[name] = functools.partial(serve, name, views[name])
    return app


@contextmanager
def _own_state(stock: Any) -> Iterator[None]:
    """Replace VisualDL's global state by a state of the new application, and prevent changes to signal handlers.

    `create_app` sets the handler of SIGINT, which fails outside of the main thread and disables Ctrl-C. Pages and
    records of all applications are in global dictionaries.
    """
    reader: Any = import_module("visualdl.reader.reader")
    manager = import_module("visualdl.server.data_manager").DataManager
    template = stock.Template
    before = (stock.signal, stock.Template, reader.default_data_manager)
    stock.signal = SimpleNamespace(signal=lambda *args: None, SIGINT=None, SIG_DFL=None)
    stock.Template = type("Template", (template,), {"_Template__files": {}})
    reader.default_data_manager = manager()
    try:
        yield
    finally:
        stock.signal, stock.Template, reader.default_data_manager = before


class Part(NamedTuple):
    """Replacement of one function, such as ``"visualdl.server.api"``, ``"Api._get"``.

    It is applied to a function with the known fingerprint. The new one takes the replaced one, then its arguments.
    """

    module: str
    name: str
    known: str
    new: Callable[..., Any]


def fingerprint(function: Callable[..., Any]) -> str:
    """Hash a function's source without comments, white space and line breaks; ``""`` without source."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    skipped = (*_SPACE, tokenize.COMMENT, tokenize.ENDMARKER)
    words = [token.string for token in tokens if token.type not in skipped]
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:16]


def apply_patches() -> tuple[str, ...]:
    """Apply all fitting patches to this process; a second call changes nothing.

    Returns
    -------
    Names of the applied patches.
    """
    done = []
    with _reading:
        for fault, parts in PATCHES.items():
            found = [_find(part) for part in parts]
            functions: list[Any] = [getattr(owner, name, None) for owner, name in found]
            if all(getattr(function, "_patched", False) for function in functions):
                done.append(fault)
            elif [fingerprint(function) for function in functions] == [part.known for part in parts]:
                for part, (owner, name) in zip(parts, found, strict=True):
                    _replace(owner, name, part.new)
                done.append(fault)
            else:
                _log.info("The patch for %s is not applied: VisualDL has changed.", fault)
        reader = import_module("visualdl.reader.reader").LogReader
        for name in ("logs", "load_new_data", "get_log_data"):
            if not getattr(getattr(reader, name), "_patched", False):
                _replace(reader, name, _one_at_a_time)
        if "late tags" in done:
            _rebind_tags()
    return tuple(done)


def _find(part: Part) -> tuple[Any, str]:
    owner: Any = import_module(part.module)
    *path, name = part.name.split(".")
    for step in path:
        owner = getattr(owner, step, None)
    return owner, name


def _replace(owner: Any, name: str, new: Callable[..., Any]) -> None:
    stock = getattr(owner, name)

    @functools.wraps(stock)
    def replacement(*args: Any, **kwargs: Any) -> Any:
        return new(stock, *args, **kwargs)

    replacement._patched = True  # type: ignore[attr-defined]
    setattr(owner, name, replacement)


def _one_at_a_time(stock: Any, *args: Any, **kwargs: Any) -> Any:
    with _reading:
        return stock(*args, **kwargs)


def _rebind_tags() -> None:
    """Replace ``get_logs`` in ``get_scalar_tags`` and the like, which are partial functions of the original."""
    lib = import_module("visualdl.server.lib")
    for name, value in list(vars(lib).items()):
        if isinstance(value, functools.partial) and value.func.__name__ == "get_logs":
            setattr(lib, name, functools.partial(lib.get_logs, *value.args, **value.keywords))


def _get_next(stock: Any, self: Any) -> None:
    """Leave an incomplete record for the next call."""
    self._curr_event = None
    file = self.file_handle
    before = (file.buff, file.buff_offset, file.continuation_token)
    header = file.read(8)
    length = int.from_bytes(header, "little")
    data = file.read(length) if len(header) == 8 and 0 < length <= LARGEST_RECORD_BYTES else b""
    if not data or len(data) < length:
        file.buff, file.buff_offset, file.continuation_token = before
        raise EOFError("The next record is not complete yet.")
    self._curr_event = data


def _add_remain(stock: Any, self: Any) -> None:
    """Skip unreadable records and deleted files."""
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


def _get(stock: Any, self: Any, key: str, function: Any, *args: Any, **kwargs: Any) -> Any:
    """Add the function to the key of its answer: a run with an absolute path replaces the rest of the key."""
    name = getattr(function, "__name__", "") or repr(getattr(function, "keywords", function))
    return stock(self, f"{name}:{key}", function, *args, **kwargs)


def _get_logs(stock: Any, log_reader: Any, component: str) -> Any:
    """Read new records before tags are listed."""
    log_reader.load_new_data()
    return stock(log_reader, component)


def _embeddings(log_reader: Any) -> dict[str, Any]:
    """All records of embeddings by name. The newest of a tag has its name; older ones are ``… (record 1)``."""
    log_reader.load_new_data()
    lib = import_module("visualdl.server.lib")
    listed = lib.get_logs(log_reader, "embeddings")
    reservoir = log_reader.data_manager.get_reservoir("embeddings")
    found: dict[str, Any] = {}
    for run, tags in zip(listed["runs"], listed["tags"], strict=True):
        place = log_reader.name2tags.get(run, run)
        for tag in tags:
            *older, newest = reservoir.get_items(place, lib.decode_tag(tag))
            found[f"{place}/{tag}"] = newest.embeddings
            found |= {f"{place}/{tag} (record {i})": record.embeddings for i, record in enumerate(older, start=1)}
    return found


def _get_embeddings_list(stock: Any, log_reader: Any) -> list[dict[str, Any]]:
    return [
        {"name": name, "shape": [len(rows), len(rows[0].vectors) if len(rows) else 0], "path": name}
        for name, record in _embeddings(log_reader).items()
        for rows in [record.embeddings]
    ]


def _get_embedding_labels(stock: Any, log_reader: Any, name: str) -> str:
    record = _embeddings(log_reader)[name]
    with io.StringIO() as text:
        lines = csv.writer(text, delimiter="\t")
        if record.label_meta:
            lines.writerow(record.label_meta)
        lines.writerows(row.label for row in record.embeddings)
        return text.getvalue()


def _get_embedding_tensors(stock: Any, log_reader: Any, name: str) -> bytes:
    rows = _embeddings(log_reader)[name].embeddings
    return np.array([row.vectors for row in rows], dtype=np.float32).tobytes()


def _register_readers(stock: Any, self: Any, update: bool = False) -> None:
    """Forget the runs of replaced and deleted files, so that they are read again."""
    # A file is always marked before it is read: the next call notices a replacement in between.
    marks: dict[str, Mark] = vars(self).setdefault(_MARKS, {})
    replaced = []
    for path in self.readers:
        found = mark(path, marks.get(path))
        if found is not None:
            marks[path] = found
        elif path in marks:
            replaced.append(path)
    for folder in {self.readers[path].dir for path in replaced}:
        for path in _forget(self, folder):
            marks.pop(path, None)
    stock(self, update)
    marks |= {path: found for path in self.readers.keys() - marks.keys() if (found := mark(path)) is not None}


def _forget(reader: Any, folder: str) -> list[str]:
    """Remove the data of a run's files from a `LogReader`; return the paths of the files."""
    from visualdl.io import bfile

    paths = [path for path, one in reader.readers.items() if one.dir == folder]
    for path in paths:
        del reader.readers[path]
    # VisualDL stores `a/b` as `a%b`, so the tag follows the last slash.
    tags = {path: os.path.basename(path) for path in reader._tags}
    for path, tag in tags.items():
        if bfile.join(folder, tag) == path:
            _forget_tag(reader.data_manager, reader._tags.pop(path), folder, tag)
    reader._log_datas.pop(folder, None)
    name = reader.tags2name.pop(folder, None)
    reader.name2tags.pop(name, None)
    return paths


def _forget_tag(data_manager: Any, component: str, folder: str, tag: str) -> None:
    several = component == "scalars"
    reservoir = data_manager.get_reservoir("scalar" if several else component)
    with reservoir._mutex:
        gone = [f"{folder}/{tag}"]
        if several:
            # A tag of several curves has one bucket for each: see VisualDL's `Reservoir.add_scalar_item`.
            begin, end = f"{folder}/{tag.replace('%', '_')}_", f"/{tag}"
            gone = [key for key in reservoir._buckets if key.startswith(begin) and key.endswith(end)]
        for key in gone:
            reservoir._buckets.pop(key, None)


_LIB = "visualdl.server.lib"
_API = "visualdl.server.api"
_READER = "visualdl.reader.reader"

# By the name of the fault; a comment has its effect for users of VisualDL 2.5.3. All parts are applied, or none.
PATCHES = {
    # An incomplete record at the end of a file prevents the start of the server, or shifts all later reads.
    "half a record": (
        Part("visualdl.reader.record_reader", "_RecordReader.get_next", "f7d7ed10065cb21a", _get_next),
        Part(_READER, "LogReader.add_remain", "f03d780d16100c23", _add_remain),
    ),
    # With an absolute --logdir, labels and vectors have the same cache key: requests for labels return vectors.
    "absolute log directories": (
        Part(_API, "Api._get", "d1cfcda68bf4b016", _get),
        Part(_API, "Api._get_with_retry", "f4415b388d651f41", _get),
    ),
    # Tags written while the server runs are not listed until another request reads the files.
    "late tags": (Part(_LIB, "get_logs", "6684c029db04eed5", _get_logs),),
    # Embeddings written after the first listing are never listed, nor any record of a tag except the first.
    "late embeddings": (
        Part(_LIB, "get_embeddings_list", "b83daae3b43cf60b", _get_embeddings_list),
        Part(_LIB, "get_embedding_labels", "bed393237269fc6b", _get_embedding_labels),
        Part(_LIB, "get_embedding_tensors", "fb976aec8f0db874", _get_embedding_tensors),
    ),
    # Reading of a replaced file (`relog`) continues in its middle, and the content of the old file remains.
    "replaced files": (Part(_READER, "LogReader.register_readers", "41480c552e6b9145", _register_readers),),
}


def complete_language(environ: dict[str, Any], default: str) -> None:
    """Add a language of VisualDL to a request without one: otherwise VisualDL's pages return status 500."""
    asked = environ.get("HTTP_ACCEPT_LANGUAGE", "")
    if "en" not in asked.lower() and "zh" not in asked.lower() and "*" not in asked:
        environ["HTTP_ACCEPT_LANGUAGE"] = f"{asked}, {default};q=0.1" if asked.strip() else default
