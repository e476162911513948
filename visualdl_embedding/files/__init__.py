"""Readers of saved models. Networks in memory are read by `visualdl_embedding.models.live`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from visualdl_embedding.errors import UnreadableModelError

if TYPE_CHECKING:
    from visualdl_embedding.files._counters import table_counters
    from visualdl_embedding.files._locate import find_vocabulary
    from visualdl_embedding.files._open import open_tables
    from visualdl_embedding.files._stored import StoredTable, choose_table, first_tables

__all__ = [
    "StoredTable",
    "UnreadableModelError",
    "choose_table",
    "find_vocabulary",
    "first_tables",
    "open_tables",
    "table_counters",
]

_MODULES = {
    "StoredTable": "_stored",
    "choose_table": "_stored",
    "find_vocabulary": "_locate",
    "first_tables": "_stored",
    "open_tables": "_open",
    "table_counters": "_counters",
}


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562), so that watching a network during training does not load the file readers."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
