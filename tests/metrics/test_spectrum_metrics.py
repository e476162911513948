"""Effective rank and IsoScore on spaces with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import entropy, ortho_group

from visualdl_embedding.metrics import effective_rank, isoscore, spectrum


def gaussian(n: int, d: int, *, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def line(n: int, d: int) -> NDArray[np.float32]:
    """Powers of two along integers, far from the origin: exact in float32."""
    return (4096 + np.arange(n)[:, None] * 2.0 ** (np.arange(d) % 5)).astype(np.float32)


def isoscore_by_the_paper(vectors: NDArray[np.float32]) -> float:
    """The steps of Rudman et al. 2022, section 4, one by one."""
    centered = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    n = vectors.shape[1]
    axes = np.linalg.svd(centered, full_matrices=False)[2]
    diagonal = np.zeros(n)
    diagonal[: len(axes)] = np.diag(np.atleast_2d(np.cov(centered @ axes.T, rowvar=False)))
    scaled = np.sqrt(n) * diagonal / np.linalg.norm(diagonal)
    defect = np.linalg.norm(scaled - 1) / np.sqrt(2 * (n - np.sqrt(n)))
    used = (n - defect**2 * (n - np.sqrt(n))) ** 2 / n**2
    return float((n * used - 1) / (n - 1))


@pytest.mark.parametrize(("n", "d"), [(500, 20), (10_000, 3), (20, 50), (6, 6), (9000, 7)])
def test_spectrum_is_that_of_the_covariance(n: int, d: int) -> None:
    vectors = gaussian(n, d) * np.linspace(0.1, 3, d, dtype=np.float32) + 10
    centered = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    expected = np.zeros(d)
    singular = np.linalg.svd(centered, compute_uv=False)
    expected[: len(singular)] = singular**2 / n
    found = spectrum(vectors)
    assert found.shape == (d,)
    assert (np.diff(found) <= 0).all()
    np.testing.assert_allclose(found, expected, atol=1e-9 * expected[0])


@pytest.mark.parametrize(("n", "d"), [(400, 12), (15, 40)])
def test_effective_rank_is_the_exponential_of_the_entropy(n: int, d: int) -> None:
    vectors = gaussian(n, d) * np.linspace(0.1, 3, d, dtype=np.float32)
    singular = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False)
    assert effective_rank(vectors) == pytest.approx(np.exp(entropy(singular)), rel=1e-4)


@pytest.mark.parametrize(("n", "d"), [(400, 12), (60, 60), (15, 40), (200, 2)])
def test_isoscore_is_the_papers(n: int, d: int) -> None:
    vectors = gaussian(n, d) * np.linspace(0.1, 3, d, dtype=np.float32) + 1
    assert isoscore(vectors) == pytest.approx(isoscore_by_the_paper(vectors), abs=1e-6)


def test_a_ball_uses_every_direction() -> None:
    vectors = gaussian(20_000, 10) + 100
    assert effective_rank(vectors) == pytest.approx(10, abs=0.01)
    assert isoscore(vectors) == pytest.approx(1, abs=0.005)


def test_a_ball_of_few_rows_scores_what_the_docstring_says() -> None:
    assert isoscore(gaussian(300, 300)) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("n", "d"), [(300, 64), (20, 64), (2, 64), (5000, 2)])
def test_a_line_uses_one(n: int, d: int) -> None:
    assert effective_rank(line(n, d)) == pytest.approx(1, abs=1e-6)
    assert isoscore(line(n, d)) == pytest.approx(0, abs=1e-9)


def test_a_flat_space_counts_its_dimensions() -> None:
    flat = np.zeros((4000, 64), np.float32)
    flat[:, :8] = gaussian(4000, 8)
    assert effective_rank(flat) == pytest.approx(8, abs=0.05)
    assert isoscore(flat) == pytest.approx(7 / 63, abs=0.01)


def test_the_common_mean_counts_for_nothing() -> None:
    vectors = gaussian(500, 8)
    assert effective_rank(vectors + 1000) == pytest.approx(effective_rank(vectors), rel=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 1), (3, 2), (50, 7), (9000, 3)])
def test_equal_rows_have_no_direction(shape: tuple[int, int]) -> None:
    vectors = np.tile(np.float32([0.1, -3.3, 1e5, 7e-9, 0.3, 1.7, 2.1])[: shape[1]], (shape[0], 1))
    assert not spectrum(vectors).any()
    assert effective_rank(vectors) == 0
    assert isoscore(vectors) == 0


def test_a_single_column_is_even_by_definition() -> None:
    assert effective_rank(gaussian(10, 1)) == 1
    assert isoscore(gaussian(10, 1)) == 1


def test_a_spectrum_serves_as_well_as_vectors() -> None:
    vectors = gaussian(100, 9)
    assert effective_rank(spectrum(vectors)) == effective_rank(vectors)
    assert isoscore(spectrum(vectors)) == isoscore(vectors)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**31 - 1),
    n=st.integers(2, 40),
    d=st.integers(2, 12),
    scale=st.sampled_from([1e-25, 1e-3, 1.0, 1e4, 1e25]),
)
def test_rotation_scale_and_row_order_change_nothing(seed: int, n: int, d: int, scale: float) -> None:
    vectors = gaussian(n, d, seed=seed)
    turned = (scale * (vectors @ ortho_group.rvs(d, random_state=seed))).astype(np.float32)[::-1]
    assert effective_rank(turned) == pytest.approx(effective_rank(vectors), rel=1e-3)
    assert isoscore(turned) == pytest.approx(isoscore(vectors), abs=1e-4)
    assert 1 - 1e-9 <= effective_rank(vectors) <= min(n - 1, d) * (1 + 1e-9)
    assert 0 <= isoscore(vectors) <= 1


@pytest.mark.parametrize("function", [spectrum, effective_rank, isoscore])
def test_vectors_that_are_not_finite_are_refused(function: object) -> None:
    with pytest.raises(ValueError, match="1 of 2 rows of vectors contain NaN or inf; remove those rows"):
        function(np.float32([[1, 2], [np.inf, 0]]))  # type: ignore[operator]


@pytest.mark.parametrize("values", [[], [1.0, -0.1], [np.nan, 1.0]])
def test_a_spectrum_that_is_none_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="A spectrum must be a non-empty"):
        effective_rank(np.array(values))
