from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.core.pairing import pair_labels, pair_rows, positions_of
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot

LABELS = st.lists(st.text("ab词", max_size=2), max_size=8)


@given(LABELS, LABELS)
def test_each_shared_label_pairs_once_by_its_first_rows(a: list[str], b: list[str]) -> None:
    in_a, in_b = pair_labels(a, b)
    shared = [label for label in dict.fromkeys(a) if label in b]
    assert [a[i] for i in in_a] == [b[i] for i in in_b] == shared
    assert in_a.tolist() == [a.index(label) for label in shared]
    assert in_b.tolist() == [b.index(label) for label in shared]


@given(LABELS)
def test_positions_are_those_of_first_occurrences(labels: list[str]) -> None:
    assert positions_of(labels) == {label: labels.index(label) for label in labels}


def test_rows_that_are_not_usable_in_both_do_not_pair() -> None:
    a = Snapshot("word", 0, Rows(np.arange(4), ("w", "x", "y", "z")), np.ones((4, 2), np.float32))
    b = Snapshot("word", 0, Rows(np.arange(4), ("z", "y", "x", "w")), np.ones((4, 2), np.float32))
    a.vectors[2] = np.nan
    b.vectors[0] = np.inf
    b.vectors[3] = 0
    assert [found.tolist() for found in pair_rows(a, b, "cosine")] == [[1], [2]]
    assert [found.tolist() for found in pair_rows(a, b, "euclidean")] == [[0, 1], [3, 2]]
