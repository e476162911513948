"""Answers, errors and responses: strict JSON, entity tags, gzip, and a bounded cache."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

from cachetools import LRUCache, cached
from flask import Request, Response

from visualdl_embedding.core.jsonable import dumps
from visualdl_embedding.core.stamps import content_stamp
from visualdl_embedding.errors import EmbeddingError

__all__ = ["BINARY", "Answer", "Asked", "BadRequest", "Cache", "NotFound", "NotReady", "error_response", "respond"]

Value = TypeVar("Value")
Asked: TypeAlias = Mapping[str, Any]
"""Parameter values of a request, by name."""
BINARY = "application/octet-stream"
_COMPRESSED = ("text/", "application/javascript", "application/json", "image/svg+xml", BINARY)


class BadRequest(EmbeddingError, ValueError):
    """Missing or invalid parameter; the message describes valid values."""


class NotFound(EmbeddingError, LookupError):
    """Unknown run, table, step, row or projection; the message lists known ones."""


class NotReady(EmbeddingError, RuntimeError):
    """Answer that is still being computed; the message names the endpoint that reports its state."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Content of a response.

    Attributes
    ----------
    key
        State of everything that the body is read from, known without calling `make`. The body is cached by it, by the
        endpoint and by the parameters; the entity tag is made of the same and of the version of this library.
    make
        Returns the body: bytes, or a value to be sent as JSON.
    components
        Numbers per row of a float32 body; 0 for other bodies.
    status
        200, or 202 for a state that will change.
    mimetype
        Type of a body that is not float32.
    compression
        Level of gzip. Coordinates shrink by a tenth only: level 6 takes 3 times as long for 1% more.
    """

    key: Hashable
    make: Callable[[], Any]
    components: int = 0
    status: int = 200
    mimetype: str = "application/json"
    compression: int = 1


class Cache:
    """Cache of the most recently used values, bounded in bytes. Thread-safe; concurrent calls compute a value once.

    A value larger than the bound is computed for every request.
    """

    def __init__(self, max_bytes: int) -> None:
        self.values: LRUCache[Hashable, tuple[Any, int]] = LRUCache(max_bytes, getsizeof=lambda entry: entry[1])

        @cached(self.values, key=lambda key, make, size: key, condition=threading.Condition())
        def entry(key: Hashable, make: Callable[[], Any], size: Callable[[Any], int]) -> tuple[Any, int]:
            value = make()
            return value, size(value)

        self._entry = entry

    def get(self, key: Hashable, make: Callable[[], Value], *, size: Callable[[Any], int] = len) -> Value:
        """Return a cached value, or compute it. `size` returns its bytes; exceptions of `make` are passed on.

        The key is everything that the value depends on, including the stamps of the files that it is read from: a value
        never changes, and a changed file gives another key.
        """
        return cast(Value, self._entry(key, make, size)[0])


def respond(answer: Answer, request: Request, cache: Cache) -> Response:
    """Send an answer, or status 304 if the client has it.

    The body is cached as it is sent, which is compressed for most browsers.
    """
    mimetype = BINARY if answer.components else answer.mimetype
    tag = content_stamp(answer.key)
    response = Response(status=answer.status, mimetype=mimetype)
    # Browsers keep answers, but ask every time whether they have changed: a frame may be analyzed again.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept-Encoding, Cookie"
    if answer.status == 200:
        response.set_etag(tag, weak=True)
        if request.if_none_match.contains_weak(tag):
            response.status_code = 304
            return response

    def make() -> bytes:
        body = answer.make()
        plain = body if isinstance(body, bytes) else dumps(body, compact=True).encode()
        return gzip.compress(plain, compresslevel=answer.compression, mtime=0) if compressed else plain

    compressed = request.accept_encodings.quality("gzip") > 0 and mimetype.startswith(_COMPRESSED)
    body = cache.get((compressed, answer.key), make)
    if compressed:
        response.headers["Content-Encoding"] = "gzip"
    if answer.components:
        # The last four bytes of gzip are the uncompressed length: https://www.rfc-editor.org/rfc/rfc1952
        size = int.from_bytes(body[-4:], "little") if compressed else len(body)
        response.headers["X-Rows"] = str(size // (4 * answer.components))
        response.headers["X-Components"] = str(answer.components)
    response.set_data(body)
    return response


def error_response(status: int, sentence: str) -> Response:
    """Send an error as a sentence in JSON."""
    response = Response(dumps({"error": sentence}, compact=True), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
