"""Error raised by the readers of saved models."""

from __future__ import annotations

import os

__all__ = ["UnreadableModelError"]

_ADVICE = "Restore it from a copy, or save the model again"


class UnreadableModelError(ValueError):
    """File that cannot be read as a model. The message names the file, the expected content, and what to do.

    Attributes
    ----------
    path
        Path of the file, as text.
    reason
        Description of the problem.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str, *, advice: str = _ADVICE, details: str = "") -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"'{self.path}' cannot be read: {reason}. {advice}." + (f"\n{details}" if details else ""))
