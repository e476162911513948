"""Access to the other callbacks of the same ``fit``."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["calling_list", "find_visualdl"]


def calling_list() -> list[Any]:
    """List the callbacks of the ``CallbackList`` whose ``set_model`` is calling; empty if there is none.

    Paddle gives a callback no access to its peers, so this function inspects the frames of its callers. For other
    trainers and direct calls the result is empty.
    """
    frame = sys._getframe(1)
    for _ in range(4):
        if frame.f_back is None:
            break
        frame = frame.f_back
        callbacks = getattr(frame.f_locals.get("self"), "callbacks", None)
        if isinstance(callbacks, list):
            return callbacks
    return []


def find_visualdl(callbacks: list[Any]) -> Any:
    """Find the ``paddle.callbacks.VisualDL`` among callbacks; None if there is none."""
    import paddle

    return next((c for c in callbacks if isinstance(c, paddle.callbacks.VisualDL)), None)
