"""Endpoints of the API and their routes."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Blueprint, Response, request

from visualdl_embedding.core.distance import DISTANCES
from visualdl_embedding.errors import DamagedFileError, NewerFormatError, NotAnalyzedError
from visualdl_embedding.server import _joint, _neighbors, _runs
from visualdl_embedding.server._http import Answer, Asked, BadRequest, NotFound, NotReady, error_response, respond
from visualdl_embedding.server._openapi import Endpoint, Parameter, describe_api
from visualdl_embedding.server._source import RunSource

__all__ = ["API_PATH", "api_blueprint"]

API_PATH = "/api/v1"
_DIGITS = re.compile(r"[0-9]{1,16}")
_LARGEST = 2**53 - 1
"""JavaScript represents all integers up to this one exactly."""

_INTEGER = {"type": "integer", "minimum": 0, "maximum": _LARGEST}
_STEP = Parameter("step", "stored step", _INTEGER)
_PROJECTION = Parameter("projection", "key of a stored projection, such as `tsne` or `tsne_3d`")
_ROW = Parameter("row", "position of a row, from 0, as in `rows`", _INTEGER)
_SEVERAL = {"type": "array", "items": _INTEGER, "minItems": 2, "maxItems": 20, "uniqueItems": True}
_ROWS = Parameter("rows", "positions of 2 to 20 rows, separated by commas", _SEVERAL)
_K = Parameter("k", "number of neighbors", {**_INTEGER, "minimum": 1, "maximum": 200, "default": 15}, False)
_DISTANCES = {"type": "string", "enum": DISTANCES, "default": "cosine"}
_DISTANCE = Parameter("distance", "distance between rows", _DISTANCES, False)
_JOINT = {"type": "string", "enum": ("joint", "procrustes"), "default": "joint"}
_HOW = Parameter(
    "how", "`joint` for the joint map, `procrustes` for the stored maps aligned with each other", _JOINT, required=False
)
_METRIC = Parameter("name", "name of a metric, as in `row-metrics`")
_RUN = Parameter("run", "name of a run, as in `runs`")
_TABLE = (_RUN, Parameter("table", "name of a table; may contain slashes"))
_MOMENT = (*_TABLE, _STEP)
_FRAME = (*_MOMENT, _PROJECTION)
_OTHER = (
    Parameter("other_run", "run to compare with; by default the same run", required=False),
    Parameter("other_table", "table to compare with; by default the same table", required=False),
    Parameter("other_step", "step to compare with; by default the same step", _INTEGER, required=False),
)
_SIDE = Parameter("side", "side of the map", {"type": "string", "enum": ("a", "b")})
_SIDES = (
    *(
        parameter
        for side in ("a", "b")
        for parameter in (
            Parameter(f"run_{side}", f"name of the run on side {side}"),
            Parameter(f"table_{side}", f"name of the table on side {side}"),
            Parameter(f"step_{side}", f"analyzed step on side {side}", _INTEGER),
        )
    ),
    _PROJECTION,
)

ENDPOINTS = (
    Endpoint(_runs.status),
    Endpoint(_runs.runs),
    Endpoint(_runs.rows, _TABLE),
    Endpoint(_runs.frame, _FRAME),
    Endpoint(_runs.frame_info, _FRAME),
    Endpoint(_runs.row_metrics, _MOMENT),
    Endpoint(_runs.row_metric, (*_MOMENT, _METRIC)),
    Endpoint(_runs.row, (*_MOMENT, _ROW)),
    Endpoint(_runs.scalars, _TABLE),
    Endpoint(_runs.metrics),
    Endpoint(_runs.curves, (_RUN,)),
    Endpoint(_neighbors.neighbors, (*_MOMENT, _ROW, _K, _DISTANCE)),
    Endpoint(_neighbors.neighbor_changes, (*_MOMENT, _ROW, *_OTHER, _K, _DISTANCE)),
    Endpoint(_neighbors.neighbor_timeline, (*_TABLE, _ROW, _K)),
    Endpoint(_neighbors.similarities, (*_TABLE, _ROWS)),
    Endpoint(_runs.alerts, _TABLE),
    Endpoint(_runs.findings, _MOMENT),
    Endpoint(_runs.clusters, _MOMENT),
    Endpoint(_joint.compare, _SIDES),
    Endpoint(_joint.compare_frame, (*_SIDES, _SIDE, _HOW)),
)

_log = logging.getLogger(__name__)


def api_blueprint(source: RunSource, *, prefix: str) -> Blueprint:
    """Create the routes of the API; `prefix` is the path of the page: ``"/app/embeddings"``."""
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
        asked = _parse(endpoint.parameters, request.args)
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


def _parse(parameters: tuple[Parameter, ...], query: Mapping[str, str]) -> Asked:
    """Parse a query string. Raise `BadRequest` if a parameter is missing or invalid."""
    return {parameter.name: _value(parameter, query.get(parameter.name)) for parameter in parameters}


def _value(parameter: Parameter, given: str | None) -> Any:
    name, schema = parameter.name, parameter.schema
    if given is None or (given == "" and schema["type"] != "string"):
        if parameter.required:
            raise BadRequest(f"The parameter {name!r} is missing; pass the {parameter.description}.")
        return schema.get("default")
    if schema["type"] == "integer":
        return _number(name, given, schema)
    if schema["type"] == "array":
        numbers = tuple(_number(name, part, schema["items"]) for part in given.split(","))
        least, most = schema["minItems"], schema["maxItems"]
        if not least <= len(numbers) <= most or (schema["uniqueItems"] and len(set(numbers)) < len(numbers)):
            raise BadRequest(f"{name} must be {least} to {most} different numbers, such as 3,17, not {given[:80]!r}.")
        return numbers
    if given not in schema.get("enum", (given,)):
        raise BadRequest(f"{name} must be one of {', '.join(schema['enum'])}, not {given[:80]!r}.")
    return given


def _number(name: str, given: str, schema: Mapping[str, Any]) -> int:
    low, high = schema["minimum"], schema["maximum"]
    if not _DIGITS.fullmatch(given) or not low <= int(given) <= high:
        most = "" if high == _LARGEST else f" to {high}"
        raise BadRequest(f"{name} must be a whole number from {low}{most}, not {given[:80]!r}.")
    return int(given)
