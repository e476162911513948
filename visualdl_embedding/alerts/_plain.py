"""Cleaning of text for terminals and XML."""

from __future__ import annotations

import unicodedata

__all__ = ["clean"]


def clean(text: str) -> str:
    r"""Convert text to one printable line: labels may contain characters that XML forbids or terminals interpret.

    >>> clean("a\x1b[31m\nb")
    'a�[31m b'
    """
    return "".join(_printable(c) for c in text)


def _printable(character: str) -> str:
    if character in "\t\n\r\u2028\u2029\x85":
        return " "
    # XML 1.0 forbids U+FFFE, U+FFFF and control characters.
    if unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff":
        return "\ufffd"
    return character
