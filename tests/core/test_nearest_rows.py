"""Nearest rows against distances computed pair by pair, and against scikit-learn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.neighbors import NearestNeighbors

from visualdl_embedding.core import query
from visualdl_embedding.core.distance import usable_rows
from visualdl_embedding.core.query import cosines, nearest_rows

VALUES = st.one_of(
    st.floats(-4, 4, width=32),
    st.sampled_from([0.0, 1.0, -1.0, np.nan, np.inf, 1e30, 1e-30]).map(np.float32),
)


def pair_distance(a: np.ndarray, b: np.ndarray, distance: str) -> float:
    one, two = a.tolist(), b.tolist()
    if distance == "euclidean":
        return math.dist(one, two)
    return 1 - float(np.dot(one, two)) / (math.hypot(*one) * math.hypot(*two))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@given(
    vectors=arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=VALUES),
    k=st.integers(1, 45),
    block=st.integers(1, 45),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_nearest_rows_are_exact(distance: Any, vectors: np.ndarray, k: int, block: int, data: st.DataObject) -> None:
    usable = usable_rows(vectors, distance)
    assume(usable.any())
    row = data.draw(st.sampled_from(np.flatnonzero(usable).tolist()))
    skipped = np.arange(len(vectors)) == row
    blocks = [(start, vectors[start : start + block]) for start in range(0, len(vectors), block)]
    found = nearest_rows(blocks, vectors[row], k=k, distance=distance, skipped=skipped)
    expected = {
        i: pair_distance(vectors[row], vectors[i], distance) for i in np.flatnonzero(usable & ~skipped).tolist()
    }
    distances = [away for _, _, away in found]
    assert distances == pytest.approx(sorted(expected.values())[:k], rel=1e-6, abs=1e-9)
    assert distances == pytest.approx([expected[i] for i, _, _ in found], rel=1e-6, abs=1e-9)
    assert found == sorted(found, key=lambda match: (match[2], match[0]))
    assert len({i for i, _, _ in found}) == len(found) == min(k, len(expected))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("part", [1, 1000, 65_536])
def test_nearest_rows_agree_with_scikit_learn(monkeypatch: pytest.MonkeyPatch, part: int, distance: Any) -> None:
    monkeypatch.setattr(query, "_PART", part)
    vectors = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    index = NearestNeighbors(n_neighbors=11, metric=distance, algorithm="brute").fit(vectors)
    distances, rows = index.kneighbors(vectors[:5])
    for row in range(5):
        found = nearest_rows([(0, vectors)], vectors[row], k=10, distance=distance, skipped=np.arange(500) == row)
        assert [other for other, _, _ in found] == rows[row, 1:].tolist()
        assert [away for _, _, away in found] == pytest.approx(distances[row, 1:], abs=1e-5)


def test_cosines_of_zero_and_broken_rows() -> None:
    vectors = np.array([[1, 0], [0, 0], [np.nan, 1], [-2, 0], [np.inf, 0], [1e-30, 0]], dtype=np.float32)
    np.testing.assert_array_equal(cosines(vectors, vectors[0]), [1, 0, np.nan, -1, np.nan, 0])
    np.testing.assert_array_equal(cosines(vectors, vectors[1]), [0, 0, np.nan, 0, np.nan, 0])
    np.testing.assert_array_equal(cosines(vectors[:2], vectors[0], undirected=np.nan), [1, np.nan])
    assert np.isnan(cosines(vectors, vectors[2])).all()
