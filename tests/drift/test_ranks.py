"""p-values that are ranks: uniform where nothing happened, small where something did."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from visualdl_embedding.drift._ranks import (
    group_p_values,
    pair_p_value,
    residuals,
    row_p_values,
    strata_of,
)


def ranked(values: np.ndarray, strata: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return row_p_values(residuals(values, strata, reference=reference), reference=reference)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), n=st.integers(2, 60), ties=st.booleans())
def test_a_row_is_ranked_by_counting(seed: int, n: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, n).astype(float) if ties else rng.normal(size=n)
    reference = rng.random(n) < 0.8
    found = ranked(values[None], np.zeros(n, dtype=np.int32), reference)
    for row in range(n):
        others = [values[j] for j in range(n) if j != row and reference[j]]
        assert found[row] == pytest.approx((1 + sum(v >= values[row] for v in others)) / (1 + len(others)))


def test_watched_rows_are_uniform_where_all_rows_are_alike() -> None:
    rng = np.random.default_rng(0)
    reference = np.ones(100, dtype=bool)
    reference[0] = False
    strata = np.zeros(100, dtype=np.int32)
    found = [ranked(rng.gamma(2, size=(1, 100)), strata, reference)[0] for _ in range(2000)]
    assert kstest(found, "uniform").pvalue > 0.01


@pytest.mark.parametrize("num_null", [1, 3, 20])
def test_with_null_pairs_an_unsteady_word_is_not_called_unusual(num_null: int) -> None:
    rng = np.random.default_rng(1)
    strata, reference = np.zeros(100, dtype=np.int32), np.ones(100, dtype=bool)
    reference[0] = False
    usual, spread = rng.normal(size=100), np.exp(0.3 * rng.normal(size=100))
    usual[0], spread[0] = 8, 1
    draws = (usual + 0.3 * spread * rng.normal(size=(1 + num_null, 100)) for _ in range(500))
    found = [ranked(values, strata, reference)[0] for values in draws]
    assert 0.01 < np.mean(np.array(found) <= 0.05) < 0.1
    alone = ranked((usual + spread * rng.normal(size=100))[None], strata, reference)[0]
    assert alone < 0.02


def test_with_null_pairs_a_change_is_seen_that_is_small_among_words() -> None:
    rng = np.random.default_rng(2)
    strata, reference = np.zeros(200, dtype=np.int32), np.ones(200, dtype=bool)
    reference[0] = False
    values = 3 * rng.normal(size=200) + 0.1 * rng.normal(size=(21, 200))
    values[:, 0] -= values[:, 0].mean()
    values[0, 0] += 1
    assert ranked(values, strata, reference)[0] < 0.001
    assert ranked(values[:1], strata, reference)[0] > 0.2


def test_what_moves_all_rows_moves_no_row() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(size=(6, 80))
    strata, reference = np.zeros(80, dtype=np.int32), np.ones(80, dtype=bool)
    pushed = values.copy()
    pushed[0] += 7
    np.testing.assert_allclose(ranked(pushed, strata, reference), ranked(values, strata, reference))


def test_a_row_without_null_pairs_has_no_residual() -> None:
    values = np.random.default_rng(0).normal(size=(4, 30))
    values[1:, 5] = np.nan
    values[2, 6] = np.nan
    left = residuals(values, np.zeros(30, dtype=np.int32), reference=np.ones(30, dtype=bool))
    assert np.isnan(left[0]).tolist() == [i == 5 for i in range(30)]


def test_strata_of_numbers_hold_equally_many_and_keep_their_order() -> None:
    frequency = np.random.default_rng(0).permutation(1000)
    codes = strata_of([str(value) for value in frequency], 1000)
    assert np.bincount(codes).tolist() == [100] * 10
    assert (np.diff(codes[np.argsort(frequency)]) >= 0).all()
    assert set(strata_of(["1"] * 150, 150).tolist()) == {0}
    assert set(strata_of(None, 5000).tolist()) == {0}


def test_strata_of_names_join_the_small_ones() -> None:
    names = ["noun"] * 300 + ["verb"] * 250 + ["a", "b"] * 40
    codes = strata_of(names, len(names))
    assert len({*codes[:300]} | {*codes[300:550]} | {*codes[550:]}) == 3
    assert [len({*part}) for part in (codes[:300], codes[300:550], codes[550:])] == [1, 1, 1]


def test_group_p_values_are_uniform_for_random_groups() -> None:
    rng = np.random.default_rng(4)
    strata = np.repeat([0, 1], 60).astype(np.int32)
    # One stratum changes more than the other: a group of its rows must not be called moved for that.
    values = rng.normal(size=(200, 120)) + 3 * strata
    codes = np.where(strata == 1, rng.permuted(np.tile([0, 0, -1], (200, 40)), axis=1), -1).astype(np.int32)
    found = [
        group_p_values(v, c, strata, n_groups=1, random_state=i)[0]
        for i, (v, c) in enumerate(zip(values, codes, strict=True))
    ]
    assert kstest(found, "uniform").pvalue > 0.01


def test_a_group_that_moved_is_seen_and_one_without_rows_is_nan() -> None:
    values = np.random.default_rng(5).normal(size=100)
    values[:10] += 2
    codes = np.full(100, -1, dtype=np.int32)
    codes[:10], codes[10:30] = 0, 1
    found = group_p_values(values, codes, np.zeros(100, dtype=np.int32), n_groups=3, random_state=0)
    assert found[0] == 0.001
    assert found[1] > 0.05
    assert np.isnan(found[2])
    flat = group_p_values(np.full(100, 0.1), codes, np.zeros(100, dtype=np.int32), n_groups=2, random_state=0)
    np.testing.assert_array_equal(flat, 1)


def test_a_pair_is_ranked_on_the_side_of_drift() -> None:
    null = [0.5, 0.6, 0.7, np.nan]
    assert pair_p_value(0.4, null, higher=False) == 0.25
    assert pair_p_value(0.4, null, higher=True) == 1
    assert pair_p_value(0.6, null, higher=True) == 0.75
    assert np.isnan(pair_p_value(np.nan, null, higher=True))
    assert np.isnan(pair_p_value(0.4, [], higher=True))
