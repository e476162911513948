"""Table of file formats: endings, detection by content, and readers."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from visualdl_embedding.core.safetensors_format import looks_like_safetensors
from visualdl_embedding.files._inference import read_parameters
from visualdl_embedding.files._matrix import Tensor
from visualdl_embedding.files._numpy import read_npy, read_npz
from visualdl_embedding.files._paddle_tensor import looks_like_tensor
from visualdl_embedding.files._pdparams import read_checkpoint
from visualdl_embedding.files._safetensors import read_safetensors
from visualdl_embedding.files._server_tables import is_part, read_server_tables
from visualdl_embedding.files._word_vectors import looks_like_word_vectors, read_word_vectors

__all__ = ["FORMATS", "SERVER_TABLES", "TENSORS", "Format", "foreign_format", "format_of_content", "is_tensor_file"]

_FOREIGN = ((b"\x89HDF", "HDF5"), (b"GGUF", "GGUF"))


@dataclass(frozen=True, slots=True)
class Format:
    """Format of a model in one file.

    Attributes
    ----------
    ending, files
        Extension, and description of the files for messages.
    matches, read
        Detects the format from the path and the first 32 bytes of a file, ignoring its name; lists the tensors.
    sharded
        Whether several files with an ``index.json`` may be one model.
    more_endings, shared_endings
        Further endings by which a folder is searched, and endings of other files too, whose content is checked.
    """

    ending: str
    files: str
    matches: Callable[[Path, bytes], bool]
    read: Callable[[Path], list[Tensor]]
    sharded: bool = False
    more_endings: tuple[str, ...] = ()
    shared_endings: tuple[str, ...] = ()


def _is_safetensors(path: Path, head: bytes) -> bool:
    return looks_like_safetensors(head, os.path.getsize(path))


def _is_pickle(path: Path, head: bytes) -> bool:
    return head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5")


def _is_npz(path: Path, head: bytes) -> bool:
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


_TENSOR_FILES = "a *.pdiparams with its .json or .pdmodel, a __model__ with one file per parameter"
SERVER_TABLES = Format(
    "part-000-00000",
    "tables of a parameter server (part-*-*, also .gz)",
    lambda path, head: is_part(path),
    lambda path: read_server_tables((path,)),
)
"""Found by their names only: the content of a shard looks like word vectors."""
TENSORS = Format(".pdiparams", _TENSOR_FILES, lambda path, head: looks_like_tensor(head), read_parameters)
FORMATS = (
    Format(".safetensors", "*.safetensors", _is_safetensors, read_safetensors, sharded=True),
    Format(".pdparams", "*.pdparams (also sharded, with an *.index.json)", _is_pickle, read_checkpoint, sharded=True),
    TENSORS,
    Format(".npz", "*.npz", _is_npz, read_npz),
    Format(".npy", "*.npy", lambda path, head: head.startswith(b"\x93NUMPY"), read_npy),
    Format(
        ".vec",
        "word vectors (*.vec, *.txt, *.bin, also .gz)",
        lambda path, head: not foreign_format(path) and looks_like_word_vectors(path),
        read_word_vectors,
        more_endings=(".vec.gz",),
        shared_endings=(".txt", ".bin", ".gz"),
    ),
)
"""All formats. Folders are searched and contents are compared in this order, most reliable formats first."""


def format_of_content(path: Path) -> Format | None:
    """Detect the format of a file from its content, ignoring its name. Return None if it is unknown."""
    head = _head(path)
    return next((found for found in FORMATS if found.matches(path, head)), None)


def is_tensor_file(path: Path) -> bool:
    """Whether the content of a file begins with a Paddle tensor."""
    return TENSORS.matches(path, _head(path))


def foreign_format(path: Path) -> str:
    """Name a format that is not supported, as a remark in parentheses; ``""`` if it is unknown."""
    head = _head(path)
    if head.startswith(b"PK"):
        return " (it is a ZIP archive, as PyTorch writes: save such a model as safetensors)"
    return next((f" (it is {name})" for magic, name in _FOREIGN if head.startswith(magic)), "")


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(32)
