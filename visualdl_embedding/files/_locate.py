"""Which files make up a model, and of what kind they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from visualdl_embedding.core.safetensors_format import looks_like_safetensors
from visualdl_embedding.files._errors import UnreadableModelError
from visualdl_embedding.files._paddle_tensor import looks_like_tensor, read_tensors
from visualdl_embedding.files._word_vectors import looks_like_word_vectors

__all__ = ["ENDINGS", "Kind", "ModelFiles", "kind_of_content", "locate"]

Kind = Literal["pdparams", "safetensors", "index", "inference", "variables", "npy", "npz", "vectors"]

ENDINGS: dict[str, str] = {
    "pdparams": ".pdparams",
    "safetensors": ".safetensors",
    "variables": ".pdiparams",
    "npy": ".npy",
    "npz": ".npz",
    "vectors": ".vec",
}
"""The ending by which a file of a kind is known."""

_PREFERRED = (
    "model.safetensors.index.json",
    "model_state.pdparams.index.json",
    "model.safetensors",
    "model_state.pdparams",
    "final.pdparams",
)
_LOOKED_FOR = (
    "*.safetensors, *.pdparams (also sharded, with their *.index.json), a *.pdiparams with its .json or .pdmodel, "
    "a __model__ with a file for each parameter, *.npz, *.npy, word vectors (*.vec, *.txt, *.bin, also .gz), and files "
    "of single Paddle tensors"
)
_FOREIGN = ((b"\x89HDF", "HDF5"), (b"GGUF", "GGUF"))
_NOT_VECTORS = ("vocab", "requirements", "readme", "license", "merges")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of one model.

    Attributes
    ----------
    kind
        ``"index"``: `files` is one ``*.index.json``; ``"inference"``: one ``.pdiparams``; ``"variables"``: one file for
        each tensor.
    files
        Where the tensors lie.
    program
        The program that goes with them.
    """

    kind: Kind
    files: tuple[Path, ...]
    program: Path | None = None


def locate(path: Path) -> ModelFiles:
    """Find the files of the model that a path means: a folder, a file, or what the names of its files begin with.

    Raises
    ------
    FileNotFoundError
        If there is no model; the message says what was looked for.
    UnreadableModelError
        If there are several, or a part is missing.
    """
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return _of_file(path)
    if path.exists():
        raise UnreadableModelError(path, "it is neither a file nor a folder", advice="Give the model's file or folder")
    for ending in (".pdparams", ".safetensors", ".pdiparams", ".npz", ".npy", ".vec"):
        if (file := path.with_name(path.name + ending)).is_file():
            return _of_file(file)
    raise FileNotFoundError(
        f"There is no model '{path}' (looked for '{path.absolute()}', and for files that begin so and end in "
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
            path, "it holds the state of an optimizer, not a model", advice="Give the .pdparams that lies beside it"
        )
    if path.suffix == ".pdiparams":
        programs = [file for ending in (".json", ".pdmodel") if (file := path.with_suffix(ending)).is_file()]
        return ModelFiles("inference", (path,), programs[0] if programs else None)
    if path.suffix in (".pdmodel", ".json"):
        if (parameters := path.with_suffix(".pdiparams")).is_file():
            return ModelFiles("inference", (parameters,), path)
        if path.suffix == ".pdmodel" and (checkpoint := path.with_suffix(".pdparams")).is_file():
            return ModelFiles("pdparams", (checkpoint,))
        advice = (
            f"Put '{parameters.name}' beside it" if path.suffix == ".pdmodel" else "Give the model's folder or file"
        )
        raise UnreadableModelError(path, "it is not parameters, and no .pdiparams lies beside it", advice=advice)
    for kind in ("pdparams", "safetensors", "npy", "npz"):
        if path.suffix == ENDINGS[kind]:
            return ModelFiles(kind, (path,))
    if path.suffix == ".vec":
        return ModelFiles("vectors", (path,))
    found = kind_of_content(path)
    if found is None:
        raise UnreadableModelError(path, f"it is of no known kind{_foreign(path)}", advice=f"Known are {_LOOKED_FOR}")
    return ModelFiles("inference" if found == "variables" and _has_several(path) else found, (path,))


def _has_several(path: Path) -> bool:
    # A tensor alone is called as its file, those of a .pdiparams without its program by their place in it.
    tensors = read_tensors(path)
    return next(tensors, None) is not None and next(tensors, None) is not None


def kind_of_content(path: Path) -> Kind | None:
    """Tell from what is inside a file what it is, whatever its name says; None if it is nothing known."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(32)
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(b"PK"):
        return "npz" if _is_npz(path) else None
    if looks_like_tensor(head):
        return "variables"
    if looks_like_safetensors(head, size):
        return "safetensors"
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "pdparams"
    return "vectors" if not _foreign(path) and looks_like_word_vectors(path) else None


def _is_npz(path: Path) -> bool:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _foreign(path: Path) -> str:
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(b"PK"):
        return " (it may be a file of PyTorch: save it as safetensors)"
    return next((f" (it is {name})" for magic, name in _FOREIGN if head.startswith(magic)), "")


def _in_folder(folder: Path) -> ModelFiles:
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    names = {file.name: file for file in files}
    for name in _PREFERRED:
        if name in names:
            return _of_file(names[name])
    for program in ("__model__.json", "__model__"):
        if program in names:
            return _variables(folder, names[program])
    for group in _groups(files):
        if len(group) == 1:
            return _of_file(group[0])
        if group:
            listed = ", ".join(repr(file.name) for file in group[:10]) + (", …" if len(group) > 10 else "")
            raise UnreadableModelError(
                folder, f"it holds several models: {listed}", advice="Give the file of the one that you mean"
            )
    if any(looks_like_tensor(_head(file)) for file in files):
        return _variables(folder, None)
    held = ", ".join(repr(file.name) for file in files[:8]) + (", …" if len(files) > 8 else "") or "no file"
    raise FileNotFoundError(f"There is no model in the folder '{folder}'. Looked for: {_LOOKED_FOR}. It holds: {held}.")


def _groups(files: list[Path]) -> Iterator[list[Path]]:
    """Files that may be the model, by kind, the surest kinds first."""
    endings = (".safetensors.index.json", ".pdparams.index.json", ".safetensors", ".pdparams", ".pdiparams")
    for ending in (*endings, ".npz", ".npy", ".vec", ".vec.gz"):
        yield [file for file in files if file.name.endswith(ending)]
    is_text: Callable[[Path], bool] = lambda file: file.suffix in (".txt", ".bin", ".gz")  # noqa: E731
    yield [f for f in files if is_text(f) and not f.name.lower().startswith(_NOT_VECTORS) and _are_vectors(f)]


def _are_vectors(file: Path) -> bool:
    return kind_of_content(file) == "vectors"


def _variables(folder: Path, program: Path | None) -> ModelFiles:
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and looks_like_tensor(_head(file))]
    if not files:
        raise UnreadableModelError(folder, f"beside '{program.name if program else ''}' there is no file of a tensor")
    return ModelFiles("variables", tuple(files), program)


def _head(file: Path) -> bytes:
    with open(file, "rb") as opened:
        return opened.read(32)
