"""Models saved for inference: a program with all parameters in one file, or with one file for each."""

from __future__ import annotations

import os
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
    """Find the tensors of a ``.pdiparams``.

    Paddle writes them in the order of their sorted names, and no name with them; the program has the names.

    Parameters
    ----------
    parameters
        The ``.pdiparams``.
    program
        The ``.json`` or ``.pdmodel``; without it the tensors are called ``parameter_0``, …

    Raises
    ------
    UnreadableModelError
        If a file is damaged, or the two do not belong together.
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
            advice="Give the two files of one and the same model",
        )
    info = structured_names(parameters.with_name(parameters.name + ".info"))
    found = []
    for name, tensor in zip(names, tensors, strict=True):
        if described.parameters[name] != tensor.shape:
            raise UnreadableModelError(
                parameters,
                f"its tensor {name!r} has the shape {tensor.shape}, the program '{program.name}' says "
                f"{described.parameters[name]}",
                advice="Give the two files of one and the same model",
            )
        found.append(_named(tensor, name, described, info.get(name, name)))
    return found


def read_variables(files: Sequence[Path], program: Path | None) -> list[Tensor]:
    """Find the tensors of a folder that has one file for each, called as the parameter is.

    Raises
    ------
    UnreadableModelError
        If one of the files is damaged.
    """
    described = read_program(program) if program is not None else None
    found = []
    for file in files:
        tensors = list(read_tensors(file))
        if len(tensors) != 1:
            reason = f"it holds {len(tensors)} tensors of Paddle, and one was expected"
            raise UnreadableModelError(file, reason, advice="If it is a .pdiparams, give it that ending")
        found.append(_named(tensors[0], file.name, described, file.name))
    return found


def _named(tensor: Tensor, name: str, program: Program | None, key: str) -> Tensor:
    if program is None:
        return replace(tensor, key=key, parameter=os.fspath(name))
    return replace(
        tensor,
        key=key,
        parameter=name,
        looked_up=name in program.embeddings,
        padding_idx=program.embeddings.get(name),
    )
