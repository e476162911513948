"""VisualDL's application without its side effects on the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from flask import Flask

from visualdl_embedding.logs import quiet_import
from visualdl_embedding.server._patches import apply_patches, end_with_process

__all__ = ["THEMES", "create_visualdl_app"]

THEMES = ("light", "dark")

_creating = threading.Lock()


def create_visualdl_app(
    log_dirs: Sequence[str],
    *,
    public_path: str,
    language: str | None,
    theme: str | None,
    cache_timeout: float,
    model: str,
) -> Flask:
    """Create VisualDL's application with all its pages and API, patched and without telemetry.

    Parameters
    ----------
    log_dirs
        As the user gave them: VisualDL names runs by them.
    public_path, language, theme, cache_timeout, model
        Options of VisualDL.
    """
    with quiet_import():
        stock = import_module("visualdl.server.app")
        arguments = import_module("visualdl.server.args")
        import_module("visualdl.server.log").init_logger(0)
    apply_patches()
    end_with_process()
    args = arguments.ParseArgs(
        logdir=list(log_dirs),
        # Used in a printed line only. Without a host, VisualDL looks up the name of this machine.
        host="localhost",
        port=0,
        public_path=public_path,
        language=language,
        theme=theme,
        cache_timeout=cache_timeout,
        model=model,
        telemetry=False,
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
