"""Reader of inference models: a program with all parameters in one file, or with one file per parameter.

The program gives the names of the parameters, and those that it looks up rows in. Both of its formats are data: PIR is
JSON, the older ``.pdmodel`` a protobuf (framework.proto of Paddle). No code is run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._matrix import Tensor
from visualdl_embedding.files._paddle_tensor import parse, read_tensors
from visualdl_embedding.files._pdparams import structured_names

__all__ = ["read_inference", "read_parameters", "read_variables"]

_MAX_PROGRAM = 64 * 2**20
_LOOK_UP = ("lookup_table", "lookup_table_v2")
_DENSE_TENSOR = 7


@dataclass(slots=True)
class _Program:
    """Shapes of a program's parameters by name, and ``padding_idx`` (or None) of those that rows are looked up in."""

    parameters: dict[str, tuple[int, ...]] = field(default_factory=dict)
    embeddings: dict[str, int | None] = field(default_factory=dict)

    def look_up(self, operator: str, operands: list[str], padding_idx: int) -> None:
        """Record the operands of an operator that looks up rows; a negative `padding_idx` is none."""
        name = operator.rpartition(".")[2]
        if name in _LOOK_UP or name.rstrip("_").endswith("embedding"):
            for operand in operands:
                if len(self.parameters.get(operand, ())) == 2:
                    self.embeddings.setdefault(operand, padding_idx if padding_idx >= 0 else None)


def read_inference(parameters: Path, program: Path | None) -> list[Tensor]:
    """List the tensors of a ``.pdiparams``.

    Paddle writes the tensors in the order of their sorted names, without the names. The program (``.json`` or
    ``.pdmodel``) holds the names; without it the tensors are named ``parameter_0``, ``parameter_1``, …
    """
    tensors = list(read_tensors(parameters))
    if program is None:
        return [replace(tensor, key=f"parameter_{tensor.key}") for tensor in tensors]
    described = _read_program(program)
    advice = "Give two files of the same model"
    if len(described.parameters) != len(tensors):
        raise UnreadableModelError(
            parameters,
            f"it holds {len(tensors)} tensors, but the program '{program.name}' has {len(described.parameters)} "
            "parameters",
            advice=advice,
        )
    info = structured_names(parameters.with_name(parameters.name + ".info"))
    found = []
    for (name, shape), tensor in zip(sorted(described.parameters.items()), tensors, strict=True):
        if shape != tensor.shape:
            reason = f"its tensor {name!r} has shape {tensor.shape}, but the program '{program.name}' expects {shape}"
            raise UnreadableModelError(parameters, reason, advice=advice)
        found.append(_named(tensor, name, described, key=info.get(name, name)))
    return found


def read_parameters(path: Path) -> list[Tensor]:
    """List the tensors of a file without a program: a single tensor is named after the file, several by position."""
    several = len(list(islice(read_tensors(path), 2))) == 2
    return read_inference(path, None) if several else read_variables([path], None)


def read_variables(files: Sequence[Path], program: Path | None) -> list[Tensor]:
    """List the tensors of a folder with one file per parameter, named after the parameter."""
    described = _read_program(program) if program is not None else None
    found = []
    for file in files:
        tensors = list(read_tensors(file))
        if len(tensors) != 1:
            reason = f"it holds {len(tensors)} Paddle tensors, but one was expected"
            advice = "If it is a .pdiparams file, rename it to end in .pdiparams"
            raise UnreadableModelError(file, reason, advice=advice)
        found.append(_named(tensors[0], file.name, described, key=file.name))
    return found


def _named(tensor: Tensor, name: str, program: _Program | None, *, key: str) -> Tensor:
    tensor = replace(tensor, key=key, parameter=name)
    if program is None:
        return tensor
    return replace(tensor, looked_up=name in program.embeddings, padding_idx=program.embeddings.get(name))


def _read_program(path: Path) -> _Program:
    """Read a PIR program (``.json``) or an older program (``.pdmodel``, ``__model__``) of at most 64 MiB."""
    if (size := os.path.getsize(path)) > _MAX_PROGRAM:
        raise UnreadableModelError(path, f"it has {size:,} bytes, but a Paddle program has at most {_MAX_PROGRAM:,}")
    data = path.read_bytes()
    if not data:
        raise UnreadableModelError(path, "it is empty; a Paddle program was expected")
    try:
        return _pir(json.loads(data)) if data.lstrip()[:1] == b"{" else _protobuf(data)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        expected = "a Paddle program was expected: PIR (JSON) or ProgramDesc (protobuf)"
        raise UnreadableModelError(path, f"{expected} ({str(error)[:200]})") from None


def _pir(content: Any) -> _Program:
    if content["base_code"]["magic"] != "pir":
        raise ValueError("its magic word is not 'pir'")
    program = _Program()
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


def _pir_padding(attributes: Any) -> int:
    given = [a["AT"]["D"] for a in attributes if isinstance(a, dict) and a.get("N") == "padding_idx"]
    return given[0] if given and type(given[0]) is int else -1


def _protobuf(data: bytes) -> _Program:
    program = _Program()
    blocks = parse("ProgramDesc", data).blocks
    for variable in (variable for block in blocks for variable in block.vars):
        if variable.persistable and variable.type.type == _DENSE_TENSOR:
            program.parameters[variable.name.decode()] = tuple(variable.type.dense_tensor.tensor.dims)
    operators = [operator for block in blocks for operator in block.ops]
    for operator in operators:
        operands = [name.decode() for role in operator.inputs for name in role.arguments]
        given = [max(attribute.i, attribute.l) for attribute in operator.attrs if attribute.name == b"padding_idx"]
        program.look_up(operator.type.decode(), operands, given[-1] if given else -1)
    if not operators:
        raise ValueError("it has no operators")
    return program
