"""From a path to the tables of the model that lies there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._candidates import candidates
from visualdl_embedding.files._inference import read_inference, read_variables
from visualdl_embedding.files._locate import ENDINGS, ModelFiles, kind_of_content, locate
from visualdl_embedding.files._matrix import Tensor
from visualdl_embedding.files._numpy import read_npy, read_npz
from visualdl_embedding.files._pdparams import read_checkpoint
from visualdl_embedding.files._safetensors import read_safetensors
from visualdl_embedding.files._stored import StoredTable
from visualdl_embedding.files._vocabulary_of import find_vocabulary
from visualdl_embedding.files._word_vectors import read_word_vectors

__all__ = ["open_tables"]

_MAX_INDEX = 32 * 2**20
_READERS: dict[str, Callable[[Path], list[Tensor]]] = {
    "pdparams": read_checkpoint,
    "safetensors": read_safetensors,
    "npy": read_npy,
    "npz": read_npz,
    "vectors": read_word_vectors,
}


def open_tables(path: str | os.PathLike[str], *, all_matrices: bool = False) -> list[StoredTable]:
    """List the embedding tables of a saved model, without loading them and without running anything in it.

    Parameters
    ----------
    path
        - a ``.pdparams``, or a folder that PaddleNLP's ``save_pretrained`` made;
        - an inference model: its folder, its ``.pdiparams``, ``.json`` or ``.pdmodel``, or what their names begin with;
          older ones with one file for each parameter;
        - safetensors, also sharded with a ``model.safetensors.index.json``;
        - word2vec (text and binary), GloVe, fastText's ``.vec``, each also gzipped;
        - a ``.npy`` or ``.npz``; a file, or a folder of files, that hold one tensor each as Paddle writes it.
    all_matrices
        List every matrix of floats, for tables that go by no usual name. Without it, what counts as a table is told
        from the program, from Paddle's names of parameters, from the names in the checkpoint, or from the shapes.

    Returns
    -------
    Those that hold words first.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no model in the folder; the message says what was looked for.
    UnreadableModelError
        If a file is damaged, is not what its name says, or asks for code to be run; or no tensor counts as a table:
        then the message lists the tensors.
    """
    path = Path(path)
    model = locate(path)
    tensors = _read(model)
    tables = candidates(tensors, all_matrices=all_matrices, vocab_size=_vocab_size(model.files[0].parent))
    if not tables:
        raise UnreadableModelError(
            path,
            f"none of its {len(tensors)} tensors looks like an embedding table",
            advice="A table is a matrix of float16, bfloat16, float32 or float64; if one of these is it, choose it by "
            "its name among all matrices (all_matrices=True)",
            details=_listed(tensors),
        )
    vocabulary = find_vocabulary(path if path.exists() else model.files[0])
    if vocabulary is None:
        return tables
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
        return _READERS[model.kind](path)
    except UnreadableModelError as error:
        found = kind_of_content(path)
        if found is None or found == ("variables" if model.kind == "inference" else model.kind):
            raise
        raise UnreadableModelError(
            path,
            f"{error.reason}; by its content it is rather of another kind, {ENDINGS[found]}",
            advice=f"If so, rename it to end in {ENDINGS[found]}",
        ) from error


def _shards(index: Path) -> list[Tensor]:
    """Read the files that an index names, and of each the tensors that the index says are in it."""
    weight_map = _json(index, _MAX_INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise UnreadableModelError(index, "it has no 'weight_map' from tensors to files")
    if not all(isinstance(name, str) for name in weight_map.values()):
        raise UnreadableModelError(index, "its 'weight_map' names a file by what is no text")
    by_key: dict[str, Tensor] = {}
    for name in dict.fromkeys(weight_map.values()):
        shard = index.parent / _plain(name, index)
        if not shard.is_file():
            raise UnreadableModelError(
                index, f"it names the file {name!r}, which is not there", advice="Copy all files of the model"
            )
        reader = read_checkpoint if shard.suffix == ".pdparams" else read_safetensors
        by_key.update({tensor.key: tensor for tensor in reader(shard) if weight_map.get(tensor.key) == name})
    missing = [key for key in weight_map if key not in by_key]
    if missing:
        raise UnreadableModelError(
            index, f"{len(missing)} of its {len(weight_map)} tensors, such as {missing[0]!r}, are in no file it names"
        )
    return [by_key[key] for key in weight_map]


def _plain(name: str, index: Path) -> str:
    """Refuse a name that leads out of the folder; links inside it are their owner's, not the index's."""
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    outside = ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor
    if outside or not name.strip() or any(ord(character) < 32 for character in name):
        raise UnreadableModelError(
            index,
            f"it names the file {name!r}, which is not inside the model's folder",
            advice="Do not use this model unless you know why",
        )
    return name


def _json(path: Path, limit: int) -> dict[str, Any]:
    if (size := os.path.getsize(path)) > limit:
        raise UnreadableModelError(path, f"it has {size:,} bytes; at most {limit:,} are read")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UnreadableModelError(path, f"it is no JSON ({error})") from None
    if not isinstance(content, dict):
        raise UnreadableModelError(path, "it is no JSON object")
    return content


def _vocab_size(folder: Path) -> int | None:
    """Read how many words the configuration beside a model states: a hint, so nothing wrong in it matters."""
    try:
        found = _json(folder / "config.json", 2**20).get("vocab_size")
    except (UnreadableModelError, OSError):
        return None
    return found if type(found) is int else None


def _listed(tensors: list[Tensor], limit: int = 20) -> str:
    lines = [f"  {tensor.key[:100]} {tensor.shape} {tensor.dtype}" for tensor in tensors[:limit]]
    more = [f"  … and {len(tensors) - limit} more"] if len(tensors) > limit else []
    return "\n".join([*lines, *more]) or "  none"
