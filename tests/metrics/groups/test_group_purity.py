"""Purity, chance, intervals and mixing against loops, shuffles and redrawn spaces."""

from __future__ import annotations

import numpy as np
import pytest
from group_examples import blobs
from hypothesis import given, settings
from hypothesis import strategies as st

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.findings._shared import class_purity
from visualdl_embedding.metrics.groups._encode import encode_groups
from visualdl_embedding.metrics.groups._purity import bootstrap_means, measure_purity, percentile_interval


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**31), n=st.integers(2, 40), k=st.integers(1, 8), n_groups=st.integers(1, 5))
def test_purity_and_mixing_are_those_of_a_loop(seed: int, n: int, k: int, n_groups: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, n_groups, n).astype(np.int32)
    indices = np.array([rng.permutation(np.delete(np.arange(n), i))[:k] for i in range(n)], dtype=np.int32)
    rows: list[list[np.ndarray]] = [[] for _ in range(n_groups)]
    own: list[list[float]] = [[] for _ in range(n_groups)]
    for i in range(n):
        theirs = [codes[j] for j in indices[i] if codes[j] >= 0]
        if codes[i] >= 0 and theirs:
            share = np.bincount(theirs, minlength=n_groups) / len(theirs)
            rows[codes[i]].append(share)
            own[codes[i]].append(share[codes[i]])
    found = measure_purity(indices, codes, n_groups)
    for code in range(n_groups):
        expected = np.mean(rows[code], axis=0) if rows[code] else np.full(n_groups, np.nan)
        np.testing.assert_allclose(found.mixing[code], expected, atol=1e-12)
        np.testing.assert_allclose(found.observed.groups[code], expected[code], atol=1e-12)
    every = [value for values in own for value in values]
    np.testing.assert_allclose(found.observed.overall, np.mean(every) if every else np.nan, atol=1e-12)
    np.testing.assert_allclose(found.rows, class_purity(indices, codes, n_groups).rows, rtol=1e-6)
    assert found.observed.intervals is not None
    ends = np.vstack([found.observed.intervals, found.observed.overall_interval])
    assert np.all((np.isnan(ends) | ((ends >= 0) & (ends <= 1))).all(axis=1))


def test_chance_is_the_mean_of_shuffles() -> None:
    vectors, groups = blobs(150, 60, 20)
    groups = ["" if i % 7 == 0 else group for i, group in enumerate(groups)]
    codes, names = encode_groups(groups)
    indices = nearest_neighbors(vectors, 10).indices
    found = measure_purity(indices, codes, len(names))
    shuffled = class_purity(indices, codes, len(names))
    error = shuffled.shuffled.std(axis=0) / np.sqrt(len(shuffled.shuffled))
    assert np.all(np.abs(found.chance.groups - shuffled.shuffled.mean(axis=0)) < 4 * error)
    assert found.chance.overall == pytest.approx(shuffled.overall_shuffled.mean(), abs=0.003)
    np.testing.assert_allclose(found.observed.groups, shuffled.observed)


def test_far_blobs_are_pure() -> None:
    vectors, groups = blobs(60, 40, gap=100)
    codes, names = encode_groups(groups)
    found = measure_purity(nearest_neighbors(vectors, 15).indices, codes, len(names))
    assert found.observed.overall == found.over_chance.overall == 1
    assert found.over_chance.overall_interval == pytest.approx((1, 1))
    np.testing.assert_allclose(found.mixing, np.eye(2), atol=1e-12)
    np.testing.assert_array_equal(found.rows, np.ones(100, np.float32))


@pytest.mark.parametrize("sizes", [(150, 150), (200, 80, 20)])
def test_where_groups_mean_nothing_the_interval_holds_zero(sizes: tuple[int, ...]) -> None:
    held, values = [], []
    for seed in range(100):
        vectors, groups = blobs(*sizes, gap=0, seed=seed)
        codes, names = encode_groups(groups)
        over = measure_purity(nearest_neighbors(vectors, 10).indices, codes, len(names)).over_chance
        held.append(over.overall_interval[0] <= 0 <= over.overall_interval[1])
        values.append(over.overall)
    assert 90 <= sum(held) <= 100
    assert abs(np.mean(values)) < 4 * np.std(values) / 10
    assert np.std(values) < 0.03


def test_intervals_hold_what_redrawn_spaces_have_on_average() -> None:
    found = []
    for seed in range(100):
        vectors, groups = blobs(200, 100, gap=2, seed=seed)
        codes, _ = encode_groups(groups)
        found.append(measure_purity(nearest_neighbors(vectors, 15).indices, codes, 2).observed)
    ends = np.array([[score.overall_interval, *score.intervals] for score in found])  # type: ignore[misc]
    truth = np.array([[score.overall, *score.groups] for score in found]).mean(axis=0)
    held = ((ends[..., 0] <= truth) & (truth <= ends[..., 1])).sum(axis=0)
    # Rows resampled as askers only would hold it in about 70 of 100.
    assert np.all(held >= 84)


def test_intervals_narrow_as_rows_grow() -> None:
    widths = []
    for size in (50, 200, 800):
        vectors, groups = blobs(size, size)
        codes, _ = encode_groups(groups)
        low, high = measure_purity(nearest_neighbors(vectors, 10).indices, codes, 2).observed.overall_interval
        widths.append(high - low)
    assert widths[0] > 1.5 * widths[1] > 2.25 * widths[2] > 0


def test_a_single_row_is_not_a_sample() -> None:
    vectors, groups = blobs(30, 30, 1)
    codes, _ = encode_groups(groups)
    found = measure_purity(nearest_neighbors(vectors, 5).indices, codes, 3)
    assert found.observed.groups[2] == found.chance.groups[2] == found.over_chance.groups[2] == 0
    assert np.isnan(found.observed.intervals[2]).all()  # type: ignore[index]


@pytest.mark.parametrize("m", [12, 5000])
def test_means_of_bootstrap_samples_are_those_of_drawing_rows(m: int) -> None:
    """Below 256 different values, and with values pooled above."""
    values = np.random.default_rng(0).gamma(2.0, size=m)
    fast = bootstrap_means(values, 4000, np.random.default_rng(1))
    slow = np.random.default_rng(2).choice(values, (400, m)).mean(axis=1)
    assert fast.mean() == pytest.approx(values.mean(), abs=4 * values.std() / np.sqrt(m * 4000))
    assert fast.std() == pytest.approx(values.std() / np.sqrt(m), rel=0.06)
    assert fast.std() == pytest.approx(slow.std(), rel=0.15)
    np.testing.assert_allclose(percentile_interval(fast), np.percentile(fast, [2.5, 97.5]))
