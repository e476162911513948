"""The fast sums against slow ones, and against openTSNE's gradient."""

from __future__ import annotations

import numpy as np
import pytest
from openTSNE.affinity import PerplexityBasedNN
from openTSNE.nearest_neighbors import PrecomputedNeighbors
from openTSNE.tsne import kl_divergence_bh
from project_examples import clusters
from umap.umap_ import find_ab_params, fuzzy_simplicial_set

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.projection import _tsne, _umap
from visualdl_embedding.projection._field import Field
from visualdl_embedding.projection._kernels import attract, edge_cost, table_repel, tsne_repel
from visualdl_embedding.projection._optimizer import best_factor


def cloud(n: int = 2000, size: float = 12.0, seed: int = 0) -> np.ndarray:
    return (size * np.random.default_rng(seed).normal(size=(n, 2))).astype(np.float32)


def cauchy(distance: np.ndarray) -> np.ndarray:
    return 1 / (1 + distance**2)


def read(field: Field, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    levels, forces = np.empty(len(points), np.float32), np.empty_like(points)
    field.read(points, levels, forces)
    return levels, forces


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.sqrt(((found - exact) ** 2).sum() / (exact**2).sum()))


def exact_cauchy(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    apart = points[:, None, :].astype(np.float64) - points[None]
    kernel = cauchy(np.linalg.norm(apart, axis=2))
    return kernel.sum(axis=1), 2 * (kernel[:, :, None] ** 2 * apart).sum(axis=1)


def test_the_exact_sum_is_exact() -> None:
    points = cloud(200)
    levels, forces = np.empty(200, np.float32), np.empty_like(points)
    tsne_repel(points, levels, forces)
    exact_levels, exact_forces = exact_cauchy(points)
    assert np.allclose(levels, exact_levels - 1, rtol=1e-4)
    assert relative_error(forces, exact_forces) < 1e-4


@pytest.mark.parametrize(("spacing", "bound"), [(0.3, 0.02), (0.6, 0.1)])
def test_the_grid_comes_near_the_exact_sum(spacing: float, bound: float) -> None:
    points = cloud()
    levels, forces = read(Field(cauchy, spacing), points)
    exact_levels, exact_forces = exact_cauchy(points)
    assert relative_error(forces, exact_forces) < bound
    assert levels.sum() == pytest.approx(exact_levels.sum(), rel=0.01)


def test_a_grid_that_is_kept_gives_what_a_new_one_gives() -> None:
    kept = Field(cauchy, 0.3)
    for factor in (1.0, 1.05, 0.9, 2.0, 0.3):
        points = cloud() * np.float32(factor)
        assert relative_error(read(kept, points)[1], exact_cauchy(points)[1]) < 0.02


def test_one_place_and_great_distances() -> None:
    field = Field(cauchy, 0.5)
    assert np.isfinite(read(field, np.zeros((5, 2), np.float32))[1]).all()
    assert np.isfinite(read(field, cloud(50, 1e5))[1]).all()
    assert field.potential.size < 25_000_000
    with pytest.raises(FloatingPointError, match="diverged"):
        field.solve(np.full((5, 2), np.nan, np.float32))


def test_affinities_gradient_and_divergence_are_those_of_open_tsne() -> None:
    space = clusters(400)
    graph = nearest_neighbors(space, 45)
    pointers, columns, chances = _tsne.affinities(graph, 15.0)
    theirs = PerplexityBasedNN(
        knn_index=PrecomputedNeighbors(graph.indices, graph.distances.astype(np.float64)), perplexity=15
    ).P.tocsr()
    theirs.sort_indices()
    assert np.array_equal(pointers, theirs.indptr)
    assert np.array_equal(columns, theirs.indices)
    assert np.allclose(chances, theirs.data, rtol=1e-2, atol=1e-8)

    points = cloud(400, 5.0)
    rows = np.repeat(np.arange(400, dtype=np.int32), np.diff(pointers))
    edges = (rows[columns > rows], columns[columns > rows], chances[columns > rows])
    pull, push, levels = np.empty_like(points), np.empty_like(points), np.empty(400, np.float32)
    attract(*edges, points, pull)
    tsne_repel(points, levels, push)
    total = float(levels.sum())
    # theta of 0 makes openTSNE's Barnes-Hut exact.
    divergence, gradient = kl_divergence_bh(
        points.astype(np.float64), theirs, 1.0, {"theta": 0.0}, should_eval_error=True
    )
    assert relative_error(-(pull + push / (2 * total)), gradient) < 1e-2
    assert edge_cost(*edges, points) + np.log(total) == pytest.approx(divergence, abs=1e-2)


def test_the_fuzzy_graph_is_that_of_umap_learn() -> None:
    space = clusters(200)
    graph = nearest_neighbors(space, 20)
    pointers, columns, weights = _umap.fuzzy_graph(graph, 14)
    graph = graph.first(14)  # with the row itself these are the 15 of umap-learn
    indices = np.column_stack([np.arange(200), graph.indices])
    distances = np.column_stack([np.zeros(200), graph.distances]).astype(np.float32)
    theirs = fuzzy_simplicial_set(
        space, 15, np.random.RandomState(0), "cosine", knn_indices=indices, knn_dists=distances
    )[0].toarray()
    ours = np.zeros((200, 200))
    ours[np.repeat(np.arange(200), np.diff(pointers)), columns] = weights
    theirs = theirs / theirs.max()
    assert np.allclose(ours, np.where(theirs < 1 / 500, 0, theirs), atol=1e-5)


def test_umap_repels_with_the_slope_of_its_loss() -> None:
    a, b = find_ab_params(1.0, 0.1)
    distances, table = _umap._repulsion_table(float(a), float(b))
    assert table[-1] == 0
    assert (np.diff(table) <= 0).all()
    spacing = 0.005
    fine = np.interp(np.arange(0, 100, spacing), distances, table).astype(np.float32)
    points = np.array([[0, 0], [0.7, 0]], np.float32)
    forces = np.empty_like(points)
    table_repel(points, fine, spacing, forces)
    expected = 2 * b * 0.7 / ((0.001 + 0.49) * (1 + a * 0.7 ** (2 * b)))
    assert forces[1, 0] == pytest.approx(expected, rel=0.02)
    assert forces[0, 0] == pytest.approx(-expected, rel=0.02)


def test_the_sum_over_a_table_is_that_of_all_pairs() -> None:
    distances, table = _umap._repulsion_table(1.577, 0.895)
    spacing = 0.005
    fine = np.interp(np.arange(0, 100 + 2 * spacing, spacing), distances, table).astype(np.float32)
    assert fine[-2] == fine[-1]
    points = np.concatenate([cloud(200, 4.0), [[0, 0], [0, 0], [1e4, 0]]]).astype(np.float32)
    forces = np.empty_like(points)
    table_repel(points, fine, spacing, forces)
    apart = points[:, None, :].astype(np.float64) - points[None]
    lengths = np.linalg.norm(apart, axis=2)
    slopes = (np.interp(lengths, distances, table) - np.interp(lengths + spacing, distances, table)) / spacing
    exact = np.where(lengths[:, :, None] > 0, slopes[:, :, None] * apart / np.maximum(lengths, 1e-9)[:, :, None], 0)
    assert relative_error(forces, exact.sum(axis=1)) < 0.01
    assert (forces[-1] == 0).all()


@pytest.mark.parametrize("shrunk", [1.0, 0.1, 10.0])
def test_a_layout_of_the_wrong_size_is_brought_near_the_right_one(shrunk: float) -> None:
    points = cloud(500, 1.0) * np.float32(shrunk)
    heads = np.arange(500, dtype=np.int32)
    edges = (heads, np.roll(heads, 1), np.ones(500, np.float32))

    def cost(near: np.ndarray, far: np.ndarray) -> float:
        return float((np.log(near.mean()) - 0) ** 2)

    factor = best_factor(points, edges, cost, random=np.random.default_rng(0))
    size = float(np.square(points[edges[0]] - points[edges[1]]).sum(axis=1).mean()) ** 0.5
    assert 0.4 < size * factor < 2.5


def test_a_few_points_far_apart_take_a_small_grid() -> None:
    points = np.random.default_rng(0).normal(scale=400, size=(40, 2)).astype(np.float32)
    field = Field(lambda distance: 1 / (1 + distance**2), 0.5)
    field.solve(points)
    assert field.potential.size < 700**2
