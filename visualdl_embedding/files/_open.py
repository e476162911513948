"""Listing of the embedding tables of a saved model."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from visualdl_embedding.core.suggest import listed
from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._candidates import candidates
from visualdl_embedding.files._formats import FORMATS, SERVER_TABLES, TENSORS, format_of_content
from visualdl_embedding.files._inference import read_inference, read_variables
from visualdl_embedding.files._locate import ModelFiles, find_vocabulary, locate
from visualdl_embedding.files._matrix import Tensor
from visualdl_embedding.files._server_tables import read_server_tables
from visualdl_embedding.files._stored import StoredTable

__all__ = ["open_tables"]

_MAX_INDEX = 32 * 2**20


def open_tables(
    path: str | os.PathLike[str],
    *,
    all_matrices: bool = False,
    accessor: str | None = None,
    dim: int | None = None,
    keys: Iterable[int] | None = None,
) -> list[StoredTable]:
    """List the embedding tables of a saved model without loading them and without running code from the file.

    Parameters
    ----------
    path
        - a ``.pdparams``, or a folder written by PaddleNLP's ``save_pretrained``;
        - an inference model: its folder, its ``.pdiparams``, ``.json`` or ``.pdmodel``, or their common prefix;
          also older models with one file per parameter;
        - safetensors, also sharded with a ``model.safetensors.index.json``;
        - word2vec (text and binary), GloVe, fastText's ``.vec``, each also gzipped;
        - a ``.npy`` or ``.npz``; a file, or a folder of files, with one Paddle tensor each;
        - sparse tables that a parameter server saved as text: the folder of a save, the folder of a table
          (``000/part-*-*``, also ``.gz``) or a shard. Rows are those admitted, in the order of the shards, and their
          keys are the labels.
    all_matrices
        List every matrix of floats, for tables with unusual names. By default tables are detected from the program,
        from Paddle's parameter names, from the names in the checkpoint, or from the shapes.
    accessor, dim
        Of a parameter server's table: class of the accessor (``"SparseAccessor"``, ``"CtrCommonAccessor"``,
        ``"CtrDoubleAccessor"``, ``"CtrDymfAccessor"``), and the number of columns, 1 + embedx_dim, where several
        rules of optimizers fit. Default: from a .yaml or .prototxt in the table's folder or up to four folders above.
    keys
        Keys to read from a parameter server's table. Only the shards that hold them are read, and other rows are not
        part of the table.

    Returns
    -------
    The tables, those that hold words first.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no model in the folder; the message lists the names that were tried.
    UnreadableModelError
        If a file is damaged, does not match its extension, or asks for code to be run. Also if no tensor looks like a
        table; the message then lists the tensors. Also if the accessor of a parameter server's table is unknown; the
        message then lists the layouts that fit.
    ValueError
        If `accessor`, `dim` or `keys` are given for another model, or `accessor` is unknown.
    """
    path = Path(path)
    model = locate(path)
    if model.kind is SERVER_TABLES:
        wanted = None if keys is None else [operator.index(key) for key in keys]
        tensors = read_server_tables(model.files, accessor=accessor, dim=dim, keys=wanted)
    elif (accessor, dim, keys) != (None, None, None):
        raise ValueError(f"accessor, dim and keys are for tables of parameter servers; '{path}' is another model.")
    else:
        tensors = _read(model)
    tables = candidates(tensors, all_matrices=all_matrices, vocab_size=_vocab_size(model.files[0].parent))
    if not tables:
        raise UnreadableModelError(
            path,
            f"none of its {len(tensors)} tensors looks like an embedding table",
            advice="A table is a matrix of float16, bfloat16, float32 or float64; to choose one of these by its name, "
            "pass all_matrices=True",
            details=listed([f"{tensor.key[:100]} {tensor.shape} {tensor.dtype}" for tensor in tensors], 20),
        )
    vocabulary = find_vocabulary(path if path.exists() else model.files[0])
    return [
        replace(stored, vocabulary=vocabulary)
        if not stored.has_labels and (stored.priority == 0 or len(tables) == 1)
        else stored
        for stored in tables
    ]


def _read(model: ModelFiles) -> list[Tensor]:
    path = model.files[0]
    if model.kind == "index":
        return _shards(path)
    if model.kind == "variables":
        return read_variables(model.files, model.program)
    try:
        if model.kind == "inference":
            return read_inference(path, model.program)
        return model.kind.read(path)
    except UnreadableModelError as error:
        found = format_of_content(path)
        if found is None or found is (TENSORS if model.kind == "inference" else model.kind):
            raise
        raise UnreadableModelError(
            path,
            f"{error.reason}; its content looks like a {found.ending} file",
            advice=f"Rename it to end in {found.ending}",
        ) from error


def _shards(index: Path) -> list[Tensor]:
    """Read the files that an index lists, and keep the tensors that the index assigns to each file."""
    weight_map = _json(index, _MAX_INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise UnreadableModelError(index, "it has no 'weight_map' from tensors to files")
    if not all(isinstance(name, str) for name in weight_map.values()):
        raise UnreadableModelError(index, "its 'weight_map' has a file name that is not a string")
    by_key: dict[str, Tensor] = {}
    for name in dict.fromkeys(weight_map.values()):
        shard = index.parent / _plain(name, index)
        if not shard.is_file():
            raise UnreadableModelError(
                index, f"it lists the file {name!r}, which does not exist", advice="Copy all files of the model"
            )
        shards = [found for found in FORMATS if found.sharded]
        reader = next((found for found in shards if shard.suffix == found.ending), shards[0]).read
        by_key.update({found.key: found for found in reader(shard) if weight_map.get(found.key) == name})
    if missing := [key for key in weight_map if key not in by_key]:
        raise UnreadableModelError(
            index, f"{len(missing)} of its {len(weight_map)} tensors, such as {missing[0]!r}, are in none of its files"
        )
    return [by_key[key] for key in weight_map]


def _plain(name: str, index: Path) -> str:
    """Check that a name stays inside the folder. Symbolic links inside the folder are allowed: the user made them."""
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    outside = ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor
    if outside or not name.strip() or any(ord(character) < 32 for character in name):
        reason = f"it lists the file {name!r}, which is outside the model's folder"
        raise UnreadableModelError(index, reason, advice="Do not use this model unless you trust its source")
    return name


def _json(path: Path, limit: int) -> dict[str, Any]:
    if (size := os.path.getsize(path)) > limit:
        raise UnreadableModelError(path, f"it has {size:,} bytes, but at most {limit:,} are allowed")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UnreadableModelError(path, f"it is not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise UnreadableModelError(path, "it is not a JSON object")
    return content


def _vocab_size(folder: Path) -> int | None:
    """Read the vocabulary size from the configuration next to a model. It is only a hint, so errors are ignored."""
    try:
        found = _json(folder / "config.json", 2**20).get("vocab_size")
    except (UnreadableModelError, OSError):
        return None
    return found if type(found) is int else None
