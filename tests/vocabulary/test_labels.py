"""Compact labels and their index, compared with lists and dicts."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.vocabulary import Vocabulary, open_vocabulary
from visualdl_embedding.vocabulary._labels import LabelIndex, Labels
from visualdl_embedding.vocabulary._tokens import are_words, token_kind

MARKED = ("#", "##", "@@", "▁", "[", "]", "[PAD]", "<unk>", "OOV", "UNK", "_", "é", "Ḁ", "高", "a", "7", "\ud800", "")
LABELS = st.lists(st.none() | st.text() | st.lists(st.sampled_from(MARKED)).map("".join))


@given(LABELS)
def test_labels_are_those_of_a_list(labels: list[str | None]) -> None:
    expected = [label or None for label in labels]
    compact = Labels.of(labels)
    assert list(compact) == expected
    assert list(reversed(compact)) == expected[::-1]
    assert compact == tuple(expected)
    assert [compact[i] for i in range(-len(labels), 0)] == expected
    assert compact[1:-1] == tuple(expected[1:-1])
    assert compact.count(None) == expected.count(None)


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n\r"))))
def test_lines_end_with_one_kind_of_newline(lines: list[str]) -> None:
    for newline in ("\n", "\r\n"):
        assert Labels.of_lines("".join(line + newline for line in lines)) == [line or None for line in lines]
    if lines and lines[-1]:
        assert Labels.of_lines("\n".join(lines)) == [line or None for line in lines]


def test_a_carriage_return_in_few_lines_is_a_token() -> None:
    assert Labels.of_lines("a\r\nb\nc\n") == ["a\r", "b", "c"]
    assert Labels.of_lines("") == []


@given(LABELS)
def test_the_index_finds_every_id(labels: list[str | None]) -> None:
    index, first = LabelIndex(labels), {}
    for i, label in enumerate(labels):
        if label:
            first.setdefault(label, []).append(i)
    assert {label: list(index.ids(label)) for label in index} == first
    assert dict(index) == {label: ids[0] for label, ids in first.items()}
    assert index.ids("not a label of the strategies: 1") == ()
    assert None not in index


def test_an_index_is_valid_in_another_process() -> None:
    vocabulary = open_vocabulary(["a", "高兴", "a"])
    assert vocabulary.find("高兴") == (1,)
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).find('高兴'))"
    found = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(vocabulary), capture_output=True, check=True
    )
    assert found.stdout.strip() == b"(1,)"


@given(st.lists(st.sampled_from(MARKED) | st.text(max_size=2), max_size=4).map("".join), st.booleans())
def test_bytes_show_words_only_of_words(label: str, sentencepiece: bool) -> None:
    if label:
        ends = Labels.of([label]).ends(np.array([0]))
        if are_words(*ends, sentencepiece=sentencepiece)[0]:
            assert token_kind(label, sentencepiece=sentencepiece) == "word"


def test_most_words_need_no_further_look() -> None:
    vocabulary = open_vocabulary(["高兴", None, "[PAD]", "##ing", "word", "lo@@"])
    assert vocabulary.ordinary(np.arange(8)).tolist() == [True, False, False, False, True, False, False, False]
    assert not Vocabulary(("高兴",)).ordinary(np.arange(1)).any()
