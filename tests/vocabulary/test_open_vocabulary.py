"""Vocabularies in all the forms that people have them, and in those that are no vocabulary."""

from __future__ import annotations

import json
from collections import defaultdict
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from visualdl_embedding.vocabulary import Vocabulary, open_vocabulary

TOKENS = st.lists(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n\r"), min_size=1),
    min_size=1,
    unique=True,
)


@pytest.fixture
def write(tmp_path):
    def write(content: str | bytes, name: str = "vocab.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def lac_dictionary() -> Path:
    try:
        found = [f for f in files("jieba") or [] if f.match("lac_small/word.dic")]
    except PackageNotFoundError:
        pytest.skip("jieba is not installed")
    return Path(str(found[0].locate()))


def test_jieba_dictionary_with_its_gap():
    vocabulary = open_vocabulary(lac_dictionary())
    assert len(vocabulary) == 20_941
    assert vocabulary.labels.count(None) == 1
    assert vocabulary.labels[20_939] is None
    assert vocabulary.labels[20_940] == "OOV"
    assert vocabulary.labels[9] == "0"
    assert {"\u3000", "\x0b", "\x0c", "\x1c"} <= set(vocabulary.labels)
    assert any("20939" in note for note in vocabulary.notes)


def test_a_line_is_an_id(write):
    vocabulary = open_vocabulary(write("[PAD]\n高兴\n\n\u3000\n \n\t\nlast\n"))
    assert vocabulary.labels == ("[PAD]", "高兴", None, "\u3000", " ", "\t", "last")
    assert any("1 id has no label" in note for note in vocabulary.notes)


@pytest.mark.parametrize("content", ["a\nb", "a\nb\n", "a\r\nb\r\n", "\ufeffa\nb\n"])
def test_line_ends_and_byte_order_mark(write, content):
    assert open_vocabulary(write(content)).labels == ("a", "b")


def test_gbk_is_read_with_a_note(write):
    path = write("高兴\n悲伤\n讽刺\n".encode("gbk"))
    vocabulary = open_vocabulary(str(path))
    assert vocabulary.labels == ("高兴", "悲伤", "讽刺")
    assert any("GB18030" in note for note in vocabulary.notes)
    assert open_vocabulary(path, encoding="gbk").notes == ()


def test_neither_utf8_nor_gb18030(write):
    with pytest.raises(ValueError, match=r"neither UTF-8 .*line 2.* nor GB18030"):
        open_vocabulary(write(b"a\n\xff\xff\n"))


def test_damaged_utf8_is_not_taken_for_gbk(write):
    content = ("高兴\n" * 20).encode() + "悲伤".encode()[:-1] + b"\n"
    with pytest.raises(ValueError, match=r"damaged spot.*line 21"):
        open_vocabulary(write(content))


def test_utf16_needs_encoding(write):
    path = write("word\n高兴\n".encode("utf-16"))
    with pytest.raises(ValueError, match="utf-16"):
        open_vocabulary(path)
    assert open_vocabulary(path, encoding="utf-16").labels == ("word", "高兴")


@pytest.mark.parametrize("encoding", ["ascii", "klingon"])
def test_wrong_encoding_given(write, encoding):
    with pytest.raises(ValueError, match=encoding):
        open_vocabulary(write("高兴\n"), encoding=encoding)


@pytest.mark.parametrize("content", ["a\t2\nb\t0\n\t\t3\n", "2\ta\n0\tb\n3\t\t\n"])
def test_pairs_of_token_and_id(write, content):
    assert open_vocabulary(write(content)).labels == ("b", None, "a", "\t")


def test_pairs_whose_tokens_are_numbers(write):
    assert open_vocabulary(write("1193\t0\n661\t1\n")).labels == ("1193", "661")
    assert open_vocabulary(write("0\t1193\n1\t661\n")).labels == ("1193", "661")
    assert open_vocabulary(write("0\t0\n1\t1\n")).labels == ("0", "1")
    with pytest.raises(ValueError, match="both columns hold numbers"):
        open_vocabulary(write("0\t1\n1\t0\n"))


def test_full_width_digits_are_tokens(write):
    assert open_vocabulary(write("０\t0\n１\t1\n")).labels == ("０", "１")


def test_vocab_of_sentencepiece(write):
    content = "<unk>\t0\n<s>\t0\n</s>\t0\n▁高\t-3.25\n兴\t-4\n"
    assert open_vocabulary(write(content, "m.vocab")).labels == ("<unk>", "<s>", "</s>", "▁高", "兴")


def test_damaged_pair_is_named(write):
    with pytest.raises(ValueError, match=r"Line 3 of .* is not id<TAB>token"):
        open_vocabulary(write("0\ta\n1\tb\nc\n3\td\n"))


def test_frequencies_are_not_ids(write):
    with pytest.raises(ValueError, match=r"id 5 twice: line 1 and line 2.*frequencies"):
        open_vocabulary(write("a\t5\nb\t5\n"))
    with pytest.raises(ValueError, match="ids up to 99999999"):
        open_vocabulary(write("a\t99999999\nb\t5\n"))


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        (["a", None, "b"], ("a", None, "b")),
        ({"a": 0, "b": 2}, ("a", None, "b")),
        ({"0": "a", "2": "b"}, ("a", None, "b")),
        (
            {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 2, "content": "b", "special": True}]},
            ("a", None, "b"),
        ),
        ({"model": {"vocab": [["a", -1.5], ["b", -2.0]]}}, ("a", "b")),
    ],
)
def test_json(write, content, labels):
    assert open_vocabulary(write(json.dumps(content), "tokenizer.json")).labels == labels


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is not JSON"), ("3", "not int"), ('{"a": 1.5}', "'a': 1.5"), ("[]", "has no tokens")],
)
def test_bad_json(write, content, message):
    with pytest.raises(ValueError, match=message):
        open_vocabulary(write(content, "v.json"))


def test_objects():
    expected = ("a", "b")
    with_default = defaultdict(lambda: 0, {"a": 0, "b": 1})
    sources = [
        ["a", "b"],
        ("a", "b"),
        np.array(["a", "b"]),
        pd.Series(["a", "b"]),
        {"b": 1, "a": 0},
        {"a": np.int64(0), "b": np.int64(1)},
        {1: "b", 0: "a"},
        SimpleNamespace(get_vocab=lambda: {"a": 0, "b": 1}),
        SimpleNamespace(vocab=SimpleNamespace(token_to_idx=with_default)),
        SimpleNamespace(token_to_idx=with_default),
        SimpleNamespace(vocab={"a": 0, "b": 1}),
    ]
    for source in sources:
        assert open_vocabulary(source).labels == expected, source
    assert open_vocabulary([1193, np.int64(661)]).labels == ("1193", "661")


def test_tokenizer_without_get_vocab():
    class Tokenizer:
        vocab = SimpleNamespace(token_to_idx={"a": 0})

        def get_vocab(self):
            raise NotImplementedError

    assert open_vocabulary(Tokenizer()).labels == ("a",)


def test_none_names_rows():
    assert tuple(open_vocabulary(None, num_rows=3).labels) == ("row 0", "row 1", "row 2")
    with pytest.raises(ValueError, match="number of rows"):
        open_vocabulary(None)


@pytest.mark.parametrize("source", [3, 2.5, {"a", "b"}, b"a", object(), [b"a"], [["a"]]])
def test_unsupported_sources(source):
    with pytest.raises(TypeError):
        open_vocabulary(source)


@pytest.mark.parametrize("source", [{"a": -1}, {"a": True}, {"a": 0, "b": 0}, {"a": "x", "b": 1}, {}, [], ["", None]])
def test_bad_values(source):
    with pytest.raises(ValueError, match="vocabulary"):
        open_vocabulary(source)


def test_missing_files(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"no vocabulary file .*nope\.txt"):
        open_vocabulary(tmp_path / "nope.txt")
    write("a\n")
    with pytest.raises(FileNotFoundError, match=r"is a directory.*vocab\.txt"):
        open_vocabulary(tmp_path)
    with pytest.raises(ValueError, match="has no tokens"):
        open_vocabulary(write("", "empty.txt"))


def test_opening_twice():
    vocabulary = Vocabulary(("a",))
    assert open_vocabulary(vocabulary) is vocabulary


@settings(deadline=None)
@given(tokens=TOKENS)
def test_round_trip_of_lines(tmp_path_factory, tokens):
    assume(sum("\t" in token for token in tokens) * 2 <= len(tokens))
    assume(not tokens[0].startswith("\ufeff") and sum(token.count("\0") for token in tokens) == 0)
    path = tmp_path_factory.mktemp("lines") / "v.txt"
    path.write_bytes("".join(f"{token}\n" for token in tokens).encode())
    assert open_vocabulary(path).labels == tuple(tokens)


@settings(deadline=None)
@given(tokens=TOKENS, id_first=st.booleans(), data=st.data())
def test_round_trip_of_pairs(tmp_path_factory, tokens, id_first, data):
    # Tokens that are numbers, or hold a tab and a number, can be read both ways.
    assume(not any("\t" in token or token.isdigit() or "\0" in token for token in tokens))
    assume(not tokens[0].startswith("\ufeff"))
    ids = data.draw(st.lists(st.integers(0, 1000), min_size=len(tokens), max_size=len(tokens), unique=True))
    lines = [f"{i}\t{token}" if id_first else f"{token}\t{i}" for token, i in zip(tokens, ids, strict=True)]
    path = tmp_path_factory.mktemp("pairs") / "v.txt"
    path.write_bytes("\n".join(lines).encode())
    vocabulary = open_vocabulary(path)
    assert {t: i for i, t in enumerate(vocabulary.labels) if t} == dict(zip(tokens, ids, strict=True))


@settings(deadline=None)
@given(tokens=TOKENS, ids=st.permutations(range(40)))
def test_round_trip_of_json(tmp_path_factory, tokens, ids):
    mapping = dict(zip(tokens, ids, strict=False))
    path = tmp_path_factory.mktemp("json") / "v.json"
    path.write_text(json.dumps(mapping), encoding="utf-8")
    assert {t: i for i, t in enumerate(open_vocabulary(path).labels) if t} == mapping
    assert open_vocabulary(mapping).labels == open_vocabulary(path).labels


@settings(deadline=None)
@given(labels=st.lists(st.sampled_from(["a", "b", "a (0)", "a (3)", "a (0) (0)", "c (12)", None]), min_size=1))
def test_names_are_distinct_and_find_their_row(labels):
    vocabulary = Vocabulary(tuple(labels))
    names = {i: vocabulary.name_of(i) for i, label in enumerate(labels) if label}
    assert len(set(names.values())) == len(names)
    for i, name in names.items():
        assert vocabulary.find(name) == (i,)


@settings(deadline=None)
@given(labels=st.lists(st.sampled_from(["a", "b", "", None])))
def test_ids_of_is_a_plain_search(labels):
    vocabulary = Vocabulary(tuple(labels))
    for label in ("a", "b", "c"):
        assert vocabulary.ids_of(label) == tuple(i for i, other in enumerate(labels) if other == label)
