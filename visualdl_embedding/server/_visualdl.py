"""VisualDL's application without its side effects on the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from flask import Flask

from visualdl_embedding.logs import quiet_import
from visualdl_embedding.server._patches import apply_patches

__all__ = ["THEMES", "create_visualdl_app"]

THEMES = ("light", "dark")

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
    profiler_reader.Thread = partial(threading.Thread, daemon=True)
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
    profiler, api = views["serve_profiler_api"], views["serve_api"]

    def serve_profiler_api(**values: Any) -> Any:
        with lock:
            return profiler(**values)

    def serve_api(**values: Any) -> Any:
        with lock if str(values.get("method", "")).startswith("graph") else nullcontext():
            return api(**values)

    views.update(serve_profiler_api=serve_profiler_api, serve_api=serve_api)
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
