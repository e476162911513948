"""Which rows are watched, and what happens to those that are not."""

from __future__ import annotations

import time
import tracemalloc
from importlib.metadata import PackageNotFoundError, files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visualdl_embedding.core.rows import COMPOSED
from visualdl_embedding.core.suggest import nearest_labels
from visualdl_embedding.vocabulary import Stratified, Vocabulary, open_vocabulary, select_rows

LABELS = ("[PAD]", "[UNK]", "高", "兴", "高兴", "##兴", "悲伤", None, "跑", "手机")
WORDS = Vocabulary(LABELS)


def select(vocabulary=WORDS, *, num_rows=None, **arguments):
    return select_rows(vocabulary, num_rows=num_rows or len(vocabulary), **arguments)


def test_default_leaves_out_and_counts():
    rows = select(num_rows=12, padding_idx=0)
    assert rows.labels == ("高", "兴", "高兴", "悲伤", "跑", "手机")
    assert rows.ids.dtype == np.int64
    assert rows.ids.tolist() == [2, 3, 4, 6, 8, 9]
    assert rows.left_out == {"padding row": 1, "no label": 3, "special token": 1, "subword piece": 1}
    assert rows.how == "all 6"
    assert rows.watch == ()


@pytest.mark.parametrize(
    ("keep", "kept"), [("padding", "[PAD]"), ("special", "[UNK]"), ("subword", "##兴"), (None, None)]
)
def test_each_kind_can_be_kept(keep, kept):
    rows = select(padding_idx=0, keep=[keep] if keep else [])
    assert set(rows.labels) & {"[PAD]", "[UNK]", "##兴"} == ({kept} if kept else set())
    assert sum(rows.left_out.values()) + len(rows) == len(LABELS)


def test_first_k_by_id_and_most_frequent():
    assert select(rows=3).labels == ("高", "兴", "高兴")
    assert select(rows=3).how == "the first 3"
    frequent = WORDS.with_columns({"frequency": {"悲伤": 9, "手机": 9, "跑": 7, "高": 5, "[UNK]": 1000}})
    rows = select(frequent, rows=3)
    assert rows.labels == ("悲伤", "跑", "手机")
    assert rows.how == "the 3 most frequent"
    assert rows.columns["frequency"] == ("9", "7", "9")
    assert select(frequent, rows=1).labels == ("悲伤",)
    assert select(frequent, rows=5).labels == ("高", "兴", "悲伤", "跑", "手机")


def test_column_without_values_is_not_a_frequency():
    assert select(Vocabulary(("a", "b"), {"frequency": ("", "")}), rows=1).labels == ("a",)


@pytest.mark.parametrize(("value", "message"), [("1,5", "'1,5'"), ("-3", "negative"), ("inf", "infinite")])
def test_bad_frequency(value, message):
    with pytest.raises(ValueError, match=message):
        select(Vocabulary(("a", "b"), {"frequency": (value, "1")}), rows=1)


def test_named_rows_keep_their_order_and_are_never_special():
    rows = select(rows=["跑", "[UNK]", 4, "##兴", "跑"])
    assert rows.labels == ("跑", "[UNK]", "高兴", "##兴")
    assert rows.left_out == {}
    assert rows.how == "4 named"


@pytest.mark.parametrize("ids", [[6, 2], np.array([6, 2]), (np.int32(6), 2), iter([6, 2])])
def test_ids(ids):
    assert select(rows=ids).labels == ("悲伤", "高")


def test_sets_do_not_depend_on_the_hash_seed():
    assert select(rows={"跑", "悲伤", "高"}).labels == tuple(sorted(["跑", "悲伤", "高"]))


def test_named_padding_row_needs_keep():
    rows = select(rows=[0, 2], padding_idx=0)
    assert rows.ids.tolist() == [2]
    assert rows.left_out == {"padding row": 1}
    assert select(rows=[0, 2], padding_idx=0, keep=["padding"]).ids.tolist() == [0, 2]
    with pytest.raises(ValueError, match="padding row"):
        select(watch=["[PAD]"], padding_idx=0)


def test_ids_without_label():
    assert select(rows=[7, 2, 11], num_rows=12).left_out == {"no label": 2}
    with pytest.raises(ValueError, match="row 7, which has no label"):
        select(watch=[7])


def test_watched_rows_are_added():
    rows = select(rows=2, watch=["手机", "高", "[UNK]"])
    assert rows.labels == ("高", "兴", "手机", "[UNK]")
    assert rows.watch == ("手机", "高", "[UNK]")
    assert rows.left_out == {"no label": 1, "special token": 1, "subword piece": 1}
    assert rows.how == "the first 2 and 3 watched"


def test_composed_row_is_the_mean_of_its_pieces():
    rows = select(rows=["跑"], watch=["兴高", "跑"])
    assert rows.labels == ("跑", "兴高")
    assert rows.ids.tolist() == [8, COMPOSED]
    assert rows.pieces == {1: (3, 2)}
    assert rows.columns["pieces"] == ("", "兴 高")
    table = np.arange(20, dtype=np.float32).reshape(10, 2)
    np.testing.assert_array_equal(rows.assemble(table[rows.gather_ids])[1], table[[3, 2]].mean(axis=0))


def test_padding_row_is_not_a_piece():
    with pytest.raises(ValueError, match="高跑"):
        select(watch=["高跑"], padding_idx=2)


def test_unknown_labels_suggest_the_nearest():
    vocabulary = Vocabulary(("happy", "sad", "apply", "x"))
    with pytest.raises(
        ValueError, match=r"'hapy' \(did you mean 'happy' or 'apply'\?\).*'zzzzzz' \(no similar label\)"
    ):
        select(vocabulary, watch=["sad", "hapy", "zzzzzz"])
    with pytest.raises(ValueError, match="and 3 more"):
        select(vocabulary, rows=[f"unknown {i}" for i in range(8)])


def test_labels_without_a_vocabulary():
    with pytest.raises(ValueError, match=r"watch has '高兴', '6', but without a vocabulary .* Pass vocabulary="):
        select(open_vocabulary(None, num_rows=6), watch=["高兴", "5", "6"])


def test_duplicate_labels():
    movies = Vocabulary(("Alien", "Heat", "Up", "Heat"), {"group": ("a", "b", "a", "c")})
    rows = select(movies)
    assert rows.labels == ("Alien", "Heat (1)", "Up", "Heat (3)")
    assert select(movies, rows=1, watch=["Heat (3)", 1]).watch == ("Heat (3)", "Heat (1)")
    with pytest.raises(ValueError, match=r"'Heat', which is the label of 2 rows: 1, 3.*'Heat \(1\)'"):
        select(movies, watch=["Heat"])
    with pytest.raises(ValueError, match="not in"):
        select(movies, watch=["Heat (2)"])


def test_vocabulary_and_table_must_fit():
    with pytest.raises(ValueError, match="10 ids, but the table has only 9 rows"):
        select(num_rows=9)
    assert select(num_rows=13).left_out["no label"] == 4


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rows": 0}, ValueError, "at least 1, not 0"),
        ({"rows": -5}, ValueError, "at least 1, not -5"),
        ({"rows": 2.5}, TypeError, "whole number"),
        ({"rows": True}, TypeError, "whole number"),
        ({"rows": None}, TypeError, "rows must be a list"),
        ({"rows": []}, ValueError, "empty list"),
        ({"rows": "高兴"}, ValueError, r"rows=\['高兴'\]"),
        ({"rows": "stratified"}, ValueError, "stratified:500"),
        ({"rows": "stratified:0"}, ValueError, "at least 1"),
        ({"rows": "stratified:5"}, ValueError, "requires a column 'frequency'"),
        ({"rows": [10]}, ValueError, "row 10, but the table has rows 0 to 9"),
        ({"rows": [-1]}, ValueError, "row -1"),
        ({"rows": [1.0]}, TypeError, "not 1.0"),
        ({"rows": [True]}, TypeError, "not True"),
        ({"rows": np.zeros((2, 2), int)}, TypeError, "rows must hold labels"),
        ({"rows": {"group": "positive"}}, ValueError, "no column 'group'"),
        ({"rows": {}}, ValueError, "one column"),
        ({"watch": "加息"}, TypeError, r"watch=\['加息'\]"),
        ({"watch": 3}, TypeError, "watch must be a list"),
        ({"keep": "special"}, TypeError, "keep must be a list"),
        ({"keep": ["all"]}, ValueError, "use any of 'special', 'subword', 'padding'"),
        ({"groups": ["高兴"]}, TypeError, "groups must be a dict"),
        ({"groups": {"positive": "高兴"}}, TypeError, "must be a list"),
        ({"groups": {"positive": [3]}}, TypeError, r"\(strings\), not 3"),
        ({"num_rows": -1}, ValueError, "num_rows must be at least 1"),
        ({"padding_idx": -1}, ValueError, "padding_idx must be a row"),
        ({"padding_idx": 10}, ValueError, "padding_idx must be a row"),
        ({"rows": [7]}, ValueError, "No rows to watch.*1 no label"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        select(**arguments)


def test_nothing_but_special_tokens():
    with pytest.raises(ValueError, match=r"No rows to watch.*2 special token"):
        select(Vocabulary(("[PAD]", "[UNK]")))


GROUPED = WORDS.with_columns(
    {"group": {"positive": ["高兴", "兴高", "跑", "##兴"], "negative": ["悲伤", "绝望"], "neutral": ["手机"]}}
)


def test_rows_of_a_group_with_composed_words():
    rows = select(GROUPED, rows={"group": "positive"})
    assert rows.labels == ("高兴", "跑", "兴高")
    assert rows.columns["group"] == ("positive",) * 3
    assert rows.pieces == {2: (3, 2)}
    assert rows.left_out == {"subword piece": 1}
    assert rows.how == "those of group positive"
    both = select(GROUPED, rows={"group": ["positive", "negative"]})
    assert both.labels == ("高兴", "悲伤", "跑", "兴高")
    assert both.left_out == {"subword piece": 1, "not in the vocabulary": 1}


def test_unknown_group():
    with pytest.raises(ValueError, match=r"has no value 'positiv'; its values are 'positive', 'negative', 'neutral'"):
        select(GROUPED, rows={"group": "positiv"})
    with pytest.raises(ValueError, match=r"no column 'category'.*has 'group'"):
        select(GROUPED, rows={"category": "x"})


def test_watched_composed_word_has_its_group():
    rows = select(GROUPED, rows=1, watch=["兴高"])
    assert rows.columns["group"] == ("", "positive")


def test_groups_are_added_to_rows():
    rows = select(rows=1, groups={"up": ["兴高", "跑", "[UNK]"], "down": ["悲伤", "绝望"]})
    assert rows.labels == ("高", "悲伤", "跑", "兴高")
    assert rows.columns["group"] == ("", "down", "up", "up")
    assert rows.left_out["not in the vocabulary"] == 1
    assert rows.how == "the first 1 and the words of 2 groups"


def test_sentencepiece():
    vocabulary = Vocabulary(("<unk>", "▁good", "ing", "高兴", "▁", "▁bad", "good", "，"))
    rows = select(vocabulary)
    assert rows.labels == ("▁good", "高兴", "▁bad", "，")
    assert rows.left_out == {"special token": 1, "subword piece": 3}
    assert select(vocabulary, rows=["bad"]).labels == ("▁bad",)
    assert select(vocabulary, rows=["good"]).labels == ("good",)


def zipf(n):
    return Vocabulary(
        ("[UNK]", *(f"w{i}" for i in range(1, n))),
        {"frequency": ("1000000", *(str(round(1e6 / i)) for i in range(1, n)))},
    )


def test_stratified_sample():
    vocabulary = zipf(5000)
    rows = select(vocabulary, rows=Stratified(90))
    assert len(rows) == 90
    assert [rows.columns["stratum"].count(name) for name in ("head", "torso", "tail")] == [30, 30, 30]
    assert rows.ids.tolist() == sorted(rows.ids.tolist())
    assert "[UNK]" not in rows.labels
    assert rows.how == "90 stratified by frequency (30 head, 30 torso, 30 tail)"
    frequencies = np.array(vocabulary.columns["frequency"][1:], dtype=float)
    share = frequencies.cumsum() / frequencies.sum()
    for i, stratum in zip(rows.ids, rows.columns["stratum"], strict=True):
        before = share[i - 1] - frequencies[i - 1] / frequencies.sum()
        assert stratum == ("head" if before < 0.5 else "torso" if before < 0.9 else "tail")


def test_stratified_sample_is_seeded():
    vocabulary = zipf(5000)
    one, again, other = (select(vocabulary, rows="stratified:90", random_state=s) for s in (1, 1, 2))
    assert one.labels == again.labels
    assert one.labels != other.labels


def test_small_strata_leave_their_share_to_others():
    counts = ("90", "5", "4", "1", "", "0", "0", "0")
    vocabulary = Vocabulary(tuple("abcdefgh"), {"frequency": counts})
    rows = select(vocabulary, rows="stratified:6", watch=["a"])
    assert rows.columns["stratum"].count("head") == 1
    assert rows.columns["stratum"].count("torso") == 0
    assert len(rows) == 6
    assert len(select(vocabulary, rows="stratified:100")) == 8
    with pytest.raises(ValueError, match="all known frequencies are 0"):
        select(Vocabulary(("a",), {"frequency": ("0",)}), rows="stratified:1")


def test_labels_are_kept_as_they_are():
    odd = ("a\tb", "c\nd", "😀", "<script>alert(1)</script>", "100%", "\u3000", " ")
    assert select(Vocabulary(odd)).labels == odd


@settings(deadline=None)
@given(
    labels=st.lists(
        st.sampled_from(["a", "高", "兴", "[PAD]", "##x", "x@@", "▁a", "▁", None, "", "a (0)"]), min_size=1, max_size=30
    ),
    extra=st.integers(0, 3),
    k=st.integers(1, 40),
    keep=st.sets(st.sampled_from(["special", "subword", "padding"])),
    data=st.data(),
)
def test_every_row_is_chosen_or_counted(labels, extra, k, keep, data):
    # The last label is always taken: an empty result is an error.
    vocabulary, num_rows = Vocabulary((*labels, "词")), len(labels) + 1 + extra
    padding_idx = data.draw(st.none() | st.integers(0, len(labels) - 1))
    arguments = {"num_rows": num_rows, "keep": keep, "padding_idx": padding_idx}
    everything = select_rows(vocabulary, rows="all", **arguments)
    assert len(everything) + sum(everything.left_out.values()) == num_rows
    some = select_rows(vocabulary, rows=k, **arguments)
    assert some.labels == everything.labels[:k]
    again = select_rows(vocabulary, rows=everything.labels, **arguments)
    assert again.ids.tolist() == everything.ids.tolist()
    assert again.labels == everything.labels


@pytest.fixture(scope="module")
def lexicon():
    try:
        (path,) = [f for f in files("jieba") or [] if f.match("jieba/dict.txt")]
    except PackageNotFoundError:
        pytest.skip("jieba is not installed")
    lines = [line.split(" ") for line in path.read_text(encoding="utf-8").split("\n") if line]
    frequencies = {word: int(count) for word, count, *_ in lines}
    return open_vocabulary(list(frequencies)).with_columns({"frequency": frequencies})


def test_jieba_words_by_frequency(lexicon):
    rows = select(lexicon, rows=1, watch=["高兴", "加息"])
    assert rows.labels == ("了", "高兴", "加息")
    rows = select(lexicon, rows="stratified:300", watch=["的"])
    assert rows.columns["stratum"][rows.labels.index("的")] == "head"


@pytest.mark.soak
def test_nearest_labels_among_many_are_quick(lexicon):
    # Seconds with difflib alone; the bound is loose, for a busy machine.
    started = time.perf_counter()
    assert "高高兴兴" in nearest_labels("高兴兴x", lexicon.labels)
    assert time.perf_counter() - started < 5


def test_jieba_table_with_its_gap():
    try:
        (path,) = [f for f in files("jieba") or [] if f.match("lac_small/word.dic")]
    except PackageNotFoundError:
        pytest.skip("jieba is not installed")
    vocabulary = open_vocabulary(str(path.locate()))
    rows = select(vocabulary, num_rows=20_941, rows="all", watch=["加息", "讽刺"])
    assert rows.left_out == {"no label": 1, "special token": 5}
    assert len(rows) == 20_941 - 6 + 2
    assert [rows.columns["pieces"][rows.labels.index(word)] for word in rows.watch] == ["加 息", "讽 刺"]


def test_rows_without_words_are_chosen_among_all_of_a_large_table():
    numbers = open_vocabulary(None, num_rows=10_000_000)
    tracemalloc.start()
    try:
        chosen = select_rows(numbers, num_rows=10_000_000, rows=500, watch=["row 9999999", 7], padding_idx=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert chosen.ids.tolist() == [*range(1, 501), 9_999_999]
    assert chosen.how == "the first 500 and 2 watched"
    assert dict(chosen.left_out) == {"padding row": 1}
    # The labels alone would take 1.2 GB.
    assert peak < 400e6


@pytest.mark.parametrize(("num_rows", "how"), [(501, "all 500"), (502, "the first 500")])
def test_all_rows_are_chosen_only_where_no_other_is_left(num_rows, how):
    numbers = open_vocabulary(None, num_rows=num_rows)
    assert select_rows(numbers, num_rows=num_rows, rows=500, padding_idx=0).how.startswith(how)
