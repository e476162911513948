"""Groups of rows that are equal within the resolution of their values."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visualdl_embedding.core.duplicates import equal_rows, groups_of, representatives

Distance = Literal["cosine", "euclidean"]


def gaussian(n: int, d: int = 16, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31 - 1), n=st.integers(1, 60), d=st.integers(1, 4))
def test_equal_rows_are_those_that_numpy_finds(seed: int, n: int, d: int) -> None:
    vectors = np.random.default_rng(seed).integers(-1, 2, size=(n, d)).astype(np.float32)
    _, inverse, counts = np.unique(vectors, axis=0, return_inverse=True, return_counts=True)
    expected = {tuple(np.flatnonzero(inverse.ravel() == i)) for i in np.flatnonzero(counts > 1)}
    assert {tuple(group) for group in groups_of(equal_rows(vectors))} == expected


def test_minus_zero_is_zero_and_larger_groups_come_first() -> None:
    vectors = gaussian(100, 6)
    vectors[10:13] = vectors[10]
    vectors[50] = vectors[51] = [0, 1, 2, 3, 4, 5]
    vectors[51, 0] = -0.0
    assert [group.tolist() for group in groups_of(equal_rows(vectors))] == [[10, 11, 12], [50, 51]]


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e25])
def test_hundreds_of_rows_within_rounding_are_one_group(distance: Distance, scale: float) -> None:
    vectors = gaussian(500, 64)
    vectors[200:] = vectors[200] * (1 + 3e-8 * np.random.default_rng(1).normal(size=(300, 64)))
    assert len(np.unique(vectors[200:], axis=0)) > 100
    groups = groups_of(representatives(vectors * np.float32(scale), distance))
    assert [group.tolist() for group in groups] == [list(range(200, 500))]


def test_a_multiple_coincides_by_cosine_only() -> None:
    vectors = gaussian(50)
    vectors[7] = 3 * vectors[3]
    assert representatives(vectors, "cosine")[7] == 3
    assert representatives(vectors, "euclidean")[7] == 7


def test_the_resolution_is_that_of_the_dtype() -> None:
    vectors = gaussian(50, 64).astype(np.float16).astype(np.float32)
    vectors[9] = np.nextafter(vectors[4].astype(np.float16), np.float16(9)).astype(np.float32)
    assert representatives(vectors, "euclidean")[9] == 4
    vectors[0] += np.float32(1e-6)
    vectors[10:] += np.float32(1e-6)
    assert representatives(vectors, "euclidean")[9] == 9


def test_a_chain_of_small_steps_is_not_one_group() -> None:
    angles = np.linspace(0, 1, 2000)
    vectors = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float16).astype(np.float32)
    sizes = [len(group) for group in groups_of(representatives(vectors, "cosine"))]
    assert max(sizes) < 20


def test_rows_of_one_column_are_compared_by_value() -> None:
    assert representatives(np.float32([[1], [2], [-1], [2]]), "cosine").tolist() == [0, 1, 2, 1]
