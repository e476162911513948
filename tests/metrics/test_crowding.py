"""Crowding on spaces with known answers."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ortho_group
from sklearn.metrics import roc_auc_score

from visualdl_embedding.core.neighbors import DISTANCES, nearest_neighbors, normalize
from visualdl_embedding.metrics._crowding import MIN_ROWS, Crowding, crowding

Floats = NDArray[np.float32]


def sphere(n: int, d: int, *, seed: int = 0) -> Floats:
    return normalize(np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32))


def clumps(n: int, d: int, *, share: float, count: int, radius: float, seed: int = 0) -> Floats:
    """Rows over a sphere, the last `share` of them instead in `count` clumps around points of it."""
    rows, rng = sphere(n, d, seed=seed), np.random.default_rng(seed + 1)
    packed = round(share * n)
    rows[n - packed :] = rows[rng.integers(0, count, packed)] + radius * sphere(packed, d, seed=seed + 2)
    return rows


def measure(vectors: Floats, distance: str = "cosine", **options: int) -> Crowding:
    return crowding(vectors, nearest_neighbors(vectors, 15, distance=distance), **options)  # type: ignore[arg-type]


def space_holding(share: float, found: Crowding) -> float:
    """Share of the space in which the most crowded `share` of the rows lies."""
    return float(np.interp(share, found.rows_share, found.space_share))


def even_space_holding(share: float, found: Crowding) -> float:
    """The same for rows that fill the space evenly."""
    order = np.argsort(-found.even_counts / found.volume)
    rows, space = (np.concatenate([[0], part[order].cumsum()]) for part in (found.even_counts, found.volume))
    return float(np.interp(share, rows / rows[-1], space))


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("n", "d"), [(3000, 64), (2000, 8), (500, 128)])
def test_rows_all_over_a_sphere_are_not_crowded(n: int, d: int, distance: str) -> None:
    found = measure(sphere(n, d), distance)
    assert found.excess < 0.08
    assert space_holding(0.7, found) == pytest.approx(even_space_holding(0.7, found), abs=0.06)


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_long_space_with_a_mean_is_not_crowded(distance: str) -> None:
    """Unequal axes and a common direction are told by effective rank and mean cosine."""
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(3000, 64)) * np.linspace(1, 0.05, 64) ** 2 + 0.3).astype(np.float32)
    assert measure(vectors, distance).excess < 0.05


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("radius", [0.05, 0.3, 0.6])
def test_rows_packed_into_five_clumps_lie_in_a_small_part(radius: float, distance: str) -> None:
    found = measure(clumps(5000, 64, share=0.7, count=5, radius=radius), distance)
    assert found.excess > 0.55
    assert space_holding(0.7, found) < 0.25
    assert even_space_holding(0.7, found) > 0.55


def test_the_tighter_the_clumps_the_more_crowded() -> None:
    found = [measure(clumps(3000, 32, share=0.7, count=5, radius=r)).excess for r in (0.1, 0.5, 1, 2)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1] + 0.3


@pytest.mark.parametrize("distance", DISTANCES)
def test_half_the_rows_at_one_place(distance: str) -> None:
    vectors = sphere(4000, 64)
    vectors[2000:] = vectors[0]
    found = measure(vectors, distance)
    assert found.excess == pytest.approx(0.5, abs=0.05)
    assert space_holding(0.5, found) < 0.02
    parts = np.bincount(found.part[2000:], minlength=len(found.volume))
    assert np.count_nonzero(parts) == 1
    assert found.fullness()[2000:].min() > 20


def test_ten_equal_clumps_in_an_empty_space_are_crowded() -> None:
    assert measure(clumps(3000, 64, share=1, count=10, radius=0.2)).excess > 0.8


def test_the_gini_coefficient_is_that_of_telling_rows_from_even_ones() -> None:
    """The Lorenz curve of one distribution over another is their ROC curve, whose area scikit-learn has."""
    found = measure(clumps(3000, 32, share=0.7, count=50, radius=0.4))
    counts = np.bincount(found.part, minlength=len(found.volume))
    drawn = np.round(found.volume * 1e6).astype(int)
    score = counts / found.volume
    auc = roc_auc_score(
        np.repeat([1, 0], len(score)),
        np.tile(score, 2),
        sample_weight=np.concatenate([counts / counts.sum(), drawn / drawn.sum()]),
    )
    assert found.gini == pytest.approx(2 * auc - 1, abs=1e-4)
    assert 0.1 < found.gini < 0.9


def test_the_lorenz_curve_rises_and_bends_one_way() -> None:
    found = measure(clumps(3000, 32, share=0.7, count=50, radius=0.4))
    rows, space = found.rows_share, found.space_share
    assert (rows[0], space[0], rows[-1]) == (0, 0, 1)
    assert space[-1] == pytest.approx(1)
    slopes = np.diff(rows) / np.diff(space)
    assert (np.diff(slopes) <= 1e-9).all()
    assert found.volume.sum() == pytest.approx(1)
    assert len(found.part) == 3000
    assert len(rows) == len(found.volume) + 1 == 3000 // 20 + 1


@pytest.mark.parametrize("distance", DISTANCES)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e-6, 7.0, 1e6]))
def test_turning_and_scaling_the_space_changes_nothing(distance: str, seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = (rng.gamma(1.0, size=(300, 6)) * [3, 2, 1.5, 1, 0.7, 0.4]).astype(np.float32)
    turned = (vectors @ ortho_group.rvs(6, random_state=seed) * scale).astype(np.float32)
    before, after = measure(vectors, distance), measure(turned, distance)
    assert after.gini == pytest.approx(before.gini, abs=0.03)
    assert after.even_gini == pytest.approx(before.even_gini, abs=0.03)
    assert np.mean(after.part == before.part) > 0.97


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.gamma(1.0, size=(300, 6)).astype(np.float32)
    order = rng.permutation(300)
    before, after = measure(vectors), measure(vectors[order])
    assert after.gini == pytest.approx(before.gini, abs=0.03)
    assert np.mean(after.part == before.part[order]) > 0.97


def test_numbers_stay_within_their_ranges() -> None:
    for seed in range(5):
        found = measure(sphere(60, 3, seed=seed), random_state=seed)
        assert 0 <= found.gini <= 1
        assert 0 <= found.excess <= 1


def test_some_of_the_rows_over_the_parts_of_all() -> None:
    """The first 1,500 rows are all over the sphere, the others in five clumps."""
    found = measure(clumps(5000, 64, share=0.7, count=5, radius=0.3))
    packed = np.arange(5000) >= 1500
    assert found.among(packed).excess > 0.8
    assert found.among(~packed).excess < 0.3
    assert found.among(np.ones(5000, bool)).gini == found.gini
    assert np.isnan(found.among(np.arange(5000) < MIN_ROWS - 1).excess)


@pytest.mark.parametrize(
    ("vectors", "distance"),
    [
        *((np.ones((n, 4), np.float32), distance) for n in (1, 100) for distance in DISTANCES),
        *((sphere(MIN_ROWS - 1, 4), distance) for distance in DISTANCES),
        (np.zeros((100, 4), np.float32), "euclidean"),
    ],
)
def test_no_space_to_be_filled_gives_nan(vectors: Floats, distance: str) -> None:
    found = measure(vectors, distance)
    assert np.isnan([found.gini, found.even_gini, found.excess]).all()
    assert len(found.rows_share) == len(found.volume) == 0
    assert np.isnan(found.fullness()).all()
    assert len(found.fullness()) == len(vectors)


def test_rows_that_point_the_same_way_span_no_space_of_directions() -> None:
    vectors = np.outer(np.linspace(1, 2, 100), [0.1, 0.7, -0.3]).astype(np.float32)
    assert np.isnan(measure(vectors).gini)
    assert measure(vectors, "euclidean").gini < 0.5


def test_equal_rows_are_one_place() -> None:
    vectors = sphere(1000, 16)
    vectors[500:] = vectors[0]
    assert measure(vectors).excess > 0.35


@pytest.mark.parametrize("n_columns", [1, 200])
def test_one_column_and_more_columns_than_rows(n_columns: int) -> None:
    assert measure(sphere(100, n_columns) + np.float32(0.1), "euclidean").gini >= 0


def test_wrong_arguments() -> None:
    vectors = sphere(50, 4)
    graph = nearest_neighbors(vectors, 5)
    with pytest.raises(ValueError, match="must have 40 rows like the vectors, not 50"):
        crowding(vectors[:40], graph)
    with pytest.raises(ValueError, match="NaN or inf"):
        crowding(np.full((50, 4), np.nan, np.float32), graph)


@pytest.mark.soak
def test_ten_thousand_rows_take_a_fraction_of_a_second() -> None:
    vectors = sphere(10_000, 128)
    graph = nearest_neighbors(vectors, 15)
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        crowding(vectors, graph)
        seconds.append(time.perf_counter() - begun)
    # 0.17 s on an idle core; the margin is for a busy machine.
    assert min(seconds) < 1


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_sizes_with_squares_beyond_float32(scale: float) -> None:
    vectors = clumps(1000, 16, share=0.7, count=5, radius=0.1)
    graph = nearest_neighbors(vectors, 15, distance="euclidean")
    found = crowding((vectors * scale).astype(np.float32), graph)
    assert found.gini == pytest.approx(crowding(vectors, graph).gini, abs=0.03)


def test_random_subsets_have_the_coefficients_of_rows_drawn_at_random() -> None:
    found = measure(clumps(1000, 16, share=0.5, count=5, radius=0.3))
    rng = np.random.default_rng(0)
    drawn = [found.among(np.isin(np.arange(1000), rng.permutation(1000)[:300])).gini for _ in range(200)]
    subsets = found.random_subsets(300)
    assert subsets.shape == (999,)
    assert subsets.mean() == pytest.approx(np.mean(drawn), abs=0.005)
    assert subsets.std() == pytest.approx(np.std(drawn), rel=0.3)
    assert found.random_subsets(1000) == pytest.approx(found.gini)
