"""What an address of the API takes and gives: read by the routes, by OpenAPI and by the tests alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from visualdl_embedding.errors import EmbeddingError

if TYPE_CHECKING:
    from visualdl_embedding.server._source import RunSource

__all__ = ["Answer", "BadRequest", "Endpoint", "NotReady", "Parameter", "integer", "parse", "text"]

BINARY = "application/octet-stream"
_LARGEST = 2**53 - 1
_INTEGER = re.compile(r"[0-9]{1,16}")


class BadRequest(EmbeddingError, ValueError):
    """A parameter that cannot be meant; the message says what it should be."""


class NotReady(EmbeddingError, RuntimeError):
    """An answer that is being made; the message says where its state is told."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query.

    Attributes
    ----------
    kind
        ``"text"``, ``"integer"`` from `low` to `high`, or ``"integers"``: several of these with commas.
    default
        For one that is not required.
    choices
        All that a text may be; any where empty.
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
    """What is sent.

    Attributes
    ----------
    key
        All that the body depends on, with `make` unasked: the same key is the same body, which the client may have.
    make
        Gives the body: bytes, or a value to be sent as JSON.
    components
        Numbers of each row where the body is float32.
    status
        200, or 202 for a state that will change.
    """

    key: Hashable
    make: Callable[[], Any]
    components: int = 0
    status: int = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address.

    Attributes
    ----------
    name
        Last part of the address.
    handler
        Takes the source of runs and the values of the parameters.
    summary
        One line.
    schema
        JSON schema of the answer; None for float32, little-endian.
    """

    name: str
    handler: Callable[[RunSource, Mapping[str, Any]], Answer]
    summary: str
    schema: Mapping[str, Any] | None
    parameters: tuple[Parameter, ...] = ()


def text(name: str, description: str, **more: Any) -> Parameter:
    """Describe a text."""
    return Parameter(name, description, **more)


def integer(name: str, description: str, **more: Any) -> Parameter:
    """Describe an integer."""
    return Parameter(name, description, "integer", **more)


def parse(parameters: tuple[Parameter, ...], query: Mapping[str, str]) -> dict[str, Any]:
    """Read a query.

    Raises
    ------
    BadRequest
        For what is missing or cannot be meant.
    """
    return {parameter.name: _value(parameter, query.get(parameter.name)) for parameter in parameters}


def _value(parameter: Parameter, given: str | None) -> Any:
    name = parameter.name
    if given is None or (given == "" and parameter.kind != "text"):
        if parameter.required:
            raise BadRequest(f"The parameter {name!r} is missing: {parameter.description}.")
        return parameter.default
    if parameter.kind == "text":
        if parameter.choices and given not in parameter.choices:
            raise BadRequest(f"{name} is one of {', '.join(parameter.choices)}, not {given[:80]!r}.")
        return given
    parts = given.split(",") if parameter.kind == "integers" else [given]
    if len(parts) > 20:
        raise BadRequest(f"{name} takes at most 20 numbers; {len(parts)} were given.")
    return [_number(parameter, part) for part in parts] if parameter.kind == "integers" else _number(parameter, given)


def _number(parameter: Parameter, given: str) -> int:
    if not _INTEGER.fullmatch(given) or not parameter.low <= int(given) <= parameter.high:
        most = "" if parameter.high == _LARGEST else f" to {parameter.high}"
        raise BadRequest(f"{parameter.name} is a whole number from {parameter.low}{most}, not {given[:80]!r}.")
    return int(given)
