"""Norms and mean cosine against scikit-learn and known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.metrics.pairwise import cosine_similarity

from visualdl_embedding.metrics import mean_cosine, norms


def test_norms_are_numpys() -> None:
    vectors = np.random.default_rng(0).normal(size=(9001, 7)).astype(np.float32)
    found = norms(vectors)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.linalg.norm(vectors.astype(np.float64), axis=1), rtol=1e-6)


def test_norms_neither_overflow_nor_vanish() -> None:
    largest = np.finfo(np.float32).max
    vectors = np.float32([[3e30, 4e30], [3e-30, 4e-30], [0, 0], [largest, largest]])
    np.testing.assert_allclose(norms(vectors), [5e30, 5e-30, 0, largest], rtol=1e-6)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31 - 1), n=st.integers(2, 50), d=st.integers(1, 8), mean=st.floats(-3, 3))
def test_mean_cosine_is_that_of_all_pairs(seed: int, n: int, d: int, mean: float) -> None:
    vectors = (np.random.default_rng(seed).normal(size=(n, d)) + mean).astype(np.float32)
    expected = cosine_similarity(vectors.astype(np.float64))[~np.eye(n, dtype=bool)].mean()
    found = mean_cosine(vectors)
    assert found == pytest.approx(expected, abs=1e-9)
    assert -1 <= found <= 1
    turned = (5 * vectors @ ortho_group.rvs(d, random_state=seed) if d > 1 else -vectors).astype(np.float32)
    assert mean_cosine(turned[::-1]) == pytest.approx(found, abs=1e-5)


def test_known_answers() -> None:
    assert mean_cosine(np.eye(4, dtype=np.float32)) == pytest.approx(0, abs=1e-12)
    assert mean_cosine(np.float32([[1, 0], [-1, 0]])) == -1
    assert mean_cosine(np.float32([[1, 0], [-5, 0], [0, 3], [0, -2]])) == pytest.approx(-1 / 3)
    assert mean_cosine(np.tile(np.float32([0.1, 0.7, -3]), (9000, 1))) == pytest.approx(1, abs=1e-12)
    assert mean_cosine(np.float32([[1e30, 0], [1e-18, 1e-18]])) == pytest.approx(np.sqrt(0.5), rel=1e-6)


def test_zero_rows_have_no_direction() -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    padded = np.vstack([vectors, np.zeros((5, 4), np.float32)])
    assert mean_cosine(padded) == pytest.approx(mean_cosine(vectors), abs=1e-12)


@pytest.mark.parametrize("rows", [[[1, 2]], [[0, 0]], [[1, 2], [0, 0]], [[0, 0], [0, 0], [0, 0]]])
def test_fewer_than_two_directions_have_no_mean(rows: list[list[float]]) -> None:
    assert np.isnan(mean_cosine(np.array(rows, np.float32)))


@pytest.mark.parametrize("function", [norms, mean_cosine])
def test_invalid_vectors_are_refused(function: object) -> None:
    with pytest.raises(ValueError, match="contain NaN or inf"):
        function(np.float32([[np.nan, 1]]))  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"must be a non-empty \(n, d\) array, not one of shape \(3,\)"):
        function(np.ones(3, np.float32))  # type: ignore[operator]
