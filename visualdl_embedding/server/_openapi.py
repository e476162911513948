"""OpenAPI 3.1 document of the API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from visualdl_embedding import __version__
from visualdl_embedding.server._endpoint import BINARY, Endpoint, Parameter
from visualdl_embedding.server._endpoints import API_VERSION
from visualdl_embedding.server._schemas import ERROR

__all__ = ["describe_api"]

_ERRORS = {
    "304": "The answer that the client has is current",
    "400": "A parameter is missing or invalid",
    "401": "The token is missing or wrong",
    "403": "The request comes from another site, or names another host",
    "404": "Unknown run, table, step, row or projection",
    "409": "The answer is not computed yet",
}


def describe_api(endpoints: Iterable[Endpoint], *, path: str) -> dict[str, Any]:
    """Describe the API.

    Parameters
    ----------
    endpoints
        All endpoints.
    path
        Path of the API on the host: ``"/app/embeddings/api/v1"``.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "visualdl-embedding",
            "version": API_VERSION,
            "summary": f"Embedding tables over training time, read-only; visualdl-embedding {__version__}",
        },
        "servers": [{"url": path}],
        "components": {
            "schemas": {"Error": ERROR},
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
    for status, meaning in _ERRORS.items():
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
    if endpoint.schema is not None:
        return {"description": endpoint.summary, "content": {"application/json": {"schema": endpoint.schema}}}
    return {
        "description": f"{endpoint.summary}; little-endian, NaN if unknown",
        "headers": {
            "X-Rows": {"description": "Number of rows", "schema": {"type": "integer"}},
            "X-Components": {"description": "Numbers per row", "schema": {"type": "integer"}},
        },
        "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    number = {"type": "integer", "minimum": parameter.low, "maximum": parameter.high}
    schema: Mapping[str, Any]
    if parameter.kind == "integer":
        schema = number
    elif parameter.kind == "integers":
        schema = {"type": "array", "items": number, "minItems": 2, "maxItems": 20, "uniqueItems": True}
    else:
        schema = {"type": "string", **({"enum": list(parameter.choices)} if parameter.choices else {})}
    if parameter.default is not None:
        schema = {**schema, "default": parameter.default}
    described = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": schema,
    }
    return {**described, "explode": False} if parameter.kind == "integers" else described
