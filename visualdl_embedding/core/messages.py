"""Display of the library's log messages where no logging is set up."""

from __future__ import annotations

import logging
import sys

__all__ = ["show_messages"]

logger = logging.getLogger("visualdl_embedding")


class _Fallback(logging.Handler):
    """Writes to stderr unless the root logger has a handler, which then shows the same message."""

    def emit(self, record: logging.LogRecord) -> None:
        if not logging.getLogger().handlers:
            print(self.format(record), file=sys.stderr)


def show_messages() -> None:
    """Show messages of level INFO on stderr if neither the program nor a library has set up logging.

    Python shows only warnings by default, so the end of a training would not be visible. Paddle 3 sets up the root
    logger with level INFO when it is imported; this function then does nothing.
    """
    if not logger.hasHandlers() and logger.level == logging.NOTSET:
        logger.addHandler(_Fallback())
        logger.setLevel(logging.INFO)
