"""Callbacks for trainers, one file per trainer."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visualdl_embedding.callbacks.hapi import EmbeddingCallback
    from visualdl_embedding.callbacks.loop import EmbeddingMonitor

_MODULES = {"EmbeddingCallback": "hapi", "EmbeddingMonitor": "loop"}
"""Module of each callback."""

__all__ = ["EmbeddingCallback", "EmbeddingMonitor"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "paddle":
            raise
        raise ModuleNotFoundError(
            f"{name} requires PaddlePaddle, which is not installed. Install the build for your machine "
            '(paddlepaddle-gpu, or `pip install "visualdl-embedding[paddle]"` for the CPU).',
            name="paddle",
        ) from None
