from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.store._table_reader import folder_name

names = st.text(st.characters() | st.sampled_from('aA/\\:*?"<>|. -_％／é\u0301ßſı\ud800'), max_size=40)


@given(names)
def test_folder_names_are_valid_on_every_file_system(name: str) -> None:
    folder = folder_name(name)
    assert folder
    assert not re.search(r'[/\\:*?"<>|\x00-\x1f\x7f]', folder)
    assert not folder.startswith(".")
    assert not folder.endswith((".", " "))
    assert len(folder.encode()) <= 111


@given(names, names)
def test_different_tables_have_different_folders_even_without_case(one: str, two: str) -> None:
    seen = [unicodedata.normalize("NFC", folder_name(name).casefold()) for name in (one, two)]
    assert (seen[0] == seen[1]) == (one == two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("a/b", "a／b"),
        ("Word", "word"),
        ("word.", "word"),
        ("e\u0301", "\u00e9"),
        ("a" * 200, "a" * 201),
        ("嵌" * 60, "嵌" * 61),
        ("", "_"),
        ("straße", "strasse"),
        ("a  b", "a b"),
    ],
)
def test_similar_names_have_different_folders(one: str, two: str) -> None:
    seen = [unicodedata.normalize("NFC", folder_name(name).casefold()) for name in (one, two)]
    assert seen[0] != seen[1]


@pytest.mark.parametrize("name", ["con", "NUL", "com1", "aux.weight", "Con.a.b"])
def test_names_that_windows_reserves_are_avoided(name: str) -> None:
    assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", folder_name(name).lower())


def test_a_name_like_a_hashed_one_is_hashed_too() -> None:
    assert folder_name(folder_name("a/b")) != folder_name("a/b")


def test_plain_names_stay_readable() -> None:
    assert folder_name("embedding") == "embedding"
    assert folder_name("encoder.word_embeddings") == "encoder.word_embeddings"
    assert folder_name("情感.词表") == "情感.词表"
    assert folder_name("a/b").startswith("a／b-")
