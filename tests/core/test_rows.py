from __future__ import annotations

import numpy as np
import pytest

from visualdl_embedding.core.rows import COMPOSED, Rows

TABLE = np.arange(40, dtype=np.float32).reshape(10, 4)


def test_rows_are_assembled_in_their_own_order() -> None:
    rows = Rows(np.array([7, 2, 5]), ("c", "a", "b"))
    assert rows.gather_ids.tolist() == [2, 5, 7]
    assert np.array_equal(rows.assemble(TABLE[rows.gather_ids]), TABLE[[7, 2, 5]])


def test_a_composed_row_is_the_mean_of_its_pieces() -> None:
    rows = Rows(np.array([3, COMPOSED]), ("高", "高兴"), pieces={1: (3, 8)})
    assert rows.gather_ids.tolist() == [3, 8]
    assert np.array_equal(rows.assemble(TABLE[rows.gather_ids]), [TABLE[3], TABLE[[3, 8]].mean(axis=0)])


def test_only_composed_rows() -> None:
    rows = Rows(np.array([COMPOSED]), ("高兴",), pieces={0: (9, 1)})
    assert np.array_equal(rows.assemble(TABLE[rows.gather_ids]), [TABLE[[9, 1]].mean(axis=0)])


def test_a_piece_that_comes_twice_counts_twice() -> None:
    rows = Rows(np.array([COMPOSED]), ("哈哈呀",), pieces={0: (1, 1, 4)})
    assert np.allclose(rows.assemble(TABLE[rows.gather_ids]), (2 * TABLE[1] + TABLE[4]) / 3)


def test_the_version_follows_every_part() -> None:
    versions = {
        Rows(np.array([1, 2]), ("a", "b")).version,
        Rows(np.array([1, 3]), ("a", "b")).version,
        Rows(np.array([1, 2]), ("a", "c")).version,
        Rows(np.array([1, 2]), ("a", "b"), columns={"group": ("x", "y")}).version,
        Rows(np.array([1, COMPOSED]), ("a", "b"), pieces={1: (4, 5)}).version,
        Rows(np.array([1, COMPOSED]), ("a", "b"), pieces={1: (4, 6)}).version,
    }
    assert len(versions) == 6


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Rows(np.array([1]), ("a", "b")), "one id per label"),
        (lambda: Rows(np.array([1, 2]), ("a", "a")), "distinct"),
        (lambda: Rows(np.array([1]), ("a",), columns={"group": ("x", "y")}), "'group' has 2 values"),
        (lambda: Rows(np.array([COMPOSED]), ("a",)), "entry for each composed row"),
    ],
)
def test_what_does_not_fit_is_refused(build: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()  # type: ignore[operator]


def test_what_is_no_frequency_is_unknown() -> None:
    cells = ("", "x", "-3", "inf", "nan", "7", "0.5")
    rows = Rows(np.arange(7), tuple("abcdefg"), columns={"frequency": cells, "count": ("1",) * 7})
    assert np.isnan(rows.frequencies()).tolist() == [True] * 5 + [False] * 2
    assert rows.frequencies("count").tolist() == [1.0] * 7
    assert np.isnan(rows.frequencies("absent")).all()
