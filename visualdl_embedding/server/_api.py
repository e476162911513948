"""Routes of the API."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from flask import Blueprint, Response, request

from visualdl_embedding.server._endpoint import Answer, BadRequest, Endpoint, NotFound, NotReady, parse
from visualdl_embedding.server._endpoints import ENDPOINTS
from visualdl_embedding.server._http import error_response, respond
from visualdl_embedding.server._openapi import describe_api
from visualdl_embedding.server._source import RunSource
from visualdl_embedding.store import DamagedFileError, NewerFormatError, NotAnalyzedError

__all__ = ["API_PATH", "api_blueprint"]

API_PATH = "/api/v1"

_log = logging.getLogger(__name__)


def api_blueprint(source: RunSource, *, prefix: str) -> Blueprint:
    """Create the routes of the API.

    Parameters
    ----------
    source
        Runs to serve.
    prefix
        Path of the page: ``"/app/embeddings"``.
    """
    blueprint = Blueprint("visualdl_embedding_api", __name__, url_prefix=prefix + API_PATH)
    document = describe_api(ENDPOINTS, path=prefix + API_PATH)
    for endpoint in ENDPOINTS:
        blueprint.add_url_rule(f"/{endpoint.name}", endpoint.name, partial(_respond, source, endpoint), methods=["GET"])

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        return respond(Answer("openapi", lambda: document), request, source.cache)

    @blueprint.get("/<path:name>")
    def unknown(name: str) -> Response:
        names = ", ".join(sorted(endpoint.name for endpoint in ENDPOINTS))
        return error_response(404, f"Unknown endpoint {name[:80]!r}; the API has {names}, openapi.json.")

    return blueprint


def _respond(source: RunSource, endpoint: Endpoint) -> Response:
    """Answer a request. Errors become a status and a sentence, never a traceback."""
    try:
        asked = parse(endpoint.parameters, request.args)
        answer = endpoint.handler(source, asked)
        key = (endpoint.name, tuple(asked.values()), answer.key)
        return respond(replace(answer, key=key), request, source.cache)
    except BadRequest as error:
        return error_response(400, str(error))
    except NotReady as error:
        return error_response(409, str(error))
    except (NotFound, NotAnalyzedError, DamagedFileError, NewerFormatError) as error:
        return error_response(404, source.redact(str(error)))
    except FileNotFoundError:
        return error_response(404, "A file was removed while it was read; request the list of steps again.")
    except Exception:
        # Only the terminal shows the traceback, which contains paths.
        _log.exception("Error in the answer to %s", request.path)
        return error_response(500, "Internal error of the server; its terminal shows the traceback.")
