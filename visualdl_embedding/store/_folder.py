"""From the name of a table to the name of its folder."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from visualdl_embedding.core.names import escape

__all__ = ["folder_name"]

_FORBIDDEN = str.maketrans({c: chr(ord(c) + 0xFEE0) for c in ':*?"<>|'})
"""What Windows forbids in a name becomes full-width, as `escape` does with the slash."""
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
_LOOKS_HASHED = re.compile(r"-[0-9a-f]{10}$")
_MAX_BYTES = 100
"""Of the readable part: file systems take 255 bytes (eCryptfs 143), and a Chinese character has three."""


def folder_name(table: str) -> str:
    """Make a folder name that every file system takes, different for different tables.

    A plain lower-case name stays as it is. Whatever had to be changed, and whatever differs from another name only in
    case or in Unicode composition, gets a hash of the true name, which stands in ``table.json``.

    Parameters
    ----------
    table
        Any text.

    Examples
    --------
    >>> folder_name("encoder.word_embeddings")
    'encoder.word_embeddings'
    >>> folder_name("a/b")
    'a／b-c14cddc033'
    """
    text = escape(table).translate(_FORBIDDEN)
    if text.startswith("."):
        text = "．" + text[1:]
    text = text.encode()[:_MAX_BYTES].decode(errors="ignore").rstrip(" .") or "_"
    folded = text.casefold() == text and text.upper().lower() == text
    composed = unicodedata.normalize("NFC", text) == text
    if text == table and folded and composed and not _RESERVED.match(text) and not _LOOKS_HASHED.search(text):
        return text
    digest = hashlib.sha256(table.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    # A reserved name is one with any extension, so the hash must come before the dot.
    return f"{text.replace('.', '．') if _RESERVED.match(text.casefold()) else text}-{digest}"
