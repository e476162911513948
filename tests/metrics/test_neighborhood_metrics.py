"""Trustworthiness, continuity, overlap and hubness against scikit-learn, SciPy and spaces with known answers."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_examples import DISTANCES, Floats, cloud
from scipy.spatial.distance import cdist
from scipy.stats import ortho_group
from sklearn import manifold

from visualdl_embedding.core.distance import usable_rows
from visualdl_embedding.core.neighbors import Distance, Neighbors, nearest_neighbors
from visualdl_embedding.metrics import (
    continuity,
    projection_quality,
    trustworthiness,
)
from visualdl_embedding.metrics._ranks import (
    compiled,
    count_nearer_in_layout,
    count_nearer_in_space,
    nearest_in_layout,
    ranks_in_space,
)


def blurred_map(vectors: Floats, *, seed: int = 0, n_components: int = 2) -> Floats:
    """Two of the columns with noise: neither faithful nor random."""
    noise = np.random.default_rng(seed).normal(size=(len(vectors), n_components))
    return (vectors[:, :n_components] + 0.2 * noise).astype(np.float32)


def unit(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def quality(vectors: Floats, coordinates: Floats, **options: Any) -> Any:
    k = options.get("n_neighbors", 15)
    graph = nearest_neighbors(vectors, k, distance=options.get("distance", "cosine"))
    return projection_quality(vectors, {"map": coordinates}, graph, **options)["map"]


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("n", "d", "k", "c"), [(400, 16, 15, 2), (1500, 40, 5, 3), (60, 100, 29, 2), (200, 8, 1, 1)])
def test_trustworthiness_is_scikit_learns(distance: Distance, n: int, d: int, k: int, c: int) -> None:
    vectors = cloud(n, d, seed=n)
    coordinates = blurred_map(vectors, n_components=c)
    expected = manifold.trustworthiness(vectors, coordinates, n_neighbors=k, metric=distance)
    assert 0.5 < expected < 0.999
    assert trustworthiness(vectors, coordinates, k, distance=distance) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("n", "k"), [(400, 15), (61, 30)])
def test_continuity_is_trustworthiness_with_the_spaces_exchanged(distance: Distance, n: int, k: int) -> None:
    vectors = cloud(n, 16)
    coordinates = blurred_map(vectors)
    # On unit vectors Euclidean distance orders rows as the cosine does.
    space = unit(vectors) if distance == "cosine" else vectors
    expected = manifold.trustworthiness(coordinates, space, n_neighbors=k, metric="euclidean")
    assert 0.5 < expected < 0.999
    assert continuity(vectors, coordinates, k, distance=distance) == pytest.approx(expected, abs=2e-6)


def test_a_space_that_is_its_own_map_is_perfect() -> None:
    points = cloud(300, 2)
    assert trustworthiness(points, points, distance="euclidean") == 1
    assert continuity(points, points, distance="euclidean") == 1


def test_a_random_map_scores_about_one_half() -> None:
    vectors = np.random.default_rng(0).normal(size=(2000, 20)).astype(np.float32)
    found = quality(vectors, np.random.default_rng(1).normal(size=(2000, 2)).astype(np.float32))
    assert found.trustworthiness == pytest.approx(0.5, abs=0.02)
    assert found.continuity == pytest.approx(0.5, abs=0.02)


def test_torn_and_folded_maps_fail_differently() -> None:
    """Folding a line in two brings strangers together; cutting it apart separates neighbors."""
    line = np.linspace(0, 1, 401, dtype=np.float32)[:, None]
    folded = quality(line, np.abs(line - 0.5), distance="euclidean", n_neighbors=10)
    torn = quality(line, np.where(line < 0.5, line, line + 5), distance="euclidean", n_neighbors=10)
    assert folded.trustworthiness < 0.9 < 0.95 < folded.continuity
    assert torn.trustworthiness > 0.99
    middle = slice(196, 206)
    assert torn.row_continuity[middle].mean() < torn.row_continuity[:100].mean()


def test_rows_average_to_the_whole_and_one_pass_serves_all_projections() -> None:
    vectors = cloud(500, 12)
    maps = {"a": blurred_map(vectors), "b": blurred_map(vectors, seed=7, n_components=3), "c": vectors[:, -1:]}
    found = projection_quality(vectors, maps, nearest_neighbors(vectors, 40), n_neighbors=10)
    assert list(found) == ["a", "b", "c"]
    for name, coordinates in maps.items():
        one = found[name]
        assert one.trustworthiness == trustworthiness(vectors, coordinates, 10)
        assert one.continuity == continuity(vectors, coordinates, 10)
        assert one.row_trustworthiness.dtype == one.row_continuity.dtype == np.float32
        assert one.row_trustworthiness.mean(dtype=np.float64) == pytest.approx(one.trustworthiness, abs=1e-6)
        assert one.row_continuity.mean(dtype=np.float64) == pytest.approx(one.continuity, abs=1e-6)
        assert (one.rows_used, one.n_neighbors) == (500, 10)
    assert found["a"].trustworthiness != found["b"].trustworthiness


def test_a_single_lost_row_is_found() -> None:
    points = cloud(200, 2, clusters=1)
    moved = points.copy()
    moved[17] += 100
    found = quality(points, moved, distance="euclidean")
    assert found.row_continuity.argmin() == 17
    assert found.row_continuity[17] < 0.6 < 0.9 < np.delete(found.row_continuity, 17).min()


def test_sampled_rows_are_ranked_among_all_and_the_seed_decides() -> None:
    vectors = cloud(1200, 12)
    coordinates = blurred_map(vectors)
    whole = quality(vectors, coordinates)
    part = quality(vectors, coordinates, max_rows=300)
    used = np.isfinite(part.row_trustworthiness)
    assert part.rows_used == used.sum() == np.isfinite(part.row_continuity).sum() == 300
    np.testing.assert_array_equal(part.row_trustworthiness[used], whole.row_trustworthiness[used])
    np.testing.assert_array_equal(part.row_continuity[used], whole.row_continuity[used])
    assert part.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)
    again = quality(vectors, coordinates, max_rows=300)
    other = quality(vectors, coordinates, max_rows=300, random_state=1)
    assert again.trustworthiness == part.trustworthiness != other.trustworthiness
    estimates = [quality(vectors, coordinates, max_rows=100, random_state=s).trustworthiness for s in range(40)]
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert np.mean(estimates) == pytest.approx(whole.trustworthiness, abs=4 * error)


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_few_rows_lower_the_neighborhood(n: int, d: int, distance: Distance) -> None:
    vectors = np.random.default_rng(n).normal(size=(n, d)).astype(np.float32)
    found = quality(vectors, vectors[:, :1], distance=distance)
    assert found.n_neighbors == (n - 1) // 2
    assert found.row_trustworthiness.shape == found.row_continuity.shape == (n,)
    if n < 3:
        assert np.isnan([found.trustworthiness, found.continuity]).all()
        assert np.isnan(found.row_trustworthiness).all()
        assert found.rows_used == 0
        assert np.isnan(trustworthiness(vectors, vectors))
        assert np.isnan(continuity(vectors, vectors))
    else:
        assert 0 <= found.trustworthiness <= 1
        assert 0 <= found.continuity <= 1


def test_the_lowered_neighborhood_is_scikit_learns_largest() -> None:
    vectors = cloud(20, 5)
    coordinates = blurred_map(vectors)
    expected = manifold.trustworthiness(vectors, coordinates, n_neighbors=9, metric="cosine")
    assert trustworthiness(vectors, coordinates, 15) == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("distance", DISTANCES)
def test_equal_rows_are_all_equally_near(distance: Distance) -> None:
    vectors = np.tile(np.float32([0.3, -1.7, 2.9]), (50, 1))
    found = quality(vectors, cloud(50, 2), distance=distance)
    assert found.trustworthiness == 1
    found = quality(cloud(50, 3), np.full((50, 2), 0.1, np.float32), distance=distance)
    assert found.continuity == 1
    assert 0 <= found.trustworthiness <= 1


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("n", "d"), [(50, 64), (77, 64), (101, 33), (333, 64), (700, 129)])
def test_duplicates_are_near_at_any_position_in_the_table(n: int, d: int, distance: Distance) -> None:
    """Rounding differs between the columns of a matrix product; equal rows must be equally near all the same."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    clump = rng.choice(n, 2 * n // 3, replace=False)
    vectors[clump] = vectors[clump[0]]
    layout = rng.normal(size=(n, 2)).astype(np.float32)
    layout[clump] += 1000
    assert (quality(vectors, layout, distance=distance).row_trustworthiness[clump] == 1).all()
    for n_queries in (1, 2, 5):
        candidates = np.tile(clump[n_queries:].astype(np.int32), (n_queries, 1))
        assert (ranks_in_space(vectors, clump[:n_queries], candidates, distance=distance) == 1).all()


def test_a_collapsed_space_keeps_its_order() -> None:
    """Rows a thousandth apart around a common mean: 1 - cosine is about 1e-6, beyond a float32 product's digits."""
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=64) + 1e-3 * rng.normal(size=(400, 64))).astype(np.float32)
    layout = (1e3 * (vectors[:, :2] - vectors[:, :2].mean(axis=0))).astype(np.float32)
    exact = cdist(unit(vectors.astype(np.float64)), unit(vectors.astype(np.float64)))
    expected = manifold.trustworthiness(exact, layout, n_neighbors=15, metric="precomputed")
    assert trustworthiness(vectors, layout) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("scale", "distance"),
    [(1e-30, "euclidean"), *((scale, distance) for scale in (1e-17, 1e-12, 1e12, 1e30) for distance in DISTANCES)],
)
def test_units_do_not_matter(scale: float, distance: Distance) -> None:
    vectors = cloud(100, 8)
    layout = blurred_map(vectors)
    expected = quality(vectors, layout, distance=distance).trustworthiness
    assert trustworthiness(vectors * np.float32(scale), layout, distance=distance) == pytest.approx(expected, abs=1e-6)
    scaled = quality(vectors, layout * np.float32(scale), distance=distance)
    assert scaled.trustworthiness == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("length", [0.0, 1e-30])
def test_rows_without_a_direction_are_refused_by_cosine(length: float) -> None:
    vectors = cloud(200, 6)
    layout = blurred_map(vectors)
    vectors[:3] *= np.float32(length)
    with pytest.raises(ValueError, match="3 zero or shorter than"):
        trustworthiness(vectors, layout)
    assert trustworthiness(vectors, layout, distance="euclidean") > 0.5


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(3, 60), d=st.integers(1, 5), distance=st.sampled_from(DISTANCES))
def test_bounds_and_row_order(seed: int, n: int, d: int, distance: Distance) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-2, 3, size=(n, d)).astype(np.float32)
    vectors[~usable_rows(vectors, distance), 0] = 1
    layout = rng.integers(-1, 2, size=(n, 2)).astype(np.float32)
    found = quality(vectors, layout, distance=distance, n_neighbors=5)
    for rows in (found.row_trustworthiness, found.row_continuity):
        assert (rows >= 0).all()
        assert (rows <= 1).all()
    vectors, layout = cloud(n, d, seed=seed), cloud(n, 2, seed=seed + 1)
    order = rng.permutation(n)
    before, after = (
        quality(v, m, distance="euclidean", n_neighbors=5)
        for v, m in ((vectors, layout), (vectors[order], layout[order]))
    )
    np.testing.assert_allclose(before.row_trustworthiness[order], after.row_trustworthiness, atol=0.02)
    assert before.continuity == pytest.approx(after.continuity, abs=0.01)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), distance=st.sampled_from(DISTANCES))
def test_rotating_the_space_or_moving_the_map_changes_nothing(seed: int, distance: Distance) -> None:
    vectors = cloud(150, 6, seed=seed)
    layout = blurred_map(vectors, seed=seed)
    turned = (vectors @ ortho_group.rvs(6, random_state=seed % 2**31)).astype(np.float32)
    moved = (3 * layout @ ortho_group.rvs(2, random_state=seed % 2**31) + 5).astype(np.float32)
    before, after = (quality(v, m, distance=distance) for v, m in ((vectors, layout), (turned, moved)))
    assert after.trustworthiness == pytest.approx(before.trustworthiness, abs=1e-3)
    assert after.continuity == pytest.approx(before.continuity, abs=1e-3)


def test_compiled_loops_count_what_their_definition_says() -> None:
    rng = np.random.default_rng(0)
    similarity = rng.integers(0, 5, size=(4, 30)).astype(np.float32)
    candidates = rng.integers(0, 30, size=(4, 3)).astype(np.int32)
    tolerance = np.full((4, 3), 0.5, np.float32)
    chosen = np.take_along_axis(similarity, candidates, 1)
    expected = (similarity[:, None] > chosen[:, :, None] + 0.5).sum(axis=2)
    for loop in (count_nearer_in_space, compiled(count_nearer_in_space)):
        np.testing.assert_array_equal(loop(similarity, candidates, tolerance), expected)
    points = rng.normal(size=(30, 3)).astype(np.float32)
    queries = np.array([3, 9, 17, 0])
    candidates = np.array([[1, 2], [2, 29], [4, 5], [8, 9]], np.int32)
    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    expected = (distances[queries][:, None] < distances[queries[:, None], candidates][:, :, None]).sum(axis=2)
    for other in (count_nearer_in_layout, compiled(count_nearer_in_layout)):
        np.testing.assert_array_equal(other(np.ascontiguousarray(points.T), queries, candidates), expected)


def test_a_row_is_never_its_own_neighbor_on_the_map() -> None:
    layout = np.repeat(np.float32([[0, 0], [1, 1]]), 25, axis=0)
    rows = np.arange(50)
    found = nearest_in_layout(layout, rows, 10)
    assert found.shape == (50, 10)
    assert (found != rows[:, None]).all()
    assert (found // 25 == rows[:, None] // 25).all()
    assert all(len(set(row)) == 10 for row in found.tolist())


def test_memory_stays_far_below_n_squared() -> None:
    n = 20_000
    vectors = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    graph = Neighbors(
        ((np.arange(n)[:, None] + np.arange(1, 6)) % n).astype(np.int32), np.zeros((n, 5), "f4"), "cosine"
    )
    maps = {"map": vectors[:, :2]}
    projection_quality(vectors[:100], {"map": vectors[:100, :2]}, nearest_neighbors(vectors[:100], 5), n_neighbors=5)
    tracemalloc.start()
    try:
        projection_quality(vectors, maps, graph, n_neighbors=5, max_rows=n)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * n * n / 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": np.zeros((0, 3), np.float32)}, r"non-empty \(n, d\)"),
        ({"vectors": np.float32([[1, np.nan, 0]] * 9)}, "9 of 9 rows of vectors contain NaN or inf"),
        ({"projections": {"tsne": np.full((9, 2), np.inf, np.float32)}}, "rows of tsne contain NaN or inf"),
        ({"projections": {"tsne": np.ones((8, 2), np.float32)}}, "tsne must have 9 rows like the vectors, not 8"),
        ({"n_neighbors": 0}, "n_neighbors must be at least 1, not 0"),
        ({"max_rows": 0}, "max_rows must be at least 1, not 0"),
        ({"distance": "manhattan"}, "distance must be one of cosine, euclidean, not 'manhattan'"),
        ({"distance": "euclidean"}, "neighbors must use the distance 'euclidean', not 'cosine'"),
        ({"neighbors": nearest_neighbors(cloud(8, 3), 4)}, "neighbors must have 9 rows like the vectors, not 8"),
        (
            {"neighbors": nearest_neighbors(cloud(9, 3), 2)},
            r"at least 4 neighbors per row, not 2; .* nearest_neighbors\(vectors, 4\)",
        ),
    ],
)
def test_wrong_arguments_are_explained(change: dict[str, Any], message: str) -> None:
    vectors = cloud(9, 3)
    arguments: dict[str, Any] = {
        "vectors": vectors,
        "projections": {"tsne": vectors[:, :2]},
        "neighbors": nearest_neighbors(vectors, 4),
        "n_neighbors": 4,
    }
    with pytest.raises(ValueError, match=message):
        projection_quality(**(arguments | change))


def test_without_projections_nothing_is_computed() -> None:
    vectors = cloud(9, 3)
    assert projection_quality(vectors, {}, nearest_neighbors(vectors, 4), n_neighbors=4) == {}
