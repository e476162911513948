"""Routes of the page, which is built from ``viewer/``, and its entry in VisualDL's navigation bar."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from flask import Blueprint, Response, redirect, request
from werkzeug.security import safe_join
from werkzeug.wrappers import Response as AnyResponse

from visualdl_embedding.server._files import stamp_of
from visualdl_embedding.server._http import Answer, Cache, error_response, respond

__all__ = ["LANGUAGES", "PAGE_PATH", "STATIC", "add_bar", "page_blueprint"]

PAGE_PATH = "/embeddings"
LANGUAGES = ("en", "zh")
STATIC = Path(__file__).parent / "static"
"""Output of ``npm run build`` in ``viewer/``; absent if it was installed without npm."""

_ROOT = re.compile(r"<div id=[\"']?root\b")
_PAGES = Path(__file__).parent / "pages"


def page_blueprint(
    cache: Cache, *, prefix: str, language: str | None, theme: str | None, static: Path = STATIC
) -> Blueprint:
    """Create the routes of the page, whose path is `prefix`, with the options of `make_server`.

    The page reads the theme from ``data-theme`` of its first element.
    """
    blueprint = Blueprint("visualdl_embedding_page", __name__, url_prefix=prefix)

    @blueprint.get("")
    def without_slash() -> AnyResponse:
        # Addresses in the page are relative to it.
        query = f"?{request.query_string.decode('ascii', 'replace')}" if request.query_string else ""
        return redirect(f"{request.script_root}{prefix}/{query}", code=302)

    @blueprint.get("/")
    def page() -> Response:
        built = static / "index.html"
        response = _send(built if built.is_file() else _PAGES / "missing.html", cache, theme=theme)
        if request.cookies.get("vdl_lng") not in LANGUAGES:
            chosen = language or request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]
            response.set_cookie("vdl_lng", chosen, path="/", samesite="Strict")
        return response

    @blueprint.get("/assets/bar.js")
    def bar() -> Response:
        return _send(_PAGES / "bar.js", cache)

    @blueprint.get("/<path:name>")
    def asset(name: str) -> Response:
        found = safe_join(str(static), name)
        if found is None or not Path(found).is_file():
            return error_response(404, f"There is no file {name[:80]!r}; the page is at {prefix}/.")
        return _send(Path(found), cache)

    return blueprint


def add_bar(response: Response, *, prefix: str) -> Response:
    """Add the script of our navigation entry to a page of VisualDL; other responses remain unchanged."""
    if response.mimetype == "text/html" and response.status_code == 200 and not response.direct_passthrough:
        before, end, after = response.get_data(as_text=True).rpartition("</body>")
        if end and _ROOT.search(before):
            script = f'<script src="{prefix}/assets/bar.js"></script>'
            response.set_data(before + script + end + after)
    return response


def _send(path: Path, cache: Cache, *, theme: str | None = None) -> Response:
    def read() -> bytes:
        body = path.read_bytes()
        return body.replace(b"<html", b'<html data-theme="%s"' % theme.encode(), 1) if theme else body

    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    answer = Answer(("file", str(path), stamp_of(path), theme), read, mimetype=kind, compression=6)
    return respond(answer, request, cache)
