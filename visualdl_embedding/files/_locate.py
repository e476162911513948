"""Location of a model's files, and of the vocabulary next to them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._formats import (
    FORMATS,
    SERVER_TABLES,
    Format,
    foreign_format,
    format_of_content,
    is_tensor_file,
)
from visualdl_embedding.files._server_tables import is_part, server_parts

__all__ = ["ModelFiles", "find_vocabulary", "locate"]

_FORMATS = {found.ending: found for found in FORMATS}

_PREFERRED = (
    "model.safetensors.index.json",
    "model_state.pdparams.index.json",
    "model.safetensors",
    "model_state.pdparams",
    "final.pdparams",
    "__model__.json",
    "__model__",
)
_LOOKED_FOR = f"{', '.join(found.files for found in (*FORMATS, SERVER_TABLES))}, and files of single Paddle tensors"
_VOCABULARIES = ("vocab.txt", "tokenizer.json", "vocab.json", "vocabulary.txt", "vocab.tsv", "word.dic")
_NOT_MODELS = ("vocab", "requirements", "readme", "license", "merges")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Files of one model: a single file, one file per tensor (``"variables"``), or the shards of tables."""

    kind: Format | Literal["index", "inference", "variables"]
    files: tuple[Path, ...]
    program: Path | None = None


def locate(path: Path) -> ModelFiles:
    """Find the files of the model at a path: a folder, a file, or the common prefix of the file names."""
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return _of_file(path)
    if path.exists():
        raise UnreadableModelError(
            path, "it is neither a file nor a folder", advice="Give the path of the model's file or folder"
        )
    # `paddle.Model.save` takes a prefix and writes a .pdparams, so that this ending is tried first.
    endings = sorted(_FORMATS, key=lambda ending: ending != ".pdparams")
    for ending in endings:
        if (file := path.with_name(path.name + ending)).is_file():
            return _of_file(file)
    raise FileNotFoundError(
        f"There is no model '{path}' (looked for '{path.absolute()}', and for files with this prefix that end in "
        f"{', '.join(endings[:-1])} or {endings[-1]})."
    )


def _of_file(path: Path) -> ModelFiles:
    name = path.name
    if is_part(path):
        return ModelFiles(SERVER_TABLES, (path,))
    if name.endswith(".index.json"):
        return ModelFiles("index", (path,))
    if name in ("__model__", "__model__.json"):
        return _variables(path.parent, path)
    if path.suffix == ".pdopt":
        raise UnreadableModelError(
            path, "it holds the state of an optimizer, not a model", advice="Give the .pdparams file of the model"
        )
    if path.suffix == ".pdiparams":
        programs = [file for ending in (".json", ".pdmodel") if (file := path.with_suffix(ending)).is_file()]
        return ModelFiles("inference", (path,), programs[0] if programs else None)
    if path.suffix in (".pdmodel", ".json"):
        if (parameters := path.with_suffix(".pdiparams")).is_file():
            return ModelFiles("inference", (parameters,), path)
        advice = "Give the model's folder or file"
        if path.suffix == ".pdmodel":
            if (checkpoint := path.with_suffix(".pdparams")).is_file():
                return ModelFiles(_FORMATS[".pdparams"], (checkpoint,))
            advice = f"Put '{parameters.name}' next to it"
        reason = "it holds no parameters, and there is no .pdiparams file next to it"
        raise UnreadableModelError(path, reason, advice=advice)
    found = _FORMATS.get(path.suffix) or format_of_content(path)
    if found is None:
        reason = f"its format is unknown{foreign_format(path)}"
        raise UnreadableModelError(path, reason, advice=f"Supported are {_LOOKED_FOR}")
    return ModelFiles(found, (path,))


def _in_folder(folder: Path) -> ModelFiles:
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    names = {file.name: file for file in files}
    for name in _PREFERRED:
        if name in names:
            return _of_file(names[name])
    if parts := server_parts(folder):
        return ModelFiles(SERVER_TABLES, tuple(parts))
    for group in _groups(files):
        if len(group) == 1:
            return _of_file(group[0])
        if group:
            reason = f"it holds several models: {_names(group, 10)}"
            raise UnreadableModelError(folder, reason, advice="Give the path of one file")
    if any(map(is_tensor_file, files)):
        return _variables(folder, None)
    held = _names(files, 8) or "no file"
    raise FileNotFoundError(f"There is no model in the folder '{folder}'. Looked for: {_LOOKED_FOR}. It holds: {held}.")


def _names(files: list[Path], limit: int) -> str:
    return ", ".join(repr(file.name) for file in files[:limit]) + (", …" if len(files) > limit else "")


def _groups(files: list[Path]) -> Iterator[list[Path]]:
    """Group the files that may be the model by format, most reliable formats first."""
    indices = [f"{found.ending}.index.json" for found in FORMATS if found.sharded]
    for ending in (*indices, *(ending for found in FORMATS for ending in (found.ending, *found.more_endings))):
        yield [file for file in files if file.name.endswith(ending)]
    candidates = [file for file in files if not file.name.lower().startswith(_NOT_MODELS)]
    for found in FORMATS:
        texts = [file for file in candidates if file.suffix in found.shared_endings]
        yield [file for file in texts if format_of_content(file) is found]


def _variables(folder: Path, program: Path | None) -> ModelFiles:
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and is_tensor_file(file)]
    if not files:
        raise UnreadableModelError(folder, f"it has no tensor file next to '{program.name if program else ''}'")
    return ModelFiles("variables", tuple(files), program)


def find_vocabulary(path: str | os.PathLike[str]) -> Path | None:
    """Find a vocabulary file next to a model.

    The names are tried in this order: the model's name (``m.vocab``, ``m.vocab.txt``, ``m_vocab.txt``), ``vocab.txt``,
    ``tokenizer.json``, ``vocab.json``, ``vocabulary.txt``, ``vocab.tsv``, ``word.dic``, and a single ``*.vocab``
    (SentencePiece's list). For a folder of single tensors the parent folder is searched too, where older programs kept
    the vocabulary.

    Parameters
    ----------
    path
        The model's folder, file, or the prefix of its file names.

    Returns
    -------
    Path of the file; None if there is no file, or if several may be the vocabulary.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    stems = [] if path.is_dir() else [path.name, path.name.partition(".")[0], path.stem]
    own = [stem + ending for stem in stems for ending in (".vocab", ".vocab.txt", "_vocab.txt")]
    tensors = any(file.name.endswith((".w_0", ".b_0")) or file.name == "__model__" for file in folder.glob("*"))
    for place in (folder, folder.absolute().parent) if tensors else (folder,):
        named = [file for name in (*own, *_VOCABULARIES) if (file := place / name).is_file()]
        lists = [file for file in place.glob("*.vocab") if file.is_file()]
        if named or len(lists) == 1:
            return (named or lists)[0]
    return None
