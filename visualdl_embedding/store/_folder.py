"""Folder name of a table."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from visualdl_embedding.core.names import escape

__all__ = ["folder_name"]

_FORBIDDEN = str.maketrans({c: chr(ord(c) + 0xFEE0) for c in ':*?"<>|'})
"""Full-width replacements for characters that Windows forbids, like the slash in `escape`."""
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
_LOOKS_HASHED = re.compile(r"-[0-9a-f]{10}$")
_MAX_BYTES = 100
"""Maximum length of the readable part in bytes: file systems allow 255 (eCryptfs 143); Chinese characters take 3."""


def folder_name(table: str) -> str:
    """Return a folder name that is valid on every file system and unique per table.

    Plain lowercase names are unchanged. Names with replaced characters, and names that may differ from another only in
    case or Unicode composition, get a hash of the original name, which ``table.json`` holds.

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
    # A reserved name with any extension is also reserved, so put the hash before the dot.
    return f"{text.replace('.', '．') if _RESERVED.match(text.casefold()) else text}-{digest}"
