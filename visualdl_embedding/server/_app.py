"""VisualDL's application with our page, which is built from ``viewer/``, our API and our access control."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path

from flask import Blueprint, Flask, Response, redirect, request
from werkzeug.security import safe_join
from werkzeug.wrappers import Response as AnyResponse

from visualdl_embedding.core.stamps import file_stamp
from visualdl_embedding.server._api import API_PATH, api_blueprint
from visualdl_embedding.server._http import Answer, Cache, error_response, respond
from visualdl_embedding.server._joint import EXTENSION, Comparisons
from visualdl_embedding.server._security import protect
from visualdl_embedding.server._source import RunSource
from visualdl_embedding.server._visualdl import THEMES, complete_language, create_visualdl_app

__all__ = ["make_server"]

PAGE_PATH = "/embeddings"
LANGUAGES = ("en", "zh")
STATIC = Path(__file__).parent / "static"
"""Output of ``npm run build`` in ``viewer/``; absent if it was installed without npm."""

_ROOT = re.compile(r"<div id=[\"']?root\b")
_PAGES = Path(__file__).parent / "pages"


def make_server(
    run_source: RunSource,
    *,
    public_path: str = "/app",
    language: str | None = None,
    theme: str | None = None,
    cache_timeout: float = 20.0,
    model: str = "",
    token: str | None = None,
    host: str = "localhost",
    visualdl: bool = True,
) -> Flask:
    """Create the WSGI application, for any server that uses threads.

    Parameters
    ----------
    run_source
        Runs to serve.
    public_path
        First part of all addresses; our page is at ``<public_path>/embeddings``.
    language
        ``"en"`` or ``"zh"``; None for that of the browser.
    theme
        ``"light"`` or ``"dark"``; None for that of the browser.
    cache_timeout
        Seconds for which VisualDL caches its answers; 0 or less caches them forever.
    model
        Path of a model file for VisualDL's graph page.
    token
        Token that every request must contain; None for open access.
    host
        Host name of the server. Without a token, requests to other names are rejected.
    visualdl
        Whether to include VisualDL; False for our page and API only.

    Returns
    -------
    The application. ``app.extensions["visualdl_embedding"]`` is the `Comparisons` to close at the end.

    Raises
    ------
    ValueError
        For an invalid option.
    """
    prefix = public_path.rstrip("/") + PAGE_PATH
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", public_path.rstrip("/")):
        raise ValueError(
            f"The public path must be a slash and a folder, such as '/app' or '/tools/visualdl', not {public_path!r}."
        )
    if language is not None and language not in LANGUAGES:
        raise ValueError(f"language is 'en' or 'zh', not {language!r}.")
    if theme is not None and theme not in THEMES:
        raise ValueError(f"theme is 'light' or 'dark', not {theme!r}.")
    if token is not None and not re.fullmatch(r"[!-~]+", token):
        raise ValueError(
            "A token is made of ASCII letters, digits and signs without spaces; pass a valid, non-empty one."
        )
    if visualdl:
        options = {"language": language, "theme": theme, "cache_timeout": cache_timeout, "model": model}
        app = create_visualdl_app(run_source.given, public_path=public_path.rstrip("/"), **options)
    else:
        app = Flask("visualdl_embedding", static_folder=None)
    protect(app, token=token, host=host, page_path=prefix)
    app.register_blueprint(api_blueprint(run_source, prefix=prefix))
    app.register_blueprint(_page_blueprint(run_source.cache, prefix=prefix, language=language, theme=theme))
    app.extensions[EXTENSION] = Comparisons()

    @app.before_request
    def name_a_language() -> None:
        complete_language(request.environ, language or LANGUAGES[0])

    @app.after_request
    def put_into_bar(response: Response) -> Response:
        if visualdl and not request.path.startswith(prefix):
            return _add_bar(response, prefix=prefix)
        return response

    @app.errorhandler(405)
    def not_allowed(error: Exception) -> Response | tuple[str, int]:
        if request.path.startswith(prefix + API_PATH):
            response = error_response(405, f"The API is read-only; use GET, not {request.method}.")
            response.headers["Allow"] = "GET, HEAD, OPTIONS"
            return response
        return "method not allowed", 405

    return app


def _page_blueprint(cache: Cache, *, prefix: str, language: str | None, theme: str | None) -> Blueprint:
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
        built = STATIC / "index.html"
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
        found = safe_join(str(STATIC), name)
        if found is None or not Path(found).is_file():
            return error_response(404, f"There is no file {name[:80]!r}; the page is at {prefix}/.")
        return _send(Path(found), cache)

    return blueprint


def _add_bar(response: Response, *, prefix: str) -> Response:
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
    answer = Answer(("file", str(path), file_stamp(path), theme), read, mimetype=kind, compression=6)
    return respond(answer, request, cache)
