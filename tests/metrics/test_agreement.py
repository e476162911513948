"""How far maps agree, and which clusters are only seen on one of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

import visualdl_embedding.metrics.agreement as agreement_module
from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.metrics.agreement import clusters, map_agreement, map_clusters, stability
from visualdl_embedding.projection import project


def cloud(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def blobs(n: int, d: int, n_blobs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 1])
    member = rng.integers(0, n_blobs, n)
    return cloud(n, d, seed) + 1.5 * rng.normal(size=(n_blobs, d)).astype(np.float32)[member], member


def shared(a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """Share of Euclidean neighbors in common, one row at a time."""
    lists = [NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False) for x in (a, b)]
    return np.array([len(set(p) & set(q)) / k for p, q in zip(*lists, strict=True)])


def test_shares_are_those_counted_one_by_one() -> None:
    vectors, one, two = cloud(120, 10), cloud(120, 2, 1), cloud(120, 3, 2)
    graph = nearest_neighbors(vectors, 20, distance="euclidean")
    found = map_agreement({"a": one, "b": two}, graph, n_neighbors=10)
    np.testing.assert_allclose(found.with_space["a"], shared(vectors, one, 10), atol=1e-6)
    np.testing.assert_allclose(found.between["a", "b"], shared(one, two, 10), atol=1e-6)
    np.testing.assert_allclose(
        found.row, (found.with_space["a"] + found.with_space["b"] + found.between["a", "b"]) / 3, atol=1e-6
    )
    assert found.row.dtype == np.float32
    assert (found.n_neighbors, found.chance) == (10, 10 / 119)
    np.testing.assert_allclose(stability([one, two], 10), shared(one, two, 10), atol=1e-6)


def test_a_map_that_is_the_space_agrees_wholly_and_an_unrelated_one_by_chance() -> None:
    vectors = cloud(1000, 2)
    graph = nearest_neighbors(vectors, 15, distance="euclidean")
    found = map_agreement({"same": vectors, "other": cloud(1000, 2, 5)}, graph)
    assert found.with_space["same"].min() == 1
    assert found.with_space["other"].mean() == pytest.approx(found.chance, abs=0.005)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31 - 1), n=st.integers(1, 40), k=st.integers(1, 50), angle=st.floats(0, 6))
def test_a_turn_a_shift_and_a_scale_of_a_map_change_nothing(seed: int, n: int, k: int, angle: float) -> None:
    one, two = cloud(n, 2, seed), cloud(n, 2, seed + 1)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    before, after = stability([one, two], k), stability([one, 3 * two @ turn + 5], k)
    assert before.shape == (n,)
    if n == 1:
        assert np.isnan(before).all()
    else:
        assert ((before >= 0) & (before <= 1)).all()
        # A tie that rounding breaks otherwise changes one neighbor.
        assert np.abs(before - after).max() <= 1 / min(k, n - 1) + 1e-6


def test_stability_is_the_mean_over_all_pairs() -> None:
    maps = [cloud(80, 2, seed) for seed in range(3)]
    pairs = [stability([maps[a], maps[b]], 7) for a, b in ((0, 1), (0, 2), (1, 2))]
    np.testing.assert_allclose(stability(maps, 7), np.mean(pairs, axis=0), atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows(n: int) -> None:
    graph = nearest_neighbors(cloud(n, 4), 15)
    found = map_agreement({"pca": cloud(n, 2)}, graph)
    assert found.row.shape == (n,)
    assert np.isnan(found.row).all() == (n == 1)
    assert clusters(cloud(n, 4)).tolist() == [-1] * n
    assert map_clusters({"pca": cloud(n, 2)}, graph) == ()


def test_maps_with_all_points_in_one_place() -> None:
    graph = nearest_neighbors(np.ones((30, 4), np.float32), 15)
    found = map_agreement({"pca": np.zeros((30, 2))}, graph)
    assert np.isfinite(found.row).all()
    assert map_clusters({"pca": np.zeros((30, 2))}, graph) == ()
    assert set(clusters(np.ones((30, 4), np.float32))) == {-1}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, g: map_agreement({"a": m[:-1]}, g), "graph has the 40 usable rows"),
        (lambda m, g: map_agreement({"a": m * np.nan}, g), r"coordinates\[snapshot.usable\(distance\)\]"),
        (lambda m, g: map_agreement({"a": m}, g, n_neighbors=0), "at least 1"),
        (lambda m, g: stability([m]), "at least 2"),
        (lambda m, g: stability([m, m[:-1]]), "same rows"),
        (lambda m, g: clusters(m, min_cluster_size=1), "at least 2"),
        (lambda m, g: clusters(m, distance="x"), "distance must be one of"),
        (lambda m, g: map_clusters({"a": m}, g, methods={}), "must have an entry for the maps"),
    ],
)
def test_wrong_arguments_are_explained(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call(cloud(40, 2), nearest_neighbors(cloud(40, 8), 15))


@pytest.mark.parametrize(("n", "d"), [(300, 50), (400, 300), (2000, 40)])
def test_clusters_that_are_there_are_found(n: int, d: int) -> None:
    vectors, member = blobs(n, d, 6)
    found = clusters(vectors)
    clustered = found >= 0
    assert clustered.mean() > 0.7
    assert adjusted_rand_score(member[clustered], found[clustered]) > 0.99
    sizes = np.bincount(found[found >= 0])
    assert (np.diff(sizes) <= 0).all()


def test_a_gaussian_space_holds_no_clusters_worth_the_name() -> None:
    many = [int(clusters(cloud(1500, 100, seed)).max()) + 1 for seed in range(6)]
    assert np.median(many) == 0


def test_large_spaces_are_clustered_by_a_sample_and_the_rest_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, member = blobs(3000, 30, 5)
    outlier = np.vstack([vectors, -40 * np.ones((1, 30))]).astype(np.float32)
    monkeypatch.setattr(agreement_module, "MAX_CLUSTERED", 600)
    found = clusters(outlier, random_state=1)
    assert adjusted_rand_score(member, found[:-1]) > 0.9
    assert found[-1] == -1
    assert np.array_equal(found, clusters(outlier, random_state=1))


def test_order_of_rows_does_not_change_clusters() -> None:
    vectors, _ = blobs(400, 30, 4)
    order = np.random.default_rng(0).permutation(400)
    assert adjusted_rand_score(clusters(vectors)[order], clusters(vectors[order])) > 0.98


def test_an_invented_cluster_is_doubtful_and_a_real_one_is_not() -> None:
    vectors, member = blobs(400, 40, 4)
    graph = nearest_neighbors(vectors, 15)
    pca = project(vectors, method="pca").coordinates
    island = pca.copy()
    invented = np.arange(0, 400, 10)
    island[invented] = 100 + 0.1 * cloud(40, 2)
    found = map_clusters({"pca": pca, "tsne": island}, graph)
    doubtful = [cluster for cluster in found if cluster.doubtful]
    assert len(doubtful) == 1
    assert doubtful[0].key == "tsne"
    assert set(doubtful[0].rows) == set(invented)
    assert max(doubtful[0].support.values()) < 0.3
    real = [cluster for cluster in found if not cluster.doubtful]
    assert len(real) >= 4
    for cluster in real:
        assert len(set(member[cluster.rows])) <= 2
        assert cluster.support["space"] > 0.5


def test_two_maps_of_one_method_are_not_independent_evidence() -> None:
    vectors = cloud(300, 40)
    graph = nearest_neighbors(vectors, 15)
    island = cloud(300, 2, 1)
    island[:30] = 100 + 0.1 * island[:30]
    maps = {"tsne": island, "tsne_seed_7": island + 0.01 * cloud(300, 2, 2)}
    assert {tuple(c.rows) for c in map_clusters(maps, graph) if c.doubtful} == {tuple(range(30))}
    vouched = map_clusters(maps, graph, methods={"tsne": "one", "tsne_seed_7": "other"})
    assert [cluster.doubtful for cluster in vouched] == [False, False]


def test_islands_of_tsne_in_a_space_without_structure_are_doubtful() -> None:
    vectors = cloud(500, 100)
    graph = nearest_neighbors(vectors, 90)
    maps = {
        "tsne": project(vectors, method="tsne", neighbors=graph, perplexity=5).coordinates,
        "pca": project(vectors, method="pca").coordinates,
    }
    found = map_clusters(maps, graph)
    assert len(found) >= 3
    assert np.mean([cluster.doubtful for cluster in found]) > 0.9
