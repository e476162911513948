from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.neighbors import NearestNeighbors

from visualdl_embedding.core.neighbors import DISTANCES, Distance, nearest_neighbors

SPACE = np.random.default_rng(0).normal(size=(500, 12)).astype(np.float32)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_exact_neighbors_are_those_of_scikit_learn(distance: str) -> None:
    found = nearest_neighbors(SPACE, 15, distance=distance)
    oracle = NearestNeighbors(n_neighbors=15, metric=distance, algorithm="brute").fit(SPACE)
    distances, indices = oracle.kneighbors()
    assert np.mean(found.indices == indices) > 0.999
    assert np.allclose(found.distances, distances, atol=1e-4)
    assert found.exact


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_approximate_neighbors_are_mostly_right(distance: str) -> None:
    exact = nearest_neighbors(SPACE, 15, distance=distance)
    found = nearest_neighbors(SPACE, 15, distance=distance, exact=False)
    shared = [len(set(a) & set(b)) / 15 for a, b in zip(exact.indices, found.indices, strict=True)]
    assert np.mean(shared) > 0.94
    assert not found.exact
    assert np.array_equal(found.indices, nearest_neighbors(SPACE, 15, distance=distance, exact=False).indices)


@pytest.mark.parametrize("exact", [True, False])
def test_a_row_is_never_its_own_neighbor_even_among_duplicates(exact: bool) -> None:
    twins = np.repeat(SPACE[:40], 5, axis=0)
    found = nearest_neighbors(twins, 8, exact=exact)
    assert not (found.indices == np.arange(200)[:, None]).any()
    assert (np.diff(found.distances, axis=1) >= -1e-6).all()
    assert all(len(set(row)) == 8 for row in found.indices)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31 - 1))
def test_a_rotation_changes_no_neighbor(seed: int) -> None:
    turned = (SPACE[:100] @ ortho_group.rvs(12, random_state=seed)).astype(np.float32)
    a, b = (nearest_neighbors(v, 10, distance="euclidean").indices for v in (SPACE[:100], turned))
    assert np.mean(a == b) > 0.99


def test_fewer_rows_than_neighbors() -> None:
    assert nearest_neighbors(SPACE[:4], 15).indices.shape == (4, 3)
    assert nearest_neighbors(SPACE[:1], 15).indices.shape == (1, 0)


def test_the_first_of_a_graph_are_its_nearest() -> None:
    wide, narrow = nearest_neighbors(SPACE, 30), nearest_neighbors(SPACE, 5)
    assert np.array_equal(wide.first(5).indices, narrow.indices)


@pytest.mark.parametrize("length", [0.0, 1e-30, np.nan])
def test_rows_without_a_direction_are_refused_by_cosine(length: float) -> None:
    space = SPACE[:50].copy()
    space[[0, 7]] *= length
    with pytest.raises(
        ValueError, match=r"Rows without a cosine distance among 50: . with NaN or inf, . zero or shorter than 1.1e-19"
    ):
        nearest_neighbors(space, 5)


def test_a_zero_row_has_euclidean_neighbors() -> None:
    space = SPACE[:50].copy()
    space[0] = 0
    found = nearest_neighbors(space, 5, distance="euclidean")
    assert np.allclose(found.distances[0], np.sort(np.linalg.norm(space[1:], axis=1))[:5])


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("distance", DISTANCES)
def test_squares_that_overflow_change_no_neighbor(distance: Distance, exact: bool) -> None:
    found = nearest_neighbors(SPACE * np.float32(1e30), 15, distance=distance, exact=exact)
    expected = nearest_neighbors(SPACE, 15, distance=distance, exact=exact)
    assert np.mean(found.indices == expected.indices) > 0.99
    assert np.allclose(found.distances / (1e30 if distance == "euclidean" else 1), expected.distances, atol=1e-4)


def test_memory_does_not_grow_with_the_square() -> None:
    import tracemalloc

    space = np.random.default_rng(0).normal(size=(12_000, 8)).astype(np.float32)
    tracemalloc.start()
    nearest_neighbors(space, 15)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


@pytest.mark.parametrize(
    ("vectors", "arguments", "message"),
    [
        (np.zeros((0, 3), np.float32), {}, "non-empty"),
        (np.zeros(3, np.float32), {}, r"\(n, d\)"),
        (SPACE, {"distance": "l1"}, "distance must be one of cosine, euclidean, not 'l1'"),
    ],
)
def test_wrong_arguments(vectors: np.ndarray, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nearest_neighbors(vectors, **arguments)
