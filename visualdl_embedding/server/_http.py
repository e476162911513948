"""From an answer to a response: JSON without NaN, entity tags, gzip."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

from flask import Request, Response

from visualdl_embedding.core.jsonable import dumps
from visualdl_embedding.server._cache import Cache
from visualdl_embedding.server._endpoint import BINARY, Answer

__all__ = ["compress", "error_response", "respond", "to_json"]

_LEVEL = 1
"""Coordinates hardly shrink (by a tenth): level 6 takes 3 times as long for 1% more."""


def to_json(value: Any) -> bytes:
    """Write JSON as UTF-8; NaN and the infinities become null.

    >>> to_json({"加息": float("nan")}).decode()
    '{"加息":null}'
    """
    return dumps(value, compact=True).encode()


def respond(answer: Answer, request: Request, cache: Cache) -> Response:
    """Send an answer, or say that the client has it already.

    The body is made only where the client does not have it, and kept as it is sent: browsers ask for it packed.
    """
    tag = hashlib.sha256(repr(answer.key).encode("utf-8", "backslashreplace")).hexdigest()[:24]
    if answer.status == 200 and request.if_none_match.contains_weak(tag):
        response = Response(status=304)
        response.set_etag(tag, weak=True)
        return _labeled(response)

    def make() -> bytes:
        body = answer.make()
        return body if isinstance(body, bytes) else to_json(body)

    packed = request.accept_encodings.quality("gzip") > 0
    kind = "gzip" if packed else "plain"
    body = cache.get((kind, answer.key), lambda: compress(make()) if packed else make())
    response = Response(body, status=answer.status, mimetype=BINARY if answer.components else "application/json")
    if answer.components:
        # The last four bytes of gzip are the length of what it packs: https://www.rfc-editor.org/rfc/rfc1952
        size = int.from_bytes(body[-4:], "little") if packed else len(body)
        response.headers["X-Rows"] = str(size // (4 * answer.components))
        response.headers["X-Components"] = str(answer.components)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    if answer.status == 200:
        response.set_etag(tag, weak=True)
    return _labeled(response)


def error_response(status: int, sentence: str) -> Response:
    """Send an error as a sentence."""
    response = Response(to_json({"error": sentence}), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def compress(body: bytes, level: int = _LEVEL) -> bytes:
    """Pack as gzip; the same bytes for the same body."""
    return gzip.compress(body, compresslevel=level, mtime=0)


def _labeled(response: Response) -> Response:
    # Kept by the browser, but never used unasked: a frame may be analyzed anew.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept-Encoding, Cookie"
    return response
