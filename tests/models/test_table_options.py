"""Options with a value for each of several tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from visualdl_embedding.models import Model, open_model
from visualdl_embedding.models._options import by_table

TABLES = ["word", "item", "position"]
WORDS = [f"词{i}" for i in range(40)]
ITEMS = [f"商品{i}" for i in range(20)]


class Network(paddle.nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.word, self.item = paddle.nn.Embedding(40, 4), paddle.nn.Embedding(20, 4)
        self.position = paddle.nn.Embedding(600, 4)


def opened(**options: Any) -> Model:
    return open_model(Network(), **options)


def ids(model: Model, **choice: Any) -> dict[str, list[int]]:
    return {name: rows.ids.tolist() for name, rows in model.choose_rows(**choice).items()}


FIRST = {"word": list(range(40)), "item": list(range(20)), "position": list(range(500))}
BOTH = {"vocabulary": {"word": WORDS, "item": ITEMS}}


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("vocabulary", {"word": 0, "other": 1}),
        ("vocabulary", {0: "word", 1: "other"}),
        ("vocabulary", {"0": "word", "1": "other"}),
        ("vocabulary", WORDS),
        ("rows", {"group": "positive"}),
        ("rows", 500),
        ("metadata", {"group": {"positive": ["a"]}, "frequency": [1, 2]}),
        ("metadata", {"frequency": np.arange(3)}),
        ("watch", ["word"]),
        ("watch", {}),
    ],
)
def test_other_dicts_are_one_value(option: str, given: Any) -> None:
    assert by_table(option, given, TABLES) is None


@pytest.mark.parametrize("option", ["vocabulary", "rows", "metadata", "watch"])
def test_all_keys_are_tables(option: str) -> None:
    given = {"item": ["a"], "word": ["b"]}
    assert by_table(option, given, TABLES) == given


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("vocabulary", {"word": WORDS, "itm": ITEMS}),
        ("vocabulary", {"itm": "items.txt"}),
        ("rows", {"word": 5, "itm": [1]}),
        ("metadata", {"word": "words.tsv", "itm": "items.tsv"}),
        ("metadata", {"itm": {"group": {"a": "b"}}}),
        ("metadata", {"word": {"a": "b"}, "itm": {"a": "b"}}),
        ("watch", {"itm": ["a"]}),
    ],
)
def test_an_unknown_table_is_an_error_that_lists_the_tables(option: str, given: Any) -> None:
    with pytest.raises(
        ValueError, match=f"{option} has the unknown table 'itm': did you mean 'item'.*tables are: word, item, position"
    ):
        by_table(option, given, TABLES)


def test_rows_and_watch_per_table() -> None:
    chosen = opened(**BOTH).choose_rows(
        rows={"word": ["词3", 4], "position": "all"}, watch={"item": "商品2", "position": ["599", 5]}
    )
    assert chosen["word"].ids.tolist() == [3, 4]
    assert (len(chosen["item"]), chosen["item"].watch) == (20, ("商品2",))
    assert (len(chosen["position"]), chosen["position"].watch) == (600, ("row 599", "row 5"))


def test_ids_without_a_vocabulary_apply_to_all_tables() -> None:
    assert ids(opened(), rows=[5, 7, 9]) == {name: [5, 7, 9] for name in TABLES}
    # An id belongs to every table that has the row.
    assert ids(opened(), rows=[5, 30]) == {"word": [5, 30], "item": [5], "position": [5, 30]}
    assert ids(opened(), rows=["599"]) == {**FIRST, "position": [599]}
    assert ids(opened(), rows=[1], watch=["5", "30"]) == {"word": [1, 5, 30], "item": [1, 5], "position": [1, 5, 30]}
    with pytest.raises(ValueError, match=r"Labels in rows are in no vocabulary of word, item, position: 600, x"):
        opened().choose_rows(rows=[5, 600, "x"])
    assert {name: len(found) for name, found in ids(opened(), rows="all").items()}["position"] == 600


def test_labels_belong_to_the_tables_that_have_them_and_ids_to_all() -> None:
    model = opened(**BOTH)
    assert ids(model, rows=["词3", "商品4", 7]) == {"word": [3, 7], "item": [4, 7], "position": [7]}
    assert ids(model, rows=["词3"]) == {"word": [3], "item": FIRST["item"], "position": FIRST["position"]}
    with pytest.raises(ValueError, match="Labels in rows are in no vocabulary of word, item: 599"):
        model.choose_rows(rows=["599"])
    with pytest.raises(ValueError, match=r"Table 'item': rows has labels .*did you mean '商品"):
        model.choose_rows(rows={"item": ["商品99"]})


def test_metadata_without_any_vocabulary_apply_to_all_tables() -> None:
    model = opened(metadata={"group": {"few": [3, 19, 599]}})
    assert ids(model, rows={"group": "few"}) == {"word": [3, 19], "item": [3, 19], "position": [3, 19, 599]}


def test_metadata_per_table(tmp_path: Path) -> None:
    (tmp_path / "items.tsv").write_text("label\tgroup\n商品4\tphone\n", "utf-8")
    metadata = {
        "word": {"frequency": {"词7": 9}},
        "item": [tmp_path / "items.tsv", {"frequency": {"商品1": 5}}],
        "position": {"group": ["even", "odd"] * 300},
    }
    model = opened(**BOTH, metadata=metadata)
    assert ids(model, rows={"word": 1, "item": {"group": "phone"}, "position": {"group": "odd"}}) == {
        "word": [7],
        "item": [4],
        "position": list(range(1, 600, 2)),
    }
    with pytest.raises(ValueError, match="rows has 'grop', which is no table and no column: did you mean 'group'"):
        model.choose_rows(rows={"grop": "phone"})
    with pytest.raises(ValueError, match="metadata has the unknown table 'items'"):
        opened(metadata={"items": tmp_path / "items.tsv"}).choose_rows()
