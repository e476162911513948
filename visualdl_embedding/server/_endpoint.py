"""Definition of an endpoint: parameters, answers and errors. Used by the routes, the OpenAPI document and the tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from visualdl_embedding.errors import EmbeddingError

if TYPE_CHECKING:
    from visualdl_embedding.server._source import RunSource

__all__ = ["BINARY", "Answer", "Asked", "BadRequest", "Endpoint", "NotFound", "NotReady", "Parameter", "parse"]

Asked: TypeAlias = Mapping[str, Any]
"""Parameter values of a request, by name."""
BINARY = "application/octet-stream"
_LARGEST = 2**53 - 1
_MAX_INTEGERS = 20
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
    kind
        ``"text"``, ``"integer"`` from `low` to `high`, or ``"integers"``: 2 to 20 of them, separated by commas.
    default
        Value of an optional parameter that is not given.
    choices
        Allowed texts; empty for any text.
    """

    name: str
    description: str
    kind: Literal["text", "integer", "integers"] = "text"
    required: bool = True
    default: Any = None
    low: int = 0
    high: int = _LARGEST
    choices: tuple[str, ...] = ()


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
    """Endpoint of the API.

    Attributes
    ----------
    name
        Last part of the address.
    handler
        Function of the run source and the parameter values.
    summary
        One line.
    schema
        JSON schema of the body; None for little-endian float32.
    """

    name: str
    handler: Callable[[RunSource, Asked], Answer]
    summary: str
    schema: Mapping[str, Any] | None
    parameters: tuple[Parameter, ...] = ()


def parse(parameters: tuple[Parameter, ...], query: Mapping[str, str]) -> dict[str, Any]:
    """Parse a query string.

    Raises
    ------
    BadRequest
        If a parameter is missing or invalid.
    """
    return {parameter.name: _value(parameter, query.get(parameter.name)) for parameter in parameters}


def _value(parameter: Parameter, given: str | None) -> Any:
    name = parameter.name
    if given is None or (given == "" and parameter.kind != "text"):
        if parameter.required:
            raise BadRequest(f"The parameter {name!r} is missing; pass the {parameter.description}.")
        return parameter.default
    if parameter.kind == "integer":
        return _number(parameter, given)
    if parameter.kind == "integers":
        parts = given.split(",")
        if len(parts) > _MAX_INTEGERS:
            raise BadRequest(f"{name} must be at most {_MAX_INTEGERS} numbers, not {len(parts)}.")
        return tuple(_number(parameter, part) for part in parts)
    if parameter.choices and given not in parameter.choices:
        raise BadRequest(f"{name} must be one of {', '.join(parameter.choices)}, not {given[:80]!r}.")
    return given


def _number(parameter: Parameter, given: str) -> int:
    if not _INTEGER.fullmatch(given) or not parameter.low <= int(given) <= parameter.high:
        most = "" if parameter.high == _LARGEST else f" to {parameter.high}"
        raise BadRequest(f"{parameter.name} must be a whole number from {parameter.low}{most}, not {given[:80]!r}.")
    return int(given)
