r"""Watched rows as ``metadata.tsv``, readable by TensorBoard's projector and other tools.

The file has a header and one line per row: label, id, the ids of the pieces if there are composed rows, and other
columns. A backslash is doubled; tab, line feed and carriage return are ``\t``, ``\n``, ``\r``; other control
characters, line separators and lone surrogates are ``\u`` and four hexadecimal digits. Other text is not changed or
quoted, so tools without support for escapes show ordinary labels correctly and find the right number of lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from visualdl_embedding.core.rows import COMPOSED, Rows

__all__ = ["format_rows", "parse_rows"]

_SPECIAL = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPED = re.compile(r"\\(?:([\\tnr])|u([0-9a-f]{4}))")
_SHORT = {"\\": "\\\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_LONG = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
_PIECE_IDS = "piece_ids"


def format_rows(rows: Rows) -> str:
    r"""Write rows as tab-separated text.

    >>> format_rows(Rows(np.array([7]), ("a\tb",), {"group": ("positive",)})).split("\n")[1]
    'a\\tb\t7\tpositive'
    """
    header, table = ["label", "id"], [list(rows.labels), [str(i) for i in rows.ids.tolist()]]
    # Write our column before a user's column of the same name, so that reading back finds ours first.
    if rows.pieces or _PIECE_IDS in rows.columns:
        header.append(_PIECE_IDS)
        table.append([" ".join(map(str, rows.pieces.get(i, ()))) for i in range(len(rows))])
    header.extend(rows.columns)
    table.extend(list(values) for values in rows.columns.values())
    lines = ["\t".join(map(_escape, line)) for line in (header, *zip(*table, strict=True))]
    return "\n".join(lines) + "\n"


def parse_rows(text: str, **others: Any) -> Rows:
    """Parse the text of `format_rows`; `others` are not stored in it: ``watch``, ``left_out``, ``how``.

    Raises
    ------
    ValueError
        If the text is not such a table; the message gives the line.
    """
    lines = text.removesuffix("\n").split("\n")
    header = [_unescape(name) for name in lines[0].split("\t")]
    if header[:2] != ["label", "id"]:
        raise ValueError(f"its header must begin with 'label' and 'id', not {lines[0][:60]!r}")
    cells = [line.split("\t") for line in lines[1:]]
    for number, line in enumerate(cells, start=2):
        if len(line) != len(header):
            raise ValueError(f"line {number} has {len(line)} columns, but the header has {len(header)}")
    table = [tuple(map(_unescape, column)) for column in zip(*cells, strict=True)] or [()] * len(header)
    ids = np.array([int(i) for i in table[1]], dtype=np.int64)
    first = 3 if _PIECE_IDS in header[2:3] else 2
    pieces: Mapping[int, tuple[int, ...]] = {}
    if first == 3:
        pieces = {i: tuple(map(int, table[2][i].split())) for i in np.flatnonzero(ids == COMPOSED).tolist()}
    columns = dict(zip(header[first:], table[first:], strict=True))
    return Rows(ids, table[0], columns, pieces, **others)


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda m: _SHORT.get(m[0]) or f"\\u{ord(m[0]):04x}", text)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda m: _LONG[m[1]] if m[1] else chr(int(m[2], 16)), text)
