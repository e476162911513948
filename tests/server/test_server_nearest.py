"""The quick search against the exact one, and against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.neighbors import NearestNeighbors

from visualdl_embedding.core.distance import usable_rows
from visualdl_embedding.core.query import nearest_rows
from visualdl_embedding.server._nearest import cosines_with, nearest

VALUES = st.one_of(
    st.floats(-4, 4, width=32),
    st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf, 1e30, 1e-30]),
)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@given(
    vectors=arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=VALUES),
    k=st.integers(1, 45),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_it_is_the_exact_search(distance: Any, vectors: np.ndarray, k: int, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, len(vectors) - 1))
    found = nearest(vectors, row, k, distance=distance)
    if not usable_rows(vectors, distance)[row]:
        assert found == []
        return
    skipped = np.zeros(len(vectors), dtype=bool)
    skipped[row] = True
    expected = nearest_rows([(0, vectors)], vectors[row], k=k, distance=distance, skipped=skipped)
    assert [near.distance for near in found] == pytest.approx([away for _, _, away in expected], rel=1e-6, abs=1e-9)
    assert [near.row for near in found] == [other for other, _, _ in expected]


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_it_agrees_with_scikit_learn(distance: Any) -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    index = NearestNeighbors(n_neighbors=11, metric=distance, algorithm="brute").fit(vectors)
    distances, rows = index.kneighbors(vectors[:5])
    for row in range(5):
        found = nearest(vectors, row, 10, distance=distance)
        assert [near.row for near in found] == rows[row, 1:].tolist()
        assert [near.distance for near in found] == pytest.approx(distances[row, 1:], abs=1e-5)


def test_cosines_of_zero_and_broken_rows() -> None:
    vectors = np.array([[1, 0], [0, 0], [np.nan, 1], [-2, 0]], dtype=np.float32)
    found = cosines_with(vectors, 0, np.array([0, 1, 2, 3]))
    np.testing.assert_array_equal(found, [1, 0, np.nan, -1])
