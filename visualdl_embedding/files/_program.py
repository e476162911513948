"""Parameters of a saved program, and those that it looks up rows in.

Both formats are data: PIR is JSON, the older ``.pdmodel`` a protobuf (framework.proto of Paddle). No code is run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._protobuf import fields, repeated_numbers, signed

__all__ = ["Program", "read_program"]

_MAX_PROGRAM = 64 * 2**20
_LOOK_UP = ("lookup_table", "lookup_table_v2")
_DENSE_TENSOR = 7


@dataclass(slots=True)
class Program:
    """Parameters of a program.

    Attributes
    ----------
    parameters
        Shape of each parameter, by name.
    embeddings
        ``padding_idx`` (or None) of each parameter that rows are looked up in, by name.
    """

    parameters: dict[str, tuple[int, ...]] = field(default_factory=dict)
    embeddings: dict[str, int | None] = field(default_factory=dict)

    def look_up(self, operator: str, operands: list[str], padding_idx: int | None) -> None:
        """Record the operands of an operator that looks up rows."""
        name = operator.rpartition(".")[2]
        if name in _LOOK_UP or name.rstrip("_").endswith("embedding"):
            for operand in operands:
                if len(self.parameters.get(operand, ())) == 2:
                    valid = padding_idx is not None and padding_idx >= 0
                    self.embeddings.setdefault(operand, padding_idx if valid else None)


def read_program(path: Path) -> Program:
    """Read a PIR program (``.json``) or an older program (``.pdmodel``, ``__model__``).

    Raises
    ------
    UnreadableModelError
        If it is neither, is damaged, or is larger than 64 MiB.
    """
    if (size := os.path.getsize(path)) > _MAX_PROGRAM:
        raise UnreadableModelError(path, f"it has {size:,} bytes, but a Paddle program has at most {_MAX_PROGRAM:,}")
    data = path.read_bytes()
    if not data:
        raise UnreadableModelError(path, "it is empty; a Paddle program was expected")
    try:
        program = _pir(json.loads(data)) if data.lstrip()[:1] == b"{" else _protobuf(memoryview(data))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        expected = "a Paddle program was expected: PIR (JSON) or ProgramDesc (protobuf)"
        raise UnreadableModelError(path, f"{expected} ({str(error)[:200]})") from None
    return program


def _pir(content: Any) -> Program:
    if content["base_code"]["magic"] != "pir":
        raise ValueError("its magic word is not 'pir'")
    program = Program()
    # Value numbers of parameters; inner blocks also read those of the outer block.
    names: dict[int, str] = {}
    operators = list(_operators(content["program"]["regions"]))
    for operator in operators:
        if operator["#"] == "p":
            name, shape = operator["A"][3], operator["O"]["TT"]["D"][1]
            if not isinstance(name, str) or not all(type(dim) is int for dim in shape):
                raise TypeError("a parameter without a name or a shape")
            program.parameters[name] = tuple(shape)
            names[operator["O"]["%"]] = name
    for operator in operators:
        if isinstance(inputs := operator.get("I"), list):
            operands = [names[i["%"]] for i in inputs if i.get("%") in names]
            program.look_up(operator["#"], operands, _pir_padding(operator.get("A", ())))
    return program


def _operators(regions: Any) -> Iterator[dict[str, Any]]:
    waiting = list(reversed(regions))
    while waiting:
        region = waiting.pop()
        for block in region["blocks"]:
            for operator in block["ops"]:
                yield operator
                waiting += operator.get("regions", ())


def _pir_padding(attributes: Any) -> int | None:
    for attribute in attributes:
        if isinstance(attribute, dict) and attribute.get("N") == "padding_idx":
            value = attribute["AT"]["D"]
            return value if type(value) is int else None
    return None


def _protobuf(data: memoryview) -> Program:
    """ProgramDesc: 1 blocks. BlockDesc: 3 vars, 4 ops."""
    program = Program()
    operators = []
    for number, block in fields(data):
        if number == 1:
            for part, value in fields(_message(block)):
                if part == 3:
                    _variable(_message(value), program)
                elif part == 4:
                    operators.append(_message(value))
    for operator in operators:
        _operator(operator, program)
    if not operators:
        raise ValueError("it has no operators")
    return program


def _variable(data: memoryview, program: Program) -> None:
    """VarDesc: 1 name, 2 type, 3 persistable. VarType: 1 kind, 3 dense tensor; in it 1 tensor; in it 2 dimensions."""
    name, persistable, kind, shape = "", False, -1, []
    for number, value in fields(data):
        if number == 1:
            name = str(_message(value), "utf-8")
        elif number == 3:
            persistable = bool(value)
        elif number == 2:
            for part, described in fields(_message(value)):
                if part == 1:
                    kind = described if isinstance(described, int) else -1
                elif part == 3:
                    shape = _dims(_message(described))
    if persistable and kind == _DENSE_TENSOR:
        program.parameters[name] = tuple(shape)


def _dims(data: memoryview) -> list[int]:
    shape: list[int] = []
    for number, value in fields(data):
        if number == 1:
            for part, dims in fields(_message(value)):
                if part == 2:
                    shape += [signed(dim) for dim in repeated_numbers(dims)]
    return shape


def _operator(data: memoryview, program: Program) -> None:
    """OpDesc: 1 inputs (1 role, 2 arguments), 3 type, 4 attributes (1 name, 3 int, 13 long)."""
    kind, operands, padding_idx = "", [], None
    for number, value in fields(data):
        if number == 3:
            kind = str(_message(value), "utf-8")
        elif number == 1:
            operands += [str(_message(text), "utf-8") for part, text in fields(_message(value)) if part == 2]
        elif number == 4:
            attribute = dict(fields(_message(value)))
            name = attribute.get(1, 0)
            if not isinstance(name, int) and bytes(name) == b"padding_idx":
                number_given = attribute.get(13, attribute.get(3))
                padding_idx = signed(number_given) if isinstance(number_given, int) else None
    program.look_up(kind, operands, padding_idx)


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a message was expected, not a number")
    return value
