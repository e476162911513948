"""Reader of inference models: a program with all parameters in one file, or with one file per parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._matrix import Tensor
from visualdl_embedding.files._paddle_tensor import read_tensors
from visualdl_embedding.files._pdparams import structured_names
from visualdl_embedding.files._program import Program, read_program

__all__ = ["read_inference", "read_variables"]


def read_inference(parameters: Path, program: Path | None) -> list[Tensor]:
    """List the tensors of a ``.pdiparams``.

    Paddle writes the tensors in the order of their sorted names, without the names. The program (``.json`` or
    ``.pdmodel``) holds the names; without it the tensors are named ``parameter_0``, ``parameter_1``, …

    Raises
    ------
    UnreadableModelError
        If a file is damaged, or the two files do not match.
    """
    tensors = list(read_tensors(parameters))
    if program is None:
        return [replace(tensor, key=f"parameter_{tensor.key}") for tensor in tensors]
    described = read_program(program)
    names = sorted(described.parameters)
    if len(names) != len(tensors):
        raise UnreadableModelError(
            parameters,
            f"it holds {len(tensors)} tensors, but the program '{program.name}' has {len(names)} parameters",
            advice="Give two files of the same model",
        )
    info = structured_names(parameters.with_name(parameters.name + ".info"))
    for name, tensor in zip(names, tensors, strict=True):
        if (shape := described.parameters[name]) != tensor.shape:
            raise UnreadableModelError(
                parameters,
                f"its tensor {name!r} has shape {tensor.shape}, but the program '{program.name}' expects {shape}",
                advice="Give two files of the same model",
            )
    return [
        _named(tensor, name, described, key=info.get(name, name)) for name, tensor in zip(names, tensors, strict=True)
    ]


def read_variables(files: Sequence[Path], program: Path | None) -> list[Tensor]:
    """List the tensors of a folder with one file per parameter, named after the parameter.

    Raises
    ------
    UnreadableModelError
        If a file is damaged.
    """
    described = read_program(program) if program is not None else None
    found = []
    for file in files:
        tensors = list(read_tensors(file))
        if len(tensors) != 1:
            reason = f"it holds {len(tensors)} Paddle tensors, but one was expected"
            advice = "If it is a .pdiparams file, rename it to end in .pdiparams"
            raise UnreadableModelError(file, reason, advice=advice)
        found.append(_named(tensors[0], file.name, described, key=file.name))
    return found


def _named(tensor: Tensor, name: str, program: Program | None, *, key: str) -> Tensor:
    if program is None:
        return replace(tensor, key=key, parameter=name)
    looked_up = name in program.embeddings
    return replace(tensor, key=key, parameter=name, looked_up=looked_up, padding_idx=program.embeddings.get(name))
