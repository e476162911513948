"""Location of a model's files, their formats, and the vocabulary next to them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from visualdl_embedding.core.safetensors_format import looks_like_safetensors
from visualdl_embedding.errors import UnreadableModelError
from visualdl_embedding.files._paddle_tensor import looks_like_tensor, read_tensors
from visualdl_embedding.files._word_vectors import looks_like_word_vectors

__all__ = ["ENDINGS", "Kind", "ModelFiles", "find_vocabulary", "kind_of_content", "locate"]

Kind = Literal["pdparams", "safetensors", "index", "inference", "variables", "npy", "npz", "vectors"]

ENDINGS: dict[Kind, str] = {
    "pdparams": ".pdparams",
    "safetensors": ".safetensors",
    "variables": ".pdiparams",
    "npz": ".npz",
    "npy": ".npy",
    "vectors": ".vec",
}
"""File extension of each format."""

_PREFERRED = (
    "model.safetensors.index.json",
    "model_state.pdparams.index.json",
    "model.safetensors",
    "model_state.pdparams",
    "final.pdparams",
    "__model__.json",
    "__model__",
)
_LOOKED_FOR = (
    "*.safetensors, *.pdparams (also sharded, with an *.index.json), a *.pdiparams with its .json or .pdmodel, "
    "a __model__ with one file per parameter, *.npz, *.npy, word vectors (*.vec, *.txt, *.bin, also .gz), and files "
    "of single Paddle tensors"
)
_FOREIGN = ((b"\x89HDF", "HDF5"), (b"GGUF", "GGUF"))
_VOCABULARIES = ("vocab.txt", "tokenizer.json", "vocab.json", "vocabulary.txt", "vocab.tsv", "word.dic")
_NOT_VECTORS = ("vocab", "requirements", "readme", "license", "merges")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Files of one model: a single file, or for ``"variables"`` one file per tensor."""

    kind: Kind
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
    for ending in ENDINGS.values():
        if (file := path.with_name(path.name + ending)).is_file():
            return _of_file(file)
    raise FileNotFoundError(
        f"There is no model '{path}' (looked for '{path.absolute()}', and for files with this prefix that end in "
        ".pdparams, .safetensors, .pdiparams, .npz, .npy or .vec)."
    )


def _of_file(path: Path) -> ModelFiles:
    name = path.name
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
                return ModelFiles("pdparams", (checkpoint,))
            advice = f"Put '{parameters.name}' next to it"
        reason = "it holds no parameters, and there is no .pdiparams file next to it"
        raise UnreadableModelError(path, reason, advice=advice)
    kind = next((kind for kind, ending in ENDINGS.items() if path.suffix == ending), None) or kind_of_content(path)
    if kind is None:
        reason = f"its format is unknown{_foreign(path)}"
        raise UnreadableModelError(path, reason, advice=f"Supported are {_LOOKED_FOR}")
    # A single tensor is named after its file; tensors of a .pdiparams without a program are named by position.
    several = kind == "variables" and len(list(islice(read_tensors(path), 2))) == 2
    return ModelFiles("inference" if several else kind, (path,))


def kind_of_content(path: Path) -> Kind | None:
    """Detect the format of a file from its content, ignoring its name. Return None if it is unknown."""
    head = _head(path)
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                return "npz" if any(name.endswith(".npy") for name in archive.namelist()) else None
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            return None
    if looks_like_tensor(head):
        return "variables"
    if looks_like_safetensors(head, os.path.getsize(path)):
        return "safetensors"
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "pdparams"
    return "vectors" if not _foreign(path) and looks_like_word_vectors(path) else None


def _foreign(path: Path) -> str:
    head = _head(path)
    if head.startswith(b"PK"):
        return " (it is a ZIP archive, as PyTorch writes: save such a model as safetensors)"
    return next((f" (it is {name})" for magic, name in _FOREIGN if head.startswith(magic)), "")


def _in_folder(folder: Path) -> ModelFiles:
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    names = {file.name: file for file in files}
    for name in _PREFERRED:
        if name in names:
            return _of_file(names[name])
    for group in _groups(files):
        if len(group) == 1:
            return _of_file(group[0])
        if group:
            reason = f"it holds several models: {_names(group, 10)}"
            raise UnreadableModelError(folder, reason, advice="Give the path of one file")
    if any(looks_like_tensor(_head(file)) for file in files):
        return _variables(folder, None)
    held = _names(files, 8) or "no file"
    raise FileNotFoundError(f"There is no model in the folder '{folder}'. Looked for: {_LOOKED_FOR}. It holds: {held}.")


def _names(files: list[Path], limit: int) -> str:
    return ", ".join(repr(file.name) for file in files[:limit]) + (", …" if len(files) > limit else "")


def _groups(files: list[Path]) -> Iterator[list[Path]]:
    """Group the files that may be the model by format, most reliable formats first."""
    endings = (".safetensors.index.json", ".pdparams.index.json", ".safetensors", ".pdparams", ".pdiparams")
    for ending in (*endings, ".npz", ".npy", ".vec", ".vec.gz"):
        yield [file for file in files if file.name.endswith(ending)]
    texts = [file for file in files if file.suffix in (".txt", ".bin", ".gz")]
    texts = [file for file in texts if not file.name.lower().startswith(_NOT_VECTORS)]
    yield [file for file in texts if kind_of_content(file) == "vectors"]


def _variables(folder: Path, program: Path | None) -> ModelFiles:
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and looks_like_tensor(_head(file))]
    if not files:
        raise UnreadableModelError(folder, f"it has no tensor file next to '{program.name if program else ''}'")
    return ModelFiles("variables", tuple(files), program)


def _head(file: Path) -> bytes:
    with open(file, "rb") as opened:
        return opened.read(32)


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
