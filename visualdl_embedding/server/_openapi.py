"""Definition of endpoints, the JSON schemas of their answers, and the OpenAPI 3.1 document of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from visualdl_embedding import __version__
from visualdl_embedding.server._http import BINARY, Answer, Asked
from visualdl_embedding.server._source import RunSource

__all__ = ["SCHEMAS", "Endpoint", "Parameter", "describe_api"]

API_VERSION = "1"

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
MAYBE_NUMBER: Schema = {"type": ["number", "null"]}
MAYBE_INTEGER: Schema = {"type": ["integer", "null"]}
OBJECT: Schema = {"type": "object"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _all(values: Schema, *names: str) -> Mapping[str, Schema]:
    return dict.fromkeys(names, values)


def _object(*properties: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """Object whose properties are required; ``missing`` may be added."""
    required = {name: schema for part in properties for name, schema in part.items()}
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {}), "missing": _list(TEXT)},
        "additionalProperties": False,
    }


_SERIES = _map(_object({"steps": _list(INTEGER), "values": _list(MAYBE_NUMBER)}))
_TABLE = _object(
    _all(TEXT, "name", "distance", "rows_version"),
    _all(INTEGER, "dim", "num_rows", "n", "n_neighbors"),
    _all(_list(TEXT), "projections", "columns", "watch"),
    _all(_list(INTEGER), "steps", "analyzed"),
)
_NEIGHBOR = _object({"row": MAYBE_INTEGER, "label": TEXT, "id": INTEGER}, _all(NUMBER, "cosine", "distance"))
_CHANGES = _list(
    _object(
        {"label": TEXT},
        _all(MAYBE_INTEGER, "row", "other_row", "rank", "other_rank"),
        _all(MAYBE_NUMBER, "cosine", "other_cosine"),
    )
)
_METRIC = _object(
    _all(MAYBE_NUMBER, "low", "high"),
    {"higher_is_better": {"type": ["boolean", "null"]}},
    _all(TEXT, "description", "description_zh", "reference"),
)
_FOLLOWED = _object(
    {"label": TEXT, "row": MAYBE_INTEGER, "ranks": _list(MAYBE_INTEGER), "cosines": _list(MAYBE_NUMBER)}
)
_TONES = _object(_all(TEXT, "light", "dark"))
_PALETTE = _object({"groups": _list(TEXT), "others": TEXT}, _all(_TONES, "no_group", "alone"))
_RUN = _object({"name": TEXT, "tables": _list(_TABLE), "curves": _list(TEXT)})
_PAIR = _object({"a": INTEGER, "b": INTEGER, "cosines": _list(MAYBE_NUMBER)})
_AXES = _list(_list(NUMBER))
_HOW: Schema = {"enum": ["joint", "procrustes"]}
_WHY: Schema = {"enum": ["zero", "nonfinite", "unwatched", None]}
_CLUSTER: Schema = {"type": "integer", "minimum": -1}

_ERROR = _object({"error": TEXT})
SCHEMAS: Mapping[str, Schema | None] = {
    "status": _object({"revision": TEXT, "runs": INTEGER}),
    "runs": _object({"runs": _list(_RUN), "palette": _PALETTE}),
    "rows": _object(
        {"version": TEXT, "ids": _list(INTEGER), "columns": _map(_list(TEXT)), "colors": _map(_map(TEXT))},
        _all(_list(TEXT), "labels", "watch"),
        {"pieces": _map(TEXT)},
    ),
    "frame": None,
    "frame-info": _object(
        {"method": TEXT, "parameters": OBJECT, "axes": _AXES, "axes_version": INTEGER, "redrawn": {"type": "boolean"}},
        _all(MAYBE_INTEGER, "random_state", "basis_version", "analyzed_against"),
        _all(MAYBE_NUMBER, "noise_floor", "trustworthiness", "continuity", "motion"),
    ),
    "row-metrics": _object({"names": _list(TEXT)}),
    "row-metric": None,
    "row": _object({"row": INTEGER, "label": TEXT, "metrics": _map(MAYBE_NUMBER)}),
    "scalars": _object({"scalars": _SERIES}),
    "metrics": _object({"metrics": _map(_METRIC)}),
    "curves": _object({"curves": _SERIES}),
    "neighbors": _object({"row": INTEGER, "label": TEXT, "neighbors": _list(_NEIGHBOR), "why": _WHY}),
    "neighbor-changes": _object(_all(_CHANGES, "kept", "gained", "lost")),
    "neighbor-timeline": _object({"steps": _list(INTEGER), "neighbors": _list(_FOLLOWED)}),
    "similarities": _object({"steps": _list(INTEGER), "pairs": _list(_PAIR)}),
    "alerts": _object({"alerts": _list(OBJECT)}),
    "findings": _object({"findings": _list(OBJECT)}),
    "clusters": _object({"step": INTEGER, "clusters": _list(_CLUSTER), "n_clusters": INTEGER}),
    "compare": _object(
        {"state": {"enum": ["working", "ready"]}},
        optional={"done": NUMBER, "n_shared": INTEGER, "how": _HOW, "axes": _AXES, "notes": _list(TEXT)},
    ),
    "compare-frame": None,
}

_STATUSES = {
    "304": "The answer that the client has is current",
    "400": "A parameter is missing or invalid",
    "401": "The token is missing or wrong",
    "403": "The request comes from another site, or names another host",
    "404": "Unknown run, table, step, row or projection; step without an analysis; file damaged, removed, or too new",
    "500": "Internal error of the server",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """Query parameter.

    Attributes
    ----------
    schema
        JSON schema of a text, an integer, or integers separated by commas, with the default of an optional parameter.
        The OpenAPI document contains it, and requests are checked by its ``enum``, ``minimum``, ``maximum``,
        ``minItems``, ``maxItems`` and ``uniqueItems``.
    """

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT)
    required: bool = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Endpoint of the API: a function of the run source and the parameter values, and its parameters.

    The function's name and docstring are the last part of the address and the summary in the OpenAPI document.
    """

    handler: Callable[[RunSource, Asked], Answer]
    parameters: tuple[Parameter, ...] = ()

    @property
    def name(self) -> str:
        """Last part of the address."""
        return self.handler.__name__.replace("_", "-")

    @property
    def summary(self) -> str:
        """One line."""
        return (self.handler.__doc__ or self.name).rstrip(".")


def describe_api(endpoints: Iterable[Endpoint], *, path: str) -> dict[str, Any]:
    """Describe the API; `path` is its path on the host: ``"/app/embeddings/api/v1"``."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "visualdl-embedding",
            "version": API_VERSION,
            "summary": f"Embedding tables over training time, read-only; visualdl-embedding {__version__}",
        },
        "servers": [{"url": path}],
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # Servers without --token need no authorization.
        "security": [{}, {"token": []}],
        "paths": {f"/{endpoint.name}": {"get": _operation(endpoint)} for endpoint in endpoints},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    answers: dict[str, Any] = {"200": _answer(endpoint)}
    if endpoint.name == "compare":
        answers["202"] = {**_answer(endpoint), "description": "The map is being computed"}
    statuses = _STATUSES | ({"409": "The joint map is not computed yet"} if endpoint.name == "compare-frame" else {})
    for status, meaning in statuses.items():
        answers[status] = {"description": meaning}
        if status != "304":
            answers[status]["content"] = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "parameters": [_parameter(parameter) for parameter in endpoint.parameters],
        "responses": answers,
    }


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    if (schema := SCHEMAS[endpoint.name]) is not None:
        return {"description": endpoint.summary, "content": {"application/json": {"schema": schema}}}
    return {
        "description": f"{endpoint.summary}; little-endian, NaN if unknown",
        "headers": {
            "X-Rows": {"description": "Number of rows", "schema": INTEGER},
            "X-Components": {"description": "Numbers per row", "schema": INTEGER},
        },
        "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    comma_separated = {"explode": False} if parameter.schema["type"] == "array" else {}
    return {**asdict(parameter), "in": "query", **comma_separated}
