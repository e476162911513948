"""Errors that the library raises, with one base class.

Each is also the built-in kind that fits it, so ``except ValueError`` catches it as well. A wrong argument raises the
built-in ``ValueError`` or ``TypeError``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

__all__ = [
    "DamagedFileError",
    "EmbeddingError",
    "NewerFormatError",
    "NotAnalysedError",
    "NotAnalyzedError",
    "RulesError",
    "UnreadableModelError",
]


class EmbeddingError(Exception):
    """Base class of the library's own errors."""


class UnreadableModelError(EmbeddingError, ValueError):
    """A saved model that does not hold what it should; the message names the file and what was expected.

    Attributes
    ----------
    path
        The file, as text.
    reason
        What is wrong with it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        reason: str,
        *,
        advice: str = "Restore it from a copy, or save the model again",
        details: str = "",
    ) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"'{self.path}' cannot be read: {reason}. {advice}." + (f"\n{details}" if details else ""))


class DamagedFileError(EmbeddingError, ValueError):
    """A file of a run that does not hold what it should; the message names it."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(
            f"{path} is damaged: {reason}. Restore it from a copy or move it away; the other files of the run stay "
            "readable."
        )


class NewerFormatError(EmbeddingError, ValueError):
    """A file of a run that a newer version of this library wrote."""


class NotAnalyzedError(EmbeddingError, ValueError):
    """A step of a run that has a snapshot and no analysis."""


NotAnalysedError = NotAnalyzedError
"""Old spelling of `NotAnalyzedError`."""


class RulesError(EmbeddingError, ValueError):
    """Rules of alerts that cannot be used.

    Attributes
    ----------
    mistakes
        A sentence for each.
    """

    def __init__(self, where: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        listed = mistakes[0] if len(mistakes) == 1 else "".join(f"\n- {mistake}" for mistake in mistakes)
        super().__init__(f"{where}: {listed}")
