"""p-values of rows, groups and pairs: uniform where nothing happened, small where something did."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import genpareto, kstest

from visualdl_embedding.drift._ranks import (
    _fit_pareto,
    group_p_values,
    pair_p_value,
    rank_rows,
    residuals,
    row_p_values,
    smallest_p_value,
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


def test_group_p_values_are_uniform_for_groups_that_change_together() -> None:
    rng = np.random.default_rng(4)
    codes = np.repeat([0, 1, -1], 20).astype(np.int32)
    # The first group changes as one, and more than the others, in every pair.
    together = np.where(codes == 0, rng.normal(3, 1, size=(400, 20, 1)), 0.0)
    draws = together + rng.normal(size=(400, 20, 60))
    found = np.array([group_p_values(left, codes, n_groups=2) for left in draws])
    assert set(np.round(20 * found.ravel(), 9)) <= set(range(1, 21))
    for p_values in found.T:
        assert 0.02 < np.mean(p_values <= 0.05) < 0.08


def test_a_group_that_moved_is_seen_and_one_without_rows_is_nan() -> None:
    left = np.random.default_rng(5).normal(size=(20, 100))
    left[0, :10] += 2
    left[3, 10:30] = np.nan
    codes = np.full(100, -1, dtype=np.int32)
    codes[:10], codes[10:30] = 0, 1
    found = group_p_values(left, codes, n_groups=3)
    assert found[0] == 1 / 20
    assert found[1] > 0.05
    assert np.isnan(found[2])


@pytest.mark.parametrize("draw", ["normal", "standard_cauchy", "gumbel", "uniform"])
@pytest.mark.parametrize("n", [120, 500])
def test_the_tail_keeps_levels_that_ranks_cannot_reach(draw: str, n: int) -> None:
    rng = np.random.default_rng(6)
    reference = np.arange(n + 3000) < n
    found = [
        row_p_values(getattr(rng, draw)(size=(1, n + 3000)), reference=reference, asked=range(n, n + 3000))[n:]
        for _ in range(40)
    ]
    # 1.3 allows for the sampling error of 40 sets of reference rows; so heavy a tail is estimated less well.
    allowed = 5 if draw == "standard_cauchy" else 1.3
    for level in (0.05, 0.01, 0.05 / 52):
        assert np.mean(np.array(found) <= level) < allowed * level


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("ratio", [10, 100, 1000])
def test_a_few_changed_rows_among_unchanged_ones_do_not_exceed_the_level(share: float, ratio: float) -> None:
    # Without ties: the unchanged rows differ by rounding.
    rng = np.random.default_rng(11)
    n, m, repetitions = 500, 2000, 80
    reference = np.arange(n + m) < n
    below = 0
    for _ in range(repetitions):
        values = rng.normal(size=n + m)
        values[rng.random(n + m) >= share] /= ratio
        below += int((row_p_values(values[None], reference=reference, asked=range(n, n + m))[n:] <= 0.001).sum())
    assert below / (m * repetitions) < 1.3 * 0.001


def test_a_change_beyond_all_others_is_told_from_the_largest_of_them() -> None:
    rng = np.random.default_rng(7)
    values = np.append(rng.normal(size=500), np.arange(0, 40, 0.25))
    reference = np.arange(len(values)) < 500
    found = row_p_values(values[None], reference=reference)
    outside = found[500:]
    assert (np.diff(outside) <= 0).all()
    ranks = np.array([(1 + (values[:500] >= v).sum()) / 501 for v in values[500:]])
    assert (outside <= ranks).all()
    many = ranks >= 11 / 501
    np.testing.assert_allclose(outside[many], ranks[many])
    assert outside[values[500:] == 6] < 0.05 / 52
    assert outside.min() == smallest_p_value(500)
    # A reference row is compared with the others as if it were none of them.
    values[0] = 6
    own = row_p_values(values[None], reference=reference)[0]
    assert own == pytest.approx(row_p_values(values[None], reference=reference & (np.arange(len(values)) > 0))[0])


@pytest.mark.parametrize("shape", [0.1, 0.5, 2.0])
def test_the_tail_is_fitted_by_maximum_likelihood(shape: float) -> None:
    excess = genpareto.rvs(shape, scale=0.01, size=200, random_state=0)
    expected, _, scale = genpareto.fit(excess, floc=0)
    assert _fit_pareto(excess) == pytest.approx((expected, scale), rel=0.01)
    assert _fit_pareto(np.linspace(0.1, 1, 50)) == pytest.approx((1 / 50, 0.55))


def test_few_or_equal_rows_have_no_tail() -> None:
    values = np.append(np.random.default_rng(8).normal(size=99), 50.0)
    reference = np.arange(100) < 99
    assert row_p_values(values[None], reference=reference)[99] == smallest_p_value(99) == 0.01
    flat = np.append(np.zeros(200), 1.0)
    assert row_p_values(flat[None], reference=np.arange(201) < 200)[200] == pytest.approx(1 / 201)
    ranked = rank_rows(values[None], np.zeros(100, dtype=np.int32), reference=reference, asked=[99])
    assert ranked.smallest[99] == 0.01
    assert np.isnan(ranked.p_values[:99]).all()


def test_rows_that_did_not_change_make_no_tail() -> None:
    left = np.zeros((1, 500))
    left[0, :10] = np.random.default_rng(0).normal(size=10) ** 2
    p_values = row_p_values(left, reference=np.ones(500, dtype=bool))
    assert p_values.min() == pytest.approx(1 / 500)


@pytest.mark.parametrize("num_null", [1, 2, 20])
def test_with_few_null_pairs_residuals_are_not_bounded(num_null: int) -> None:
    values = np.random.default_rng(9).normal(size=(1 + num_null, 300))
    reference = np.ones(300, dtype=bool)
    reference[0] = False
    values[0, 0] = 30
    assert ranked(values, np.zeros(300, dtype=np.int32), reference)[0] < 0.05 / 52


def test_a_pair_is_ranked_on_the_side_of_drift() -> None:
    null = [0.5, 0.6, 0.7, np.nan]
    assert pair_p_value(0.4, null, higher=False) == 0.25
    assert pair_p_value(0.4, null, higher=True) == 1
    assert pair_p_value(0.6, null, higher=True) == 0.75
    assert np.isnan(pair_p_value(np.nan, null, higher=True))
    assert np.isnan(pair_p_value(0.4, [], higher=True))


def test_rows_are_ordered_by_evidence_and_unknown_ones_are_last() -> None:
    rng = np.random.default_rng(0)
    values, strata = rng.normal(size=(1, 600)), (np.arange(600) >= 300).astype(np.int32)
    values[0, 300:] *= 20
    values[0, [3, 400, 500]] = 12, 70, np.nan
    found = rank_rows(values, strata, reference=np.ones(600, dtype=bool))
    order = found.order()
    # 12 among values with a spread of 1 is more unusual than 70 among those with a spread of 20.
    assert order[0] == 3
    assert order[-1] == 500
    assert (np.diff(found.p_values[order[:-1]]) >= 0).all()
