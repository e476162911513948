"""Vocabulary file next to a model."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["find_vocabulary"]

_NAMES = ("vocab.txt", "tokenizer.json", "vocab.json", "vocabulary.txt", "vocab.tsv", "word.dic")


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
    found = _in_folder(folder, stems)
    if found is None and _holds_single_tensors(folder):
        found = _in_folder(folder.absolute().parent, stems)
    return found


def _in_folder(folder: Path, stems: list[str]) -> Path | None:
    own = [stem + ending for stem in dict.fromkeys(stems) for ending in (".vocab", ".vocab.txt", "_vocab.txt")]
    for name in (*own, *_NAMES):
        if (folder / name).is_file():
            return folder / name
    lists = sorted(file for file in folder.glob("*.vocab") if file.is_file()) if folder.is_dir() else []
    return lists[0] if len(lists) == 1 else None


def _holds_single_tensors(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return any(file.name.endswith((".w_0", ".b_0")) or file.name == "__model__" for file in folder.iterdir())
