"""Saved models for the tests of the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

LEFT = [f"悲{i}" for i in range(30)]
RIGHT = [f"喜{i}" for i in range(30)]
WORDS = ["[PAD]", "[UNK]", *LEFT, *RIGHT, "国王", "男", "女", "女王", "讽", "刺", "<b>粗</b>", "=cmd()", "\x1b[31m红"]
HEIGHT = len(WORDS)
DIM = 12


def vectors(seed: int = 0) -> np.ndarray:
    """Two clumps, a royal family, and some more."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(HEIGHT, DIM)).astype(np.float32) / 2
    center = np.zeros(DIM, np.float32)
    center[0] = 4
    table[2:32] += center
    table[32:62] -= center
    king, man, woman = (WORDS.index(word) for word in ("国王", "男", "女"))
    table[man, 1], table[woman, 1] = 3, -3
    table[WORDS.index("女王")] = table[king] - table[man] + table[woman]
    return table


def save_model(folder: Path, *, seed: int = 0, vocabulary: bool = True) -> Path:
    folder.mkdir(parents=True)
    tensors = {
        "ernie.embeddings.word_embeddings.weight": vectors(seed),
        "ernie.embeddings.position_embeddings.weight": np.ones((16, DIM), np.float32),
        "classifier.weight": np.ones((DIM, 2), np.float32),
    }
    save_file(tensors, folder / "model.safetensors")
    if vocabulary:
        (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    return folder
