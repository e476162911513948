from __future__ import annotations

import numpy as np
import pytest
from project_examples import clusters
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from umap import UMAP

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.projection import (
    Basis,
    align,
    basis_is_stale,
    fit_basis,
    motion,
    neighbors_needed,
    noise_floor,
    project,
    variance_kept,
)

SPACE = clusters()
GRAPH = nearest_neighbors(SPACE, 90)
MAPS = ("tsne", "umap")


def trust(vectors: np.ndarray, coordinates: np.ndarray) -> float:
    return float(trustworthiness(vectors, coordinates, n_neighbors=15, metric="cosine"))


def drift(step: int) -> np.ndarray:
    """A space that changes for good: every row goes over to the next cluster, one after the other."""
    after = clusters(seed=0)
    moved = np.arange(len(after)) % 10 < step
    after[moved] = np.roll(clusters(seed=0), -1, axis=0)[moved]
    return after


@pytest.mark.parametrize("n_components", [2, 3])
def test_pca_spans_what_scikit_learn_finds(n_components: int) -> None:
    basis = fit_basis(SPACE, n_components=3)
    oracle = PCA(n_components=3).fit(SPACE)
    assert np.allclose(np.abs(np.sum(basis.components * oracle.components_, axis=1)), 1, atol=1e-3)
    assert np.allclose(basis.explained_variance_ratio, oracle.explained_variance_ratio_, atol=1e-4)
    coordinates = project(SPACE, method="pca", n_components=n_components, basis=basis).coordinates
    assert coordinates.shape == (300, n_components)
    assert np.allclose(np.abs(coordinates), np.abs(oracle.transform(SPACE)[:, :n_components]), atol=1e-2)
    assert variance_kept(basis, SPACE, 2) == pytest.approx(oracle.explained_variance_ratio_[:2].sum(), abs=1e-4)


def test_a_basis_is_stale_when_it_keeps_under_four_fifths_of_what_a_fresh_one_keeps() -> None:
    basis = fit_basis(SPACE)
    assert not basis_is_stale(basis, SPACE)
    assert not basis_is_stale(basis, 3 * SPACE + 1)
    assert basis_is_stale(basis, clusters(seed=5))


@pytest.mark.parametrize(("n", "d"), [(1, 1), (2, 2), (3, 8), (5, 1), (8, 3)])
def test_a_basis_of_little_is_padded(n: int, d: int) -> None:
    basis = fit_basis(clusters(n, d))
    assert isinstance(basis, Basis)
    coordinates = basis.transform(clusters(n, d), 3)
    assert coordinates.shape == (n, 3)
    assert np.isfinite(coordinates).all()


@pytest.mark.parametrize("method", MAPS)
def test_a_first_map_is_as_true_as_the_libraries(method: str) -> None:
    ours = trust(SPACE, project(SPACE, method=method, neighbors=GRAPH).coordinates)
    library = (
        TSNE(metric="cosine", random_state=0) if method == "tsne" else UMAP(n_neighbors=16, metric="cosine", n_jobs=1)
    )
    assert ours > trust(SPACE, library.fit_transform(SPACE)) - 0.01


@pytest.mark.slow
def test_the_divergence_of_a_new_map_is_near_that_of_open_tsne() -> None:
    digits = load_digits().data.astype(np.float32)
    # openTSNE 1.0.4 from the same start.
    assert project(digits, method="tsne", distance="euclidean").kl_divergence < 1.02 * 0.7489


@pytest.mark.parametrize("method", MAPS)
def test_a_warm_map_of_a_space_that_moved_is_as_true_as_one_from_scratch(method: str) -> None:
    last = None
    for step in range(0, 11, 2):
        space = drift(step)
        last = project(space, method=method, init=None if last is None else last.coordinates)
    assert last is not None
    fresh = project(space, method=method)
    assert trust(space, last.coordinates) > trust(space, fresh.coordinates) - 0.01


@pytest.mark.parametrize("method", MAPS)
@pytest.mark.parametrize("n_components", [2, 3])
def test_the_same_arguments_give_the_same_bits(method: str, n_components: int) -> None:
    first, second = (
        project(SPACE, method=method, n_components=n_components, neighbors=GRAPH).coordinates for _ in range(2)
    )
    assert first.shape == (300, n_components)
    assert np.array_equal(first, second)


@pytest.mark.parametrize("method", MAPS)
def test_an_identical_frame_moves_no_more_than_its_noise_floor_allows(method: str) -> None:
    first = project(SPACE, method=method, neighbors=GRAPH)
    floor = noise_floor(SPACE, first, neighbors=GRAPH)
    again = project(SPACE, method=method, neighbors=GRAPH, init=first.coordinates, random_state=7).coordinates
    moved = motion(first.coordinates, align(again, first.coordinates).apply(again))
    assert float(np.sqrt((moved**2).mean())) < max(3 * floor, 0.05)
    assert floor < 0.3


def test_pca_has_no_noise() -> None:
    assert noise_floor(SPACE, project(SPACE, method="pca"), neighbors=GRAPH) == 0


@pytest.mark.parametrize("method", MAPS)
def test_a_new_row_begins_among_its_neighbors(method: str) -> None:
    first = project(SPACE, method=method, neighbors=GRAPH).coordinates
    init = first.copy()
    init[::30] = np.nan
    second = project(SPACE, method=method, neighbors=GRAPH, init=init).coordinates
    assert np.isfinite(second).all()
    assert trust(SPACE, second) > trust(SPACE, first) - 0.02


@pytest.mark.parametrize("method", ["pca", *MAPS])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("d", [1, 2, 8])
def test_few_rows_and_columns(method: str, n: int, d: int) -> None:
    layout = project(clusters(n, d), method=method)
    assert layout.coordinates.shape == (n, 2)
    assert np.isfinite(layout.coordinates).all()
    again = project(clusters(n, d), method=method, init=layout.coordinates)
    assert np.isfinite(again.coordinates).all()


@pytest.mark.parametrize("method", MAPS)
def test_equal_rows(method: str) -> None:
    same = project(np.ones((30, 4), np.float32), method=method)
    assert np.isfinite(same.coordinates).all()
    assert same.notes
    twins = np.repeat(clusters(20, 4), 3, axis=0)
    assert np.isfinite(project(twins, method=method).coordinates).all()


def test_a_perplexity_that_is_too_high_is_lowered_with_a_note() -> None:
    layout = project(clusters(20), method="tsne", perplexity=30)
    assert layout.parameters["perplexity"] < 10
    assert any("erplexity lowered from 30" in note for note in layout.notes)


def test_n_neighbors_of_umap_counts_other_rows_and_is_lowered_to_those_that_there_are() -> None:
    few = clusters(12)
    layout = project(few, method="umap", n_neighbors=15)
    assert layout.parameters["n_neighbors"] == 11
    assert layout.notes == (
        "n_neighbors lowered from 15 to 11: larger values require a wider neighbor graph (12 rows).",
    )
    assert project(few, method="umap", n_neighbors=11).notes == ()


def test_one_graph_serves_all() -> None:
    assert neighbors_needed(("pca", "tsne", "umap"), n_neighbors=15, perplexity=30, n_rows=1000) >= 90
    assert neighbors_needed(("tsne",), n_neighbors=15, perplexity=30, n_rows=10) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "tsna"}, "method must be one of pca, tsne, umap, not 'tsna'"),
        ({"method": "tsne", "n_components": 4}, "n_components must be 2 or 3"),
        ({"method": "tsne", "init": np.zeros((3, 2))}, r"init must have shape \(300, 2\)"),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        project(SPACE, **arguments)


def test_rows_that_are_not_finite_are_refused() -> None:
    broken = SPACE.copy()
    broken[4, 4] = np.nan
    with pytest.raises(ValueError, match="1 of 300 rows contain NaN or inf"):
        project(broken, method="tsne")


@pytest.mark.parametrize("method", MAPS)
@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("max_iter", [1, 7, 33])
def test_the_number_of_iterations_can_be_set(method: str, warm: bool, max_iter: int) -> None:
    init = clusters(60, 2) if warm else None
    layout = project(clusters(60), method=method, init=init, max_iter=max_iter)
    assert layout.parameters["iterations"] == max_iter
    assert np.isfinite(layout.coordinates).all()


def test_no_iterations_are_refused() -> None:
    with pytest.raises(ValueError, match="max_iter must be at least 1, not 0"):
        project(SPACE, method="tsne", max_iter=0)
