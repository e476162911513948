"""Neighbor overlap and counts where rows are at equal distances."""

from __future__ import annotations

import time
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from visualdl_embedding.core.neighbors import Neighbors, nearest_neighbors
from visualdl_embedding.core.precision import rounding_errors
from visualdl_embedding.metrics import hubness, neighbor_counts, neighbor_overlap
from visualdl_embedding.metrics._overlap import _may_be_tied
from visualdl_embedding.metrics.agreement import clusters, map_agreement, map_clusters, stability

Distance = Literal["cosine", "euclidean"]


def gaussian(n: int = 200, d: int = 16, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def copies(n: int = 300, of: int = 500) -> np.ndarray:
    vectors = gaussian(of)
    vectors[:n] = vectors[0]
    return vectors


def shuffled(vectors: np.ndarray, distance: Distance, *, seed: int) -> Neighbors:
    """Graph of the vectors in another order of equal distances."""
    order = np.random.default_rng(seed).permutation(len(vectors))
    back = np.argsort(order)
    graph = nearest_neighbors(vectors[order], 15, distance=distance)
    return Neighbors(order[graph.indices[back]].astype(np.int32), graph.distances[back], distance)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_untouched_copies_keep_their_neighbors(distance: Distance) -> None:
    vectors = copies()
    a, b = (shuffled(vectors, distance, seed=seed) for seed in (1, 2))
    assert neighbor_overlap(a, b)[:300].mean() < 0.5
    assert (neighbor_overlap(a, b, vectors=(vectors, vectors)) == 1).all()


def test_a_collapse_to_one_point_is_no_agreement() -> None:
    vectors, point = gaussian(), np.ones((200, 16), np.float32)
    graphs = nearest_neighbors(vectors), shuffled(point, "cosine", seed=0)
    assert neighbor_overlap(*graphs, vectors=(vectors, point)).mean() < 0.15
    assert neighbor_overlap(*graphs[::-1], vectors=(point, vectors)).mean() < 0.15


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), distance=st.sampled_from(["cosine", "euclidean"]), scale=st.sampled_from([1, 1e30]))
def test_without_ties_vectors_change_nothing(seed: int, distance: Distance, scale: float) -> None:
    a, b = gaussian(seed=seed) * np.float32(scale), (gaussian(seed=seed) + gaussian(seed=seed + 1)) * np.float32(scale)
    graphs = nearest_neighbors(a, distance=distance), nearest_neighbors(b, distance=distance)
    np.testing.assert_array_equal(neighbor_overlap(*graphs, vectors=(a, b)), neighbor_overlap(*graphs))
    np.testing.assert_array_equal(neighbor_counts(graphs[0], a), neighbor_counts(graphs[0]))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 1000),
    distance=st.sampled_from(["cosine", "euclidean"]),
    scale=st.sampled_from([1e-12, 1, 1e30]),
    levels=st.integers(1, 4),
)
def test_a_wider_graph_finds_the_same_ties(seed: int, distance: Distance, scale: float, levels: int) -> None:
    """Rows on a coarse grid have many ties; a wider graph, of either frame, only makes the search shorter."""
    rng = np.random.default_rng(seed)
    a = (rng.integers(1, levels + 1, size=(60, 3)) * np.float32(scale)).astype(np.float32)
    b = np.where(rng.random((60, 1)) < 0.7, a, a[::-1])
    k = int(rng.integers(1, 12))
    wide = [nearest_neighbors(v, k + 1, distance=distance) for v in (a, b)]
    one, two = (graph.first(k) for graph in wide)
    expected = neighbor_overlap(one, two, vectors=(a, b))
    for graphs in ((one, wide[1]), (wide[0], two)):
        np.testing.assert_array_equal(neighbor_overlap(*graphs, vectors=(a, b)), expected)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e30])
def test_only_rows_with_ties_are_searched_for_them(distance: Distance, scale: float) -> None:
    vectors = copies(60, 2000) * np.float32(scale)
    graph, other = nearest_neighbors(vectors, 16, distance=distance), nearest_neighbors(vectors[::-1], 15)
    unit = 2.0 ** np.floor(np.log2(np.abs(vectors).max())) if scale > 1e15 else 1.0
    factor = 1.0 if distance == "cosine" else unit
    errors = rounding_errors(vectors, distance, 2.0**-23) / factor
    rows = np.arange(2000)
    searched = _may_be_tied(rows, graph, other, k=15, scale=factor, errors=errors)
    if scale >= 1 or distance == "cosine":
        assert searched[60:].mean() < 0.02
    assert searched[:60].all()
    assert _may_be_tied(rows, graph.first(15), other, k=15, scale=factor, errors=errors).all()


@pytest.mark.soak
def test_ten_thousand_rows_with_few_ties_take_milliseconds() -> None:
    rng = np.random.default_rng(0)
    then = rng.normal(size=(10_000, 128)).astype(np.float32)
    then[:200] = then[0]
    now = then + np.float32(0.3) * rng.normal(size=then.shape).astype(np.float32)
    now[:200] = then[0]
    graphs = nearest_neighbors(then), nearest_neighbors(now, 16)
    seconds = []
    for _ in range(5):
        with threadpool_limits(1):
            start = time.process_time()
            neighbor_overlap(*graphs, vectors=(then, now))
            seconds.append(time.process_time() - start)
    # Measured: 0.018 s; 0.055 s with a graph that is not wider.
    assert min(seconds) < 0.06


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rounding_is_no_change(dtype: type) -> None:
    exact = 30 + 0.2 * np.random.default_rng(0).normal(size=(400, 32))
    a, b = exact.astype(np.float32), (exact + 1e-9).astype(dtype).astype(np.float32)
    graphs = [nearest_neighbors(v, distance="euclidean") for v in (a, b)]
    assert neighbor_overlap(*graphs, vectors=(a, b)).mean() > 0.999


def test_copies_and_equidistant_rows_are_no_hubs() -> None:
    for vectors in (copies(), np.eye(100, dtype=np.float32)):
        graph = nearest_neighbors(vectors)
        assert neighbor_counts(graph).max() > 5 * 15
        counts = neighbor_counts(graph, vectors)
        assert counts.sum() == pytest.approx(15 * len(vectors))
        assert hubness(graph, vectors) < 1 < hubness(graph)
    np.testing.assert_allclose(neighbor_counts(nearest_neighbors(vectors), vectors), 15)


def test_one_neighbor_that_is_tied_is_shared() -> None:
    vectors = np.float32([[0, 0], [0, 0], [0, 0], [9, 0], [9, 1]])
    graph = nearest_neighbors(vectors, 1, distance="euclidean")
    np.testing.assert_allclose(neighbor_counts(graph, vectors), [1, 1, 1, 1, 1])


def test_copies_at_one_place_agree_with_the_space_and_are_no_cluster() -> None:
    vectors = copies(100, 400)
    graph = nearest_neighbors(vectors)
    place = gaussian(400, 2, seed=3)
    place[:100] = place[0]
    agreement = map_agreement({"tsne": place}, graph, vectors=vectors)
    assert agreement.with_space["tsne"][:100].min() == 1
    assert stability([place, place + 1])[:100].min() == 1
    copied = set(range(100))
    assert any(set(c.rows) == copied for c in map_clusters({"tsne": place}, graph))
    assert not any(set(c.rows) == copied for c in map_clusters({"tsne": place}, graph, vectors=vectors))
    assert (clusters(vectors)[:100] == -1).all()
