"""Our page: files that were built from ``viewer/``, and the script that puts it into VisualDL's bar."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from pathlib import Path

from flask import Blueprint, Response, redirect, request
from werkzeug.security import safe_join
from werkzeug.wrappers import Response as AnyResponse

from visualdl_embedding.server._cache import Cache
from visualdl_embedding.server._http import compress, error_response
from visualdl_embedding.server._listing import stamp_of

__all__ = ["LANGUAGES", "PAGE_PATH", "STATIC", "add_bar", "page_blueprint"]

PAGE_PATH = "/embeddings"
LANGUAGES = ("en", "zh")
STATIC = Path(__file__).parent / "static"
"""Built by ``npm run build`` in ``viewer/``; not there where npm could not be reached."""

_ROOT = re.compile(r"<div id=[\"']?root\b")
_PAGES = Path(__file__).parent / "pages"
_TEXT = ("text/", "application/javascript", "application/json", "image/svg+xml")


def page_blueprint(
    cache: Cache, *, prefix: str, language: str | None, theme: str | None, static: Path = STATIC
) -> Blueprint:
    """Make the routes of the page.

    Parameters
    ----------
    cache
        Keeps packed files.
    prefix
        Where the page stands: ``"/app/embeddings"``.
    language, theme
        That the user asked for; the page finds the theme as ``data-theme`` of its first element.
    static
        Folder of the built page.
    """
    blueprint = Blueprint("visualdl_embedding_page", __name__, url_prefix=prefix)

    @blueprint.get("")
    def without_slash() -> AnyResponse:
        # The page's addresses are relative to itself, as a folder.
        query = f"?{request.query_string.decode('ascii', 'replace')}" if request.query_string else ""
        return redirect(f"{request.script_root}{prefix}/{query}", code=302)

    @blueprint.get("/")
    def page() -> Response:
        built = static / "index.html"
        response = _send(built if built.is_file() else _PAGES / "missing.html", cache, theme=theme)
        if request.cookies.get("vdl_lng") not in LANGUAGES:
            asked = language if language in LANGUAGES else request.accept_languages.best_match(LANGUAGES)
            response.set_cookie("vdl_lng", asked or LANGUAGES[0], path="/", samesite="Strict")
        return response

    @blueprint.get("/assets/bar.js")
    def bar() -> Response:
        return _send(_PAGES / "bar.js", cache)

    @blueprint.get("/<path:name>")
    def asset(name: str) -> Response:
        found = safe_join(str(static), name)
        if found is None or not Path(found).is_file():
            return error_response(404, f"There is no {name[:80]!r} here.")
        return _send(Path(found), cache)

    return blueprint


def add_bar(response: Response, *, prefix: str) -> Response:
    """Add the script of our entry to one of VisualDL's pages; what is none of them stays as it is."""
    if response.mimetype == "text/html" and response.status_code == 200 and not response.direct_passthrough:
        before, end, after = response.get_data(as_text=True).rpartition("</body>")
        if end and _ROOT.search(before):
            script = f'<script src="{prefix}/assets/bar.js"></script>'
            response.set_data(before + script + end + after)
    return response


def _send(path: Path, cache: Cache, *, theme: str | None = None) -> Response:
    stamp = stamp_of(path)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    tag = hashlib.sha256(repr((stamp, theme)).encode()).hexdigest()[:24]
    response = Response(mimetype=kind)
    if request.if_none_match.contains_weak(tag):
        response.status_code = 304
    else:

        def read() -> bytes:
            body = path.read_bytes()
            return body.replace(b"<html", b'<html data-theme="%s"' % theme.encode(), 1) if theme else body

        key = ("file", str(path), stamp, theme)
        body = cache.get(key, read)
        if request.accept_encodings.quality("gzip") > 0 and kind.startswith(_TEXT):
            body = cache.get(("gzip", *key), lambda: compress(body, 6))
            response.headers["Content-Encoding"] = "gzip"
        response.set_data(body)
    response.set_etag(tag, weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept-Encoding"
    return response
