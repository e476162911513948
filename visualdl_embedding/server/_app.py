"""VisualDL's application with our page, our API and our access control."""

from __future__ import annotations

import re

from flask import Flask, Response, request

from visualdl_embedding.server._api import API_PATH, api_blueprint
from visualdl_embedding.server._http import error_response
from visualdl_embedding.server._joint import EXTENSION, Comparisons
from visualdl_embedding.server._page import LANGUAGES, PAGE_PATH, add_bar, page_blueprint
from visualdl_embedding.server._patches import complete_language
from visualdl_embedding.server._security import protect
from visualdl_embedding.server._source import RunSource
from visualdl_embedding.server._visualdl import THEMES, create_visualdl_app

__all__ = ["make_server"]


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
    app.register_blueprint(page_blueprint(run_source.cache, prefix=prefix, language=language, theme=theme))
    app.extensions[EXTENSION] = Comparisons()

    @app.before_request
    def name_a_language() -> None:
        complete_language(request.environ, language or LANGUAGES[0])

    @app.after_request
    def put_into_bar(response: Response) -> Response:
        if visualdl and not request.path.startswith(prefix):
            return add_bar(response, prefix=prefix)
        return response

    @app.errorhandler(405)
    def not_allowed(error: Exception) -> Response | tuple[str, int]:
        if request.path.startswith(prefix + API_PATH):
            response = error_response(405, f"The API is read-only; use GET, not {request.method}.")
            response.headers["Allow"] = "GET, HEAD, OPTIONS"
            return response
        return "method not allowed", 405

    return app
