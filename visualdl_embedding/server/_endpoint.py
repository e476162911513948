"""Definition of an endpoint: parameters, answers and errors. Used by the routes, the OpenAPI document and the tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from visualdl_embedding.errors import EmbeddingError

if TYPE_CHECKING:
    from visualdl_embedding.server._source import RunSource

__all__ = [
    "BINARY",
    "LARGEST_INTEGER",
    "Answer",
    "Asked",
    "BadRequest",
    "Endpoint",
    "NotFound",
    "NotReady",
    "Parameter",
    "parse",
]

Asked: TypeAlias = Mapping[str, Any]
"""Parameter values of a request, by name."""
BINARY = "application/octet-stream"
LARGEST_INTEGER = 2**53 - 1
"""Largest integer that JavaScript represents exactly."""
_INTEGER = re.compile(r"[0-9]{1,16}")


class BadRequest(EmbeddingError, ValueError):
    """Missing or invalid parameter; the message describes valid values."""


class NotFound(EmbeddingError, LookupError):
    """Unknown run, table, step, row or projection; the message lists known ones."""


class NotReady(EmbeddingError, RuntimeError):
    """Answer that is still being computed; the message names the endpoint that reports its state."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """Query parameter.

    Attributes
    ----------
    schema
        JSON schema of a text, an integer, or integers separated by commas, with the default of an optional parameter.
        The OpenAPI document contains it, and `parse` checks requests by it.
    """

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """Content of a response.

    Attributes
    ----------
    key
        State of everything that the body is read from, known without calling `make`. The body is cached by it, by the
        endpoint and by the parameters; the entity tag is made of the same.
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


def parse(parameters: tuple[Parameter, ...], query: Mapping[str, str]) -> dict[str, Any]:
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
        parts = given.split(",")
        if len(parts) > schema["maxItems"]:
            raise BadRequest(f"{name} must be at most {schema['maxItems']} numbers, not {len(parts)}.")
        return tuple(_number(name, part, schema["items"]) for part in parts)
    if given not in schema.get("enum", (given,)):
        raise BadRequest(f"{name} must be one of {', '.join(schema['enum'])}, not {given[:80]!r}.")
    return given


def _number(name: str, given: str, schema: Mapping[str, Any]) -> int:
    low, high = schema["minimum"], schema["maximum"]
    if not _INTEGER.fullmatch(given) or not low <= int(given) <= high:
        most = "" if high == LARGEST_INTEGER else f" to {high}"
        raise BadRequest(f"{name} must be a whole number from {low}{most}, not {given[:80]!r}.")
    return int(given)
