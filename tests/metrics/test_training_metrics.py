from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from visualdl_embedding.metrics import never_trained, unchanged


def test_never_trained() -> None:
    assert never_trained(np.array([0, 1, 5, 0]), np.ones(4)).tolist() == [1, 0, 0, 1]
    assert np.isnan(never_trained(np.array([np.nan, 0, 2]), np.ones(3))).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="non-negative"):
        never_trained(np.array([-1]), np.ones(1))
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        never_trained(np.zeros(2), np.ones(3))


def test_a_changed_row_without_a_lookup_and_counts_without_a_forward_pass_are_unknown() -> None:
    np.testing.assert_array_equal(
        never_trained(np.array([0, 0, 0, 3]), np.array([1, 0, np.nan, 0])), [1, np.nan] * 1 + [np.nan, 0]
    )
    assert np.isnan(never_trained(np.zeros(3), np.ones(3))).all()
    assert np.isnan(never_trained(np.zeros(3), np.ones(3), forwards=0)).all()
    assert never_trained(np.zeros(3), np.ones(3), forwards=7).tolist() == [1, 1, 1]


def test_unchanged_compares_bits() -> None:
    first = np.float32([[np.nan, 1], [0, 1], [1, 1], [np.inf, 2]])
    now = np.float32([[np.nan, 1], [-0.0, 1], [1, np.nextafter(np.float32(1), np.float32(2))], [np.inf, 2]])
    assert unchanged(first, now).tolist() == [1, 0, 0, 1]
    with pytest.raises(ValueError, match=r"same shape, not \(4, 2\) and \(3, 2\)"):
        unchanged(first, now[:3])


@given(hnp.arrays(np.float32, (5, 3), elements=st.floats(width=32)), st.integers(0, 4), st.integers(0, 2))
def test_one_changed_bit_is_one_changed_row(vectors: np.ndarray, row: int, column: int) -> None:
    other = vectors.copy()
    other.view(np.uint32)[row, column] ^= 1
    assert unchanged(vectors, vectors).tolist() == [1] * 5
    assert np.flatnonzero(unchanged(vectors, other) == 0).tolist() == [row]
