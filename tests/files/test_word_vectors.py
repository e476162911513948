from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from refusals import read_all
from saved_models import VECTORS, WORDS, glove, word2vec_binary, word2vec_text

from visualdl_embedding.files import StoredTable, UnreadableModelError, open_tables


def opened(path: Path, content: bytes) -> StoredTable:
    path.write_bytes(content)
    (stored,) = open_tables(path)
    return stored


@pytest.mark.parametrize("form", [word2vec_text, word2vec_binary, glove])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_words_are_read_with_their_vectors(form, compress, tmp_path: Path) -> None:
    stored = opened(tmp_path / "vectors", compress(form()))
    assert stored.has_labels
    assert [word.replace("_", " ") for word in stored.read_labels() or []] == WORDS
    assert np.array_equal(stored.read_rows([9, 2]), VECTORS[[9, 2]])


def test_a_matrix_has_no_words(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", VECTORS)
    (stored,) = open_tables(tmp_path / "m.npy")
    assert not stored.has_labels
    assert stored.read_labels() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b" \n"),
        lambda text: text.rstrip(b"\n"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: b"\n".join(line.replace(b" ", b"\t") for line in text.replace(b"b c", b"b_c").split(b"\n")),
    ],
    ids=["CRLF", "space at the end", "no newline at the end", "byte order mark", "tabs"],
)
@pytest.mark.parametrize("form", [word2vec_text, glove])
def test_other_ways_to_write_lines(form, change, tmp_path: Path) -> None:
    stored = opened(tmp_path / "m.vec", change(form()))
    assert np.array_equal(np.concatenate([b for _, b in stored.blocks()]), VECTORS)
    assert [word.replace("_", " ") for word in stored.read_labels() or []] == WORDS


def test_a_binary_file_with_no_newline_between_its_words(tmp_path: Path) -> None:
    stored = opened(tmp_path / "m.bin", word2vec_binary(newline=b""))
    assert (stored.read_labels() or [])[5:7] == ["a", "b_c"]
    assert np.array_equal(stored.read_rows([0, 9]), VECTORS[[0, 9]])


def test_many_words_are_read_in_blocks(tmp_path: Path) -> None:
    # Over 4 MiB, so that words lie across the blocks that the file is read in.
    vectors = np.random.default_rng(0).standard_normal((30_000, 40)).astype(np.float32)
    words = [f"词{i}" for i in range(30_000)]
    ids = np.arange(0, 30_000, 999)
    for form, name in ((word2vec_binary, "m.bin"), (word2vec_text, "m.vec")):
        stored = opened(tmp_path / name, form(words, vectors))
        assert np.array_equal(stored.read_rows(ids), vectors[ids])
        assert (stored.read_labels() or [])[29_999] == "词29999"


def test_words_in_another_encoding(tmp_path: Path) -> None:
    content = word2vec_text().decode().replace("😀", "笑").encode("gb18030")
    stored = opened(tmp_path / "m.vec", content)
    with pytest.raises(UnreadableModelError, match=r"word 0 is not valid utf-8(.|\n)*gb18030(.|\n)*errors='replace'"):
        stored.read_labels()
    assert (stored.read_labels(encoding="gb18030") or [])[1] == "高兴"
    assert np.array_equal(stored.read_rows([1]), VECTORS[[1]])
    damaged = word2vec_text().replace("高".encode(), b"\xe9\xab")
    assert (opened(tmp_path / "d.vec", damaged).read_labels(errors="replace") or [])[1] == "\ufffd兴"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (word2vec_text()[:-60], "cut off|10 words, but 9 were found|word 9 has"),
        (word2vec_binary()[:-30], "cut off"),
        (word2vec_text().replace(b"10 6", b"10 5", 1), "gives 5 dimensions, but its first vector has 6"),
        (word2vec_text().replace(b"10 6", b"9 6", 1), "more lines than the 9"),
        (word2vec_text().replace(b"10 6", b"11 6", 1), "11 words, but 10 were found"),
        (word2vec_text().replace(b"10 6", b"900000000000 6", 1), "900,000,000,000 words"),
        (word2vec_text().replace(b"10 6", b"10 999999999", 1), "999,999,999 dimensions"),
        (word2vec_binary().replace(b"10 6", b"99999 6", 1), "99,999 words of 6 dimensions, which need more"),
        (word2vec_binary(vectors=VECTORS.repeat(3, 1).view(np.int32).byteswap().view(np.float32)), "big-endian"),
        (glove() + b"\n\n", "wrong length"),
        (glove() + b"x" * 100_000, "wrong length"),
        (glove().replace(b" ", b" - ", 40), "word vectors were expected"),
        (b"", "empty"),
        (b"hello world\n", "word vectors were expected"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (gzip.compress(word2vec_text())[:-20], "gzip|cut off"),
    ],
)
def test_incomplete_vector_files(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "m.vec"
    path.write_bytes(content)
    with pytest.raises(UnreadableModelError, match=reason) as error:
        read_all(path)
    assert str(path) in str(error.value)


def test_a_word_may_contain_a_space(tmp_path: Path) -> None:
    stored = opened(tmp_path / "m.vec", glove().replace(b"1998", b"1998 x"))
    assert "1998 x" in (stored.read_labels() or [])
    assert np.array_equal(stored.read_rows(np.arange(len(VECTORS))), VECTORS)


def test_a_line_that_is_damaged_in_the_middle_is_named(tmp_path: Path) -> None:
    number = str(VECTORS[5, 3]).encode()
    stored = opened(tmp_path / "m.vec", word2vec_text().replace(number, b"zero", 1))
    assert np.array_equal(stored.read_rows([4, 6]), VECTORS[[4, 6]])
    with pytest.raises(UnreadableModelError, match="word 5 has a value that is not a number"):
        stored.read_rows([5])


def test_a_gzip_bomb_of_line_ends_is_refused(tmp_path: Path) -> None:
    head = b"0.5 1.5 2.5\n" * 12
    with pytest.raises(UnreadableModelError, match="wrong length"):
        opened(tmp_path / "m.txt.gz", gzip.compress(head + b"\n" * 50_000_000, 9)).read_rows([0])


def test_the_table_has_the_name_of_the_file(tmp_path: Path) -> None:
    assert opened(tmp_path / "cc.zh.300.vec.gz", gzip.compress(word2vec_text())).table.name == "cc.zh.300"
