"""Cohesion against all pairs, and against random groups drawn one by one."""

from __future__ import annotations

import numpy as np
import pytest
from group_examples import blobs, study
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from sklearn.metrics.pairwise import cosine_similarity

from visualdl_embedding.core.neighbors import normalize
from visualdl_embedding.metrics.groups._cohesion import measure_cohesion
from visualdl_embedding.metrics.groups._encode import encode_groups


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), n=st.integers(2, 40), d=st.integers(1, 8), n_groups=st.integers(1, 4))
def test_it_is_the_mean_of_all_pairs(seed: int, n: int, d: int, n_groups: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = (rng.normal(size=(n, d)) + 0.5).astype(np.float32)
    codes = rng.integers(-1, n_groups, n).astype(np.int32)
    unit = normalize(vectors)
    found = measure_cohesion(unit, codes, n_groups, n_random=5)
    cosines = cosine_similarity(unit.astype(np.float64))
    np.fill_diagonal(cosines, np.nan)
    for code in range(n_groups):
        members = np.flatnonzero(codes == code)
        pairs = cosines[np.ix_(members, members)]
        if len(members) < 2:
            assert np.isnan(found.observed[code])
            assert np.isnan(found.rows[members]).all()
            continue
        assert found.observed[code] == pytest.approx(np.nanmean(pairs), abs=1e-6)
        np.testing.assert_allclose(found.rows[members], np.nanmean(pairs, axis=1), atol=2e-6)
    centroids = np.array([unit[codes == c].sum(axis=0) if (codes == c).any() else np.zeros(d) for c in range(n_groups)])
    present = np.linalg.norm(centroids, axis=1) > 1e-3
    if present.any():
        expected = cosine_similarity(centroids[present])
        np.testing.assert_allclose(found.centroid_cosines[np.ix_(present, present)], expected, atol=1e-4)


@pytest.mark.parametrize("sizes", [(30, 12, 3), (80, 12, 3), (12, 12)])
def test_random_groups_are_as_those_drawn_one_by_one(sizes: tuple[int, ...]) -> None:
    """Also for a group of more than half of the rows, which is drawn as what is left over."""
    vectors, groups = blobs(*sizes, gap=3, d=6)
    vectors = np.vstack([vectors, np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)])
    codes, names = encode_groups([*groups, *[""] * 20])
    found = measure_cohesion(normalize(vectors), codes, len(names), n_random=2000)
    cosines = cosine_similarity(vectors)
    rng = np.random.default_rng(0)
    for code, size in enumerate(sizes):
        drawn = []
        for _ in range(2000):
            rows = rng.choice(len(vectors), size, replace=False)
            drawn.append((cosines[np.ix_(rows, rows)].sum() - size) / (size * (size - 1)))
        assert found.random_mean[code] == pytest.approx(np.mean(drawn), abs=5 * np.std(drawn) / np.sqrt(1000))
        assert found.random_sd[code] == pytest.approx(np.std(drawn), rel=0.12)
        p = (1 + np.sum(drawn >= found.observed[code])) / 2001
        assert found.p[code] == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 1000) + 1e-12)
        z = (found.observed[code] - found.random_mean[code]) / found.random_sd[code]
        assert found.z[code] == pytest.approx(z)


def test_p_is_uniform_where_groups_mean_nothing() -> None:
    ps = []
    for seed in range(60):
        vectors, groups = blobs(40, 25, gap=0, d=8, seed=seed)
        codes, _ = encode_groups(groups)
        ps.append(measure_cohesion(normalize(vectors), codes, 2, n_random=99, random_state=seed).p[1])
    assert kstest(ps, "uniform").pvalue > 0.01


def test_tight_groups_stand_out_and_scattered_ones_do_not() -> None:
    """Joy holds together; sorrow is spread over all directions."""
    rng = np.random.default_rng(0)
    joy = rng.normal(size=(40, 16)) + 2
    others = rng.normal(size=(100, 16))
    # In opposite pairs: more scattered than chance.
    half = rng.normal(size=(20, 16))
    vectors = np.vstack([joy, half, -half, others]).astype(np.float32)
    found = study(vectors, ["joy"] * 40 + ["sorrow"] * 40 + [""] * 100, n_random=199)
    joy_code, sorrow_code = found.index("joy"), found.index("sorrow")
    assert found.cohesion.p[joy_code] == 1 / 200
    assert found.cohesion.z[joy_code] > 10
    assert found.cohesion.p[sorrow_code] > 0.9


def test_an_unknown_group() -> None:
    found = study(*blobs(20, 1))
    with pytest.raises(ValueError, match="There is no group 'joy'; the groups are 'positive', 'negative'"):
        found.index("joy")


def test_all_rows_in_one_group_have_nothing_to_be_compared_with() -> None:
    vectors, _ = blobs(20, 20)
    found = measure_cohesion(normalize(vectors), np.zeros(40, np.int32), 1, n_random=9)
    assert np.isfinite(found.observed[0])
    for values in (found.p, found.z, found.random_mean, found.random_sd):
        assert np.isnan(values[0])


def test_equal_rows_are_not_told_apart() -> None:
    equal = np.tile(np.float32([[0.3, -0.1, 0.7]]), (60, 1))
    found = measure_cohesion(normalize(equal), (np.arange(60) % 3 > 0).astype(np.int32), 2, n_random=49)
    assert found.p.tolist() == [1, 1]
    assert np.isnan(found.z).all()
    np.testing.assert_allclose(found.observed, 1, atol=1e-6)


def test_rows_without_a_direction_are_left_out() -> None:
    vectors, groups = blobs(30, 20)
    padded = np.vstack([vectors, np.zeros((7, 16), np.float32)])
    codes, _ = encode_groups([*groups, *["negative"] * 7])
    with_zeros = measure_cohesion(normalize(padded), codes, 2, n_random=9)
    without = measure_cohesion(normalize(vectors), codes[:50], 2, n_random=9)
    np.testing.assert_array_equal(with_zeros.observed, without.observed)
    np.testing.assert_array_equal(with_zeros.p, without.p)
    assert np.isnan(with_zeros.rows[50:]).all()
