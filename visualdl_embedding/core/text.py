"""Escaping of labels for terminals, HTML, spreadsheets, single lines and pictures; text in two languages."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass

__all__ = ["Text", "html_text", "one_line", "picture_line", "shorten", "spreadsheet_cell", "visible_text"]

_HIDDEN = re.compile(
    # Control characters and escapes, the soft hyphen, zero-width and bidirectional marks, line and paragraph ends, the
    # byte order mark, lone surrogates, tags, and U+FFFE and U+FFFF, which XML 1.0 forbids. Joiners (U+200C,
    # U+200D) are not included, because emoji and Persian require them.
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff"
    "\U000e0000-\U000e007f]"
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNWRITABLE = re.compile("[\ud800-\udfff\ufffe\uffff]")
# Spreadsheets with an East Asian input method also treat the full-width forms as the start of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Text:
    """Text in English and in Chinese."""

    en: str
    zh: str

    def __add__(self, other: Text) -> Text:
        """Join sentences, with a space in English and without one in Chinese."""
        return Text(f"{self.en} {other.en}".strip(), self.zh + other.zh)


def visible_text(text: str, *, lines: bool = False) -> str:
    r"""Escape characters without a glyph: terminal codes, bidirectional marks, and line ends unless `lines` is true.

    >>> visible_text("a\x1b[31mb\u202ec\n")
    'a\\x1b[31mb\\u202ec\\n'
    """
    return "\n".join(map(visible_text, text.split("\n"))) if lines else _HIDDEN.sub(_escape, text)


def html_text(text: str) -> str:
    """Return the text as HTML, with markup and characters without a glyph escaped.

    >>> html_text("<b>高兴</b>")
    '&lt;b&gt;高兴&lt;/b&gt;'
    """
    return html.escape(visible_text(text))


def spreadsheet_cell(text: str) -> str:
    """Return text for a CSV or TSV cell that spreadsheets do not evaluate as a formula.

    Numbers are unchanged. Other text that begins like a formula is prefixed with an apostrophe.

    >>> spreadsheet_cell("=cmd()"), spreadsheet_cell("＝cmd()"), spreadsheet_cell("-0.5"), spreadsheet_cell("高兴")
    ("'=cmd()", "'＝cmd()", '-0.5', '高兴')
    """
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        text = "'" + text
    return visible_text(text)


def one_line(text: str) -> str:
    r"""Replace control characters and line ends by spaces, and code points that files cannot hold by U+FFFD.

    >>> one_line("a\tb\nc\ud800")
    'a b c�'
    """
    return _UNWRITABLE.sub("\ufffd", _CONTROL.sub(" ", text))


def picture_line(text: str) -> str:
    r"""Return text for a picture: one line without format characters, with single spaces between words.

    >>> picture_line(" two\twords\u200b\n")
    'two words'
    """
    return " ".join("".join(c for c in one_line(text) if not _is_format(c)).split())


def shorten(line: str, columns: int) -> str:
    """Cut a line to a width of at least two columns, with ``…`` at the end; a Chinese character takes two columns.

    >>> shorten("aaaa", 3), shorten("高兴高兴", 6)
    ('aa…', '高兴…')
    """
    widths = [2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line]
    if sum(widths) <= columns:
        return line
    used, end = 1, 0
    while end < len(line) and used + widths[end] <= columns:
        used += widths[end]
        end += 1
    return line[:end].rstrip() + "…"


def _is_format(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f"


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
