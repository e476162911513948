"""What every trainer shares: the session, the recorder, the worker process, the history of rows, and the schedule.

`visualdl_embedding.training.worker` is the child process that analyzes snapshots.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visualdl_embedding.training._recorder import Recorder
    from visualdl_embedding.training._schedule import Schedule
    from visualdl_embedding.training._session import TrainingSession
    from visualdl_embedding.training._settings import RecorderSettings

__all__ = ["Recorder", "RecorderSettings", "Schedule", "TrainingSession"]

_MODULES = {
    "Recorder": "_recorder",
    "RecorderSettings": "_settings",
    "Schedule": "_schedule",
    "TrainingSession": "_session",
}


def __getattr__(name: str) -> Any:
    """Load on first use (PEP 562): the worker process must not import Paddle, which the session needs."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
