"""Labels are data: text that no page, terminal or spreadsheet may take for anything else."""

from __future__ import annotations

import re

__all__ = ["cell", "visible_text"]

_HIDDEN = re.compile(
    # Control characters and escapes, the soft hyphen, zero-width and bidirectional marks, line and paragraph ends, the
    # byte order mark, halves of surrogate pairs, and tags. Joiners (U+200C, U+200D) stay: emoji and Persian need them.
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_NAMES = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible_text(text: str) -> str:
    r"""Write characters that have no picture of their own as escapes: terminal codes, bidi marks, line ends.

    >>> visible_text("a\x1b[31mb\u202ec\n")
    'a\\x1b[31mb\\u202ec\\n'
    """
    return _HIDDEN.sub(_escape, text)


def cell(text: str) -> str:
    """Make a label fit for a cell of CSV or TSV, where a spreadsheet might run it as a formula.

    >>> cell("=cmd()"), cell("-0.5"), cell("高兴")
    ("'=cmd()", '-0.5', '高兴')
    """
    if text.startswith(_FORMULA) and not _is_number(text):
        text = "'" + text
    return visible_text(text)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text) is not None


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    if character in _NAMES:
        return _NAMES[character]
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
