"""Columns from files, frames and dicts, and how they meet the labels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from visualdl_embedding.vocabulary import Metadata, Vocabulary, open_vocabulary, read_metadata

WORDS = Vocabulary(("高兴", "悲伤", "手机", None, "高兴"))


@pytest.fixture
def write(tmp_path):
    def write(content, name="meta.tsv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def column(metadata, name="group", vocabulary=WORDS):
    return vocabulary.with_columns(metadata).columns[name]


EXPECTED = ("positive", "negative", "", "", "positive")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("label\tgroup\n高兴\tpositive\n悲伤\tnegative\n", "a.tsv"),
        ("word\tgroup\r\n高兴\tpositive\r\n悲伤\tnegative\r\n\r\n", "a.txt"),
        ("group,Token\npositive,高兴\n\nnegative,悲伤\n", "a.csv"),
        ('"表情",Group\n"高兴","positive"\n悲伤,negative\n', "a.csv"),
        (",group\n高兴,positive\n悲伤,negative\n", "a.csv"),
        ("id\tgroup\n0\tpositive\n1\tnegative\n4\tpositive\n", "a.tsv"),
        ("id\tlabel\tgroup\n0\t高兴\tpositive\n1\t悲伤\tnegative\n4\t高兴\tpositive\n2\t别的\tpositive\n", "a.tsv"),
        ("\ufefflabel\tgroup\n高兴\tpositive\n悲伤\tnegative\n", "a.tsv"),
        ("label\tgroup\n高兴\tpositive\n悲伤\tnegative\n".encode("gbk"), "a.tsv"),
    ],
)
def test_files(write, content, name):
    assert column(write(content, name)) == EXPECTED


@pytest.mark.parametrize(
    "metadata",
    [
        {"group": {"高兴": "positive", "悲伤": "negative"}},
        {"group": {"positive": ["高兴"], "negative": {"悲伤"}}},
        {"group": {"positive": np.array(["高兴"]), "negative": ("悲伤",)}},
        {"group": {0: "positive", 1: "negative", np.int64(4): "positive"}},
        {"group": ["positive", "negative", None, "", "positive"]},
        {"Group": np.array(["positive", "negative", "", "", "positive"])},
        pd.DataFrame({"label": ["高兴", "悲伤", "手机"], "group": ["positive", "negative", None]}),
        pd.DataFrame({"group": ["positive", "negative"]}, index=pd.Index(["高兴", "悲伤"], name="word")),
        pd.DataFrame({"id": [0, 1, 4], "group": ["positive", "negative", "positive"]}),
        pd.DataFrame({"group": pd.Categorical(["positive", "negative"]), "token": ["高兴", "悲伤"]}),
    ],
)
def test_objects(metadata):
    assert column(metadata) == EXPECTED


def test_numbers_become_plain_text():
    frame = pd.DataFrame({"label": ["高兴", "悲伤", "手机"], "frequency": [5.0, np.nan, 0.5]})
    assert column(frame, "frequency") == ("5", "", "0.5", "", "5")
    frame["frequency"] = pd.array([5, None, 3], dtype="Int64")
    assert column(frame, "frequency") == ("5", "", "3", "", "5")
    frame["frequency"] = pd.to_datetime(["2024-01-01", None, None])
    assert column(frame, "frequency")[1:3] == ("", "")


def test_quotes_belong_to_tokens_in_tsv_and_to_the_format_in_csv(write):
    vocabulary = Vocabulary(('"', "a,b", "c\nd"))
    assert column(write('label\tgroup\n"\tx\n'), vocabulary=vocabulary) == ("x", "", "")
    csv = write('label,group\n"""",x\n"a,b",y\n"c\nd",z\n', "a.csv")
    assert column(csv, vocabulary=vocabulary) == ("x", "y", "z")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("高兴\tpositive\n悲伤\tnegative\n好\tpositive\n", "needs a header.*'positive' is also a value"),
        ("高兴\t5\n悲伤\t3\n", "needs a header.*'5' is a number"),
        ("label\t\n高兴\tx\n", "name 2 is empty"),
        ("label\tgroup\tgroup\n高兴\tx\ty\n", "several columns called 'group'"),
        ("label\tgroup\n高兴\tx\ty\n", "Entry 2 of .* has 3 cells, but its header has 2"),
        ("label\n高兴\n", "no column besides 'label'"),
        ("label\tgroup\n", "no line with a label"),
        ("", "is empty"),
        ("id\tgroup\nx\ty\n", "column 'id' has 'x'"),
    ],
)
def test_bad_files(write, content, message):
    with pytest.raises(ValueError, match=message):
        read_metadata(write(content))


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "are empty"),
        ({"group": {}}, "have no values"),
        ({"高兴": {"group": "positive"}, "悲伤": {"group": "negative"}}, "Key them by column"),
        ({"group": "positive"}, "a list by row id"),
        ({"group": 3}, "a list by row id"),
        ({"group": {"高兴": "positive", "negative": ["悲伤"]}}, "mixes"),
        ({"group": {"a": {"b": {"c": 1}}}}, "nested too deep"),
        ({"group": {2.5: "positive"}}, "key 2.5"),
        ({"group": {-1: "positive"}}, "key -1"),
        ({0: {"高兴": "positive"}}, "must be column names"),
        ({"group": {"高兴": "a"}, "Group": {"悲伤": "b"}}, "'group' twice"),
        (pd.DataFrame([["高兴", 1, 2]], columns=["label", "x", "x"]), "several columns called 'x'"),
    ],
)
def test_bad_objects(metadata, message):
    with pytest.raises(ValueError, match=message):
        read_metadata(metadata)


def test_other_types_and_missing_files(tmp_path):
    with pytest.raises(TypeError, match="list was passed"):
        read_metadata([1])
    with pytest.raises(FileNotFoundError, match="no metadata file"):
        read_metadata(tmp_path / "nope.tsv")


def test_unmatched_labels_are_counted_and_kept():
    joined = WORDS.with_columns({"group": {"positive": ["高兴", "快乐"], "negative": ["悲伤"]}})
    assert joined.unmatched == {"快乐": {"group": "positive"}}
    assert any("1 of 3 entries" in note and "快乐" in note for note in joined.notes)
    assert WORDS.columns == {}
    assert WORDS.notes == ()


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"group": {"positive": ["happy"]}}, "entries begin 'happy'.*labels begin '高兴', '悲伤'"),
        ({"group": {99: "x"}}, "row number of the table"),
        (pd.DataFrame({"id": [1], "label": ["高兴"], "group": ["x"]}), "must agree"),
        ({"高兴": {"mood": "x"}}, "key it by column"),
    ],
)
def test_nothing_matches(metadata, message):
    with pytest.raises(ValueError, match=message):
        WORDS.with_columns(metadata)


def test_words_that_can_be_composed_are_a_match():
    joined = Vocabulary(("高", "兴")).with_columns({"group": {"positive": ["高兴"]}})
    assert joined.columns["group"] == ("", "")
    assert joined.unmatched == {"高兴": {"group": "positive"}}


def test_columns_are_merged():
    joined = WORDS.with_columns({"frequency": {"高兴": 7}}).with_columns({"frequency": {"悲伤": 3}, "group": {0: "p"}})
    assert joined.columns == {"frequency": ("7", "3", "", "", "7"), "group": ("p", "", "", "", "")}


def test_a_word_in_two_groups_keeps_the_first():
    metadata = read_metadata({"group": {"positive": ["高兴", "骄傲"], "negative": ["骄傲"]}})
    assert metadata.columns["group"]["骄傲"] == "positive"
    assert any("1 labels" in note for note in metadata.notes)


def test_repeated_lines_keep_the_first(write):
    metadata = read_metadata(write("label\tgroup\n高兴\ta\n高兴\tb\n\tc\n"))
    assert metadata.columns == {"group": {"高兴": "a"}}
    assert len(metadata.notes) == 2
    assert read_metadata(metadata) is metadata
    assert isinstance(metadata, Metadata)


def test_sentencepiece_words_match_both_forms():
    vocabulary = Vocabulary(("▁good", "good", "▁", "好"))
    assert column({"group": {"good": "x"}}, vocabulary=vocabulary) == ("x", "x", "", "")


def test_pandas_is_not_imported():
    code = (
        "import sys; from visualdl_embedding.vocabulary import *; "
        "open_vocabulary(['a']).with_columns({'group': {'a': 'b'}}); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\t\n\r\0"), min_size=1)


@settings(deadline=None)
@given(values=st.dictionaries(CELLS, CELLS, min_size=1))
def test_round_trip_through_files_and_frames(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("meta")
    frame = pd.DataFrame({"label": list(values), "a column": list(values.values())})
    (folder / "a.tsv").write_bytes(("label\ta column\n" + "".join(f"{k}\t{v}\n" for k, v in values.items())).encode())
    frame.to_csv(folder / "a.csv", index=False)
    assume("a column" not in values.values())
    for source in (folder / "a.tsv", folder / "a.csv", frame, {"a column": values}):
        assert read_metadata(source).columns == {"a column": values}
    assert open_vocabulary(list(values)).with_columns(frame).columns["a column"] == tuple(values.values())
