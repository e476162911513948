"""VisualDL's own application, made without its side effects on the process."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from flask import Flask

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
    """Make VisualDL's application, whole: all its pages and all its API, telemetry off.

    Parameters
    ----------
    log_dirs
        As the user gave them: VisualDL names runs by them.
    public_path, language, theme, cache_timeout, model
        As VisualDL's own flags.
    """
    with _quiet():
        stock = import_module("visualdl.server.app")
        arguments = import_module("visualdl.server.args")
        import_module("visualdl.server.log").init_logger(0)
    apply_patches()
    end_with_process()
    args = arguments.ParseArgs(
        logdir=list(log_dirs),
        # Used for nothing but a line on the terminal; without one VisualDL looks this machine up by name.
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
    _serialize(app)
    return app


@contextmanager
def _own_state(stock: Any) -> Iterator[None]:
    """Give an application what VisualDL shares between all of a process, and keep its hands off the signals.

    `create_app` sets the handler of SIGINT, which fails outside of the main thread and takes Ctrl-C from whoever had
    it; pages of two applications land in one dictionary, and so do their records.
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


def _serialize(app: Flask) -> None:
    """Let one request at a time into the profiler and the graphs, which were written for one thread."""
    lock = threading.RLock()

    def one_at_a_time(view: Any, applies: Any) -> Any:
        def guarded(**values: Any) -> Any:
            if not applies(values):
                return view(**values)
            with lock:
                return view(**values)

        return guarded

    views = app.view_functions
    views["serve_profiler_api"] = one_at_a_time(views["serve_profiler_api"], lambda values: True)
    views["serve_api"] = one_at_a_time(
        views["serve_api"], lambda values: str(values.get("method", "")).startswith("graph")
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """VisualDL imports baidubce, whose regular expressions have escapes that Python warns of at their first import."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, SyntaxWarning, UserWarning, ImportWarning):
            warnings.simplefilter("ignore", category)
        yield
