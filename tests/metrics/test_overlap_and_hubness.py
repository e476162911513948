"""Overlap of neighbors and hubness against sets and spaces with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_examples import Floats, cloud
from scipy.stats import ortho_group

from visualdl_embedding.core.neighbors import Neighbors, nearest_neighbors
from visualdl_embedding.metrics import (
    hubness,
    neighbor_overlap,
)


def unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def graph_of(indices: list[list[int]]) -> Neighbors:
    return Neighbors(np.array(indices, np.int32), np.zeros(np.shape(indices), np.float32), "cosine")


def test_overlap_counts_shared_neighbors_in_any_order() -> None:
    a = graph_of([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
    b = graph_of([[3, 1, 2], [4, 0, 5], [7, 8, 9], [2, 1, 9]])
    overlap = neighbor_overlap(a, b)
    assert overlap.dtype == np.float32
    np.testing.assert_allclose(overlap, [1, 1 / 3, 0, 2 / 3], rtol=1e-6)


def test_the_wider_graph_is_cut() -> None:
    a, b = graph_of([[1, 2, 3]] * 2), graph_of([[3]] * 2)
    np.testing.assert_array_equal(neighbor_overlap(a, b), [0, 0])
    np.testing.assert_array_equal(neighbor_overlap(b, graph_of([[3, 1]] * 2)), [1, 1])


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 40), k=st.integers(1, 10))
def test_overlap_is_that_of_sets(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    k = min(k, n - 1)
    a, b = (graph_of([rng.permutation(np.delete(np.arange(n), i))[:k].tolist() for i in range(n)]) for _ in "ab")
    expected = [len({*x} & {*y}) / k for x, y in zip(a.indices.tolist(), b.indices.tolist(), strict=True)]
    np.testing.assert_allclose(neighbor_overlap(a, b), expected, rtol=1e-6)
    np.testing.assert_array_equal(neighbor_overlap(a, b), neighbor_overlap(b, a))


def test_turning_the_space_keeps_every_neighbor() -> None:
    vectors = cloud(300, 10)
    turned = (vectors @ ortho_group.rvs(10, random_state=0) * 3).astype(np.float32)
    assert neighbor_overlap(nearest_neighbors(vectors), nearest_neighbors(turned)).mean() > 0.999


def test_overlap_of_different_rows_is_refused_and_of_nothing_unknown() -> None:
    with pytest.raises(ValueError, match="same number of rows, not 2 and 3"):
        neighbor_overlap(graph_of([[1]] * 2), graph_of([[1]] * 3))
    empty = nearest_neighbors(np.ones((1, 2), np.float32))
    assert np.isnan(neighbor_overlap(empty, empty)).tolist() == [True]


def test_hubs_grow_with_dimension_and_a_star_is_one() -> None:
    rng = np.random.default_rng(0)
    balls = [rng.normal(size=(2000, d)).astype(np.float32) for d in (3, 100)]
    low, high = (hubness(nearest_neighbors(ball, distance="euclidean")) for ball in balls)
    assert abs(low) < 1 < 2 < high
    star = graph_of([[1]] + [[0]] * 99)
    assert hubness(star) > 9


def test_hubness_of_a_ring_is_zero_and_of_nothing_unknown() -> None:
    assert hubness(graph_of([[1], [2], [3], [0]])) == 0
    assert np.isnan(hubness(nearest_neighbors(np.ones((1, 2), np.float32))))
