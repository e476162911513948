"""Parts shared by all trainers: base class of callbacks, session, recorder, worker process, row history, schedule."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visualdl_embedding.training._callback import TrainingCallback
    from visualdl_embedding.training._probe import Probe
    from visualdl_embedding.training._recorder import Recorder
    from visualdl_embedding.training._settings import RecorderSettings, Schedule

__all__ = ["Probe", "Recorder", "RecorderSettings", "Schedule", "TrainingCallback"]

_MODULES = {"Probe": "_probe", "Recorder": "_recorder", "TrainingCallback": "_callback"}


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562): the child process `worker` lowers its priority before it imports the library."""
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_MODULES.get(name, '_settings')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
