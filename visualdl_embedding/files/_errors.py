"""The error of everything that reads saved models."""

from __future__ import annotations

import os

__all__ = ["UnreadableModelError"]

_ADVICE = "Restore it from a copy, or save the model again"


class UnreadableModelError(ValueError):
    """A file that does not hold what it should; the message names it, what was expected, and what to do.

    Attributes
    ----------
    path
        The file, as text.
    reason
        What is wrong with it.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str, *, advice: str = _ADVICE, details: str = "") -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"'{self.path}' cannot be read: {reason}. {advice}." + (f"\n{details}" if details else ""))
