"""Kinds of tokens, and words composed of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visualdl_embedding.vocabulary import Vocabulary, token_kind

SPECIAL = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] [pad] [gMASK] [unused17] [UNUSED_1] <s> </s> <unk> <pad> <mask> <bos> "
    "<eos> <unk_1> <|endoftext|> <|im_start|> <｜begin▁of▁sentence｜> <0x0A> <0xE4> <extra_id_0> <reserved_102> "
    "<unused5> __unk__ OOV OOV_HANZ UNK <end_of_turn>"
)


@pytest.mark.parametrize("label", SPECIAL.split())
def test_special(label):
    assert token_kind(label) == "special"


WORDS = (
    "[ ] < > # ## @ @@ _ ▁ [笑] [doge] [OK] [] <> <br> <script> <script>alert(1)</script> <p> s pad mask "
    "unknown end [PAD <s [PAD]x x[PAD] 0x0A 😀 % oov OOVX __init__ 高兴"
)


@pytest.mark.parametrize("label", WORDS.split())
def test_words(label):
    assert token_kind(label) == "word"


def test_subwords():
    assert token_kind("##跑") == token_kind("##ing") == token_kind("low@@") == "subword"
    for label in ("ing", "2024", "é", "X1", "▁"):
        assert token_kind(label) == "word"
        assert token_kind(label, sentencepiece=True) == "subword"
    for label in ("▁ing", "高兴", "，", "高x", "▁高兴", "×"):
        assert token_kind(label, sentencepiece=True) == "word"


def test_styles():
    assert Vocabulary(("a", "##b")).style.wordpiece
    assert Vocabulary(("a@@", "b")).style.bpe
    assert Vocabulary(("▁a", *"bcdefghijk")).style.sentencepiece
    assert not Vocabulary(("▁a", *(f"w{i}" for i in range(100)))).style.sentencepiece
    assert not Vocabulary((None, "", "##", "@@")).style.wordpiece


BERT = ("[PAD]", "高", "兴", "##兴", "手", "机", "iph", "##one", "##5", "5", "play", "##ing", "##了", "s")


@pytest.mark.parametrize(
    ("labels", "word", "pieces"),
    [
        (BERT, "高兴", "高 兴"),
        (BERT, "高了", "高 ##了"),
        (BERT, "iphone手机", "iph ##one 手 机"),
        (BERT, "iphone5", "iph ##one ##5"),
        (BERT, "手机5", "手 机 5"),
        (BERT, "高 手", "高 手"),
        (BERT, "playing", "play ##ing"),
        (BERT, "plays", None),
        (BERT, "兴奋", None),
        (BERT, " ", None),
        (("高兴", "高", "兴", "得", "极了"), "高兴得极了", "高兴 得 极了"),
        (("h", "a", "p", "y", "高"), "happy", None),
        (("h", "happy", "高", "y"), "happy高", "happy 高"),
        (("low@@", "est", "er"), "lowest", "low@@ est"),
        (("low@@", "est@@"), "lowest", None),
        (("高@@", "高", "兴"), "高兴", "高@@ 兴"),
        (("▁good", "▁bad", "ness", "高", "▁高", "兴"), "goodness", "▁good ness"),
        (("▁good", "▁bad", "ness", "高", "▁高", "兴"), "高兴", "高 兴"),
        (("▁good", "▁bad", "ness", "▁高", "兴"), "高兴", "▁高 兴"),
        (("▁good", "▁bad", "ness", "高"), "bad good", "▁bad ▁good"),
    ],
)
def test_compose(labels, word, pieces):
    vocabulary = Vocabulary(tuple(labels))
    found = vocabulary.compose(word)
    assert (found and " ".join(str(vocabulary.labels[i]) for i in found)) == pieces


@settings(deadline=None)
@given(
    st.lists(st.sampled_from("高兴悲伤手机"), min_size=1, max_size=8).map("".join),
    st.sets(st.text("高兴悲伤", min_size=1)),
)
def test_pieces_of_a_chinese_word_join_to_the_word(word, labels):
    vocabulary = Vocabulary(tuple(sorted(labels)))
    pieces = vocabulary.compose(word)
    if set(word) <= labels:
        assert pieces
    if pieces:
        assert "".join(str(vocabulary.labels[i]) for i in pieces) == word
