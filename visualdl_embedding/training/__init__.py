"""Parts shared by all trainers: base class of callbacks, session, recorder, worker process, row history, schedule.

`visualdl_embedding.training.worker` is the child process that analyzes snapshots.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visualdl_embedding.training._callback import TrainingCallback
    from visualdl_embedding.training._recorder import Recorder
    from visualdl_embedding.training._session import TrainingSession
    from visualdl_embedding.training._settings import RecorderSettings, Schedule

__all__ = ["Recorder", "RecorderSettings", "Schedule", "TrainingCallback", "TrainingSession"]

_MODULES = {
    "Recorder": "_recorder",
    "RecorderSettings": "_settings",
    "Schedule": "_settings",
    "TrainingCallback": "_callback",
    "TrainingSession": "_session",
}


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562), because the session requires Paddle, which the worker must not import."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
