"""Callbacks for trainers, one file per trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from visualdl_embedding.callbacks.hapi import EmbeddingCallback

__all__ = ["EmbeddingCallback"]


def __getattr__(name: str) -> Any:
    if name != "EmbeddingCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from visualdl_embedding.callbacks.hapi import EmbeddingCallback
    except ModuleNotFoundError as error:
        if error.name != "paddle":
            raise
        raise ModuleNotFoundError(
            "EmbeddingCallback requires PaddlePaddle, which is not installed. Install the build for your machine "
            '(paddlepaddle-gpu, or `pip install "visualdl-embedding[paddle]"` for the CPU).',
            name="paddle",
        ) from None
    return EmbeddingCallback
