"""Exceptions of the library, with a common base class.

Each is also a built-in exception, so ``except ValueError`` catches it too. Invalid arguments raise the
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
    """Base class of the library's exceptions."""


class UnreadableModelError(EmbeddingError, ValueError):
    """Saved model that cannot be read. The message names the file, the expected content, and what to do.

    Attributes
    ----------
    path
        Path of the file, as text.
    reason
        Description of the problem.
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
    """File of a run with invalid content; the message names the file."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(
            f"{path} is damaged: {reason}. Restore it from a copy or move it away; the other files of the run remain "
            "readable."
        )


class NewerFormatError(EmbeddingError, ValueError):
    """File of a run written by a newer version of this library."""


class NotAnalyzedError(EmbeddingError, ValueError):
    """Step of a run with a snapshot but without an analysis."""


NotAnalysedError = NotAnalyzedError
"""Old spelling of `NotAnalyzedError`."""


class RulesError(EmbeddingError, ValueError):
    """Invalid rules of alerts.

    Attributes
    ----------
    mistakes
        One sentence per mistake.
    """

    def __init__(self, where: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        listed = mistakes[0] if len(mistakes) == 1 else "".join(f"\n- {mistake}" for mistake in mistakes)
        super().__init__(f"{where}: {listed}")
