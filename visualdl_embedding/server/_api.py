"""The routes of the page and of the API: a Flask blueprint that only parses, asks and sends."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from flask import Blueprint, Response, request

from visualdl_embedding.server._endpoint import Answer, BadRequest, Endpoint, NotReady, parse
from visualdl_embedding.server._endpoints import endpoints
from visualdl_embedding.server._http import error_response, respond
from visualdl_embedding.server._joint import Comparisons
from visualdl_embedding.server._openapi import describe_api
from visualdl_embedding.server._served import NotFound
from visualdl_embedding.server._source import RunSource
from visualdl_embedding.store import DamagedFileError, NewerFormatError, NotAnalyzedError

__all__ = ["API_PATH", "api_blueprint"]

API_PATH = "/api/v1"

_log = logging.getLogger(__name__)


def api_blueprint(source: RunSource, comparisons: Comparisons, *, prefix: str) -> Blueprint:
    """Make the routes of the API.

    Parameters
    ----------
    source
        Where runs are found.
    comparisons
        Makes joint maps.
    prefix
        Where the page stands: ``"/app/embeddings"``.
    """
    blueprint = Blueprint("visualdl_embedding_api", __name__, url_prefix=prefix + API_PATH)
    known = endpoints(comparisons)
    document = describe_api(known, path=prefix + API_PATH)

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        return respond(Answer(("openapi",), lambda: document), request, source.cache)

    for endpoint in known:
        blueprint.add_url_rule(
            f"/{endpoint.name}", endpoint.name, partial(_answered, source, endpoint), methods=["GET"]
        )

    @blueprint.get("/<path:name>")
    def unknown(name: str) -> Response:
        names = ", ".join(sorted(endpoint.name for endpoint in known))
        return error_response(404, f"There is no {name[:80]!r} here; the API has {names}, openapi.json.")

    return blueprint


def _answered(source: RunSource, endpoint: Endpoint) -> Response:
    return guarded(
        source,
        lambda: respond(endpoint.handler(source, parse(endpoint.parameters, request.args)), request, source.cache),
    )


def guarded(source: RunSource, answer: Callable[[], Response]) -> Response:
    """Turn what went wrong into a status and a sentence, never a trace."""
    try:
        return answer()
    except BadRequest as error:
        return error_response(400, str(error))
    except NotFound as error:
        return error_response(404, source.redact(str(error.args[0])))
    except NotReady as error:
        return error_response(409, str(error))
    except (NotAnalyzedError, DamagedFileError, NewerFormatError) as error:
        return error_response(404, source.redact(str(error)))
    except FileNotFoundError:
        return error_response(404, "A file went away while it was read; ask for the steps again.")
    except Exception:
        # The trace is for the terminal: what stands in it is nobody else's.
        _log.exception("%s could not be answered", request.path)
        return error_response(500, "The server could not answer this; its terminal says why.")
