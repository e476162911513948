from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.core.rows import COMPOSED, Rows
from visualdl_embedding.store._metadata import format_rows, parse_rows

# All of Unicode, lone surrogates too, and often what must be escaped.
texts = st.text(st.characters() | st.sampled_from("\\\t\n\r\x00\x85\u2028\ud800tnru0"), max_size=8)


@st.composite
def all_rows(draw: st.DrawFn) -> Rows:
    labels = tuple(draw(st.lists(texts, unique=True, max_size=5)))
    n = len(labels)
    ids = np.array(draw(st.lists(st.integers(-1, 2**40), min_size=n, max_size=n)), dtype=np.int64)
    names = st.sampled_from(["label", "id", "piece_ids", "pieces", "group"]) | texts
    columns = draw(st.dictionaries(names, st.lists(texts, min_size=n, max_size=n).map(tuple), max_size=3))
    pieces = {
        i: tuple(draw(st.lists(st.integers(0, 100), min_size=1, max_size=3)))
        for i in np.flatnonzero(ids == COMPOSED).tolist()
    }
    return Rows(ids, labels, columns, pieces)


@given(all_rows())
def test_rows_round_trip(rows: Rows) -> None:
    text = format_rows(rows)
    found = parse_rows(text.encode().decode(), how="chosen", watch=rows.labels[:1])
    assert found.version == rows.version
    assert found.labels == rows.labels
    assert dict(found.pieces) == dict(rows.pieces)
    assert list(found.columns) == list(rows.columns)
    assert found.ids.dtype == np.int64
    assert (found.how, found.watch) == ("chosen", rows.labels[:1])
    # Tools that split text into lines in another way count as many.
    assert len(text.splitlines()) == len(rows) + 1


def test_ordinary_text_is_unchanged_and_readable_by_other_tools(tmp_path: Path) -> None:
    labels = ("高兴", "C++", "<script>", "100%", "😀", "a b", "a\tb", "a\\b")
    rows = Rows(np.arange(8), labels, {"group": ("positive",) * 8})
    path = tmp_path / "metadata.tsv"
    path.write_text(format_rows(rows), encoding="utf-8")
    found = pd.read_csv(path, sep="\t", quoting=3, keep_default_na=False)
    assert list(found.columns) == ["label", "id", "group"]
    assert tuple(found["label"][:6]) == labels[:6]
    assert list(found["label"][6:]) == [r"a\tb", r"a\\b"]
    assert list(found["id"]) == list(range(8))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "header must begin"),
        ("word\tid\n", "header must begin"),
        ("label\tid\na\n", "line 2 has 1 columns, but the header has 2"),
        ("label\tid\na\tx\n", "invalid literal"),
        ("label\tid\na\t1\na\t2\n", "distinct"),
        ("label\tid\na\t-1\n", "composed"),
    ],
)
def test_a_changed_file_is_reported(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_rows(text)
