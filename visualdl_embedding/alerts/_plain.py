"""Text that every reader of a table or of XML understands."""

from __future__ import annotations

import unicodedata

__all__ = ["clean"]


def clean(text: str) -> str:
    r"""Make one printable line of text: a label may hold what XML forbids or what moves a terminal's cursor.

    >>> clean("a\x1b[31m\nb")
    'a�[31m b'
    """
    return "".join(_printable(c) for c in text)


def _printable(character: str) -> str:
    if character in "\t\n\r\u2028\u2029\x85":
        return " "
    # U+FFFE and U+FFFF are no characters, and XML 1.0 refuses them as it does control characters.
    if unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff":
        return "\ufffd"
    return character
