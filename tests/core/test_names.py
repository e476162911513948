from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.core.names import embeddings_tag, escape, scalar_key, step_name, tag


@given(st.text())
def test_an_escaped_name_is_one_level_that_visualdl_takes(name: str) -> None:
    escaped = escape(name)
    assert escaped
    assert not set("%/\\\t\n\r\x00") & set(escaped)
    escaped.encode("utf-8")
    assert escape(escaped) == escaped


def test_ordinary_names_stay() -> None:
    assert escape("ernie.embeddings.word_embeddings") == "ernie.embeddings.word_embeddings"
    assert escape("<script>alert(1)<") == "<script>alert(1)<"


def test_grammar() -> None:
    assert tag("word", scalar_key("trustworthiness", method="tsne")) == "embedding/word/tsne/trustworthiness"
    assert tag("word", scalar_key("x", method="umap", watch="a/b")) == "watch a／b/word/umap/x"
    assert tag("word", scalar_key("purity", group="正面")) == "group 正面/word/purity"
    assert tag("word", scalar_key("crowding", stratum="tail")) == "stratum tail/word/crowding"
    assert tag("word", scalar_key("share", watch="加息", group="负面")) == "watch 加息/word/group/负面/share"
    assert embeddings_tag("a/b", "tsne", 7) == "a／b/tsne/step_000000007"


@given(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1))
def test_step_names_sort_as_steps_do(a: int, b: int) -> None:
    assert (step_name(a) < step_name(b)) == (a < b)
