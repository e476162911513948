"""The probe against scikit-learn's ridge, its discriminant analysis, and its area under the curve."""

from __future__ import annotations

import time

import numpy as np
import pytest
from group_examples import blobs
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit, cross_val_score
from threadpoolctl import threadpool_limits

from visualdl_embedding.metrics.groups import _probe
from visualdl_embedding.metrics.groups._encode import encode_groups
from visualdl_embedding.metrics.groups._probe import probe_scores, stratified_folds


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5), n_folds=st.integers(2, 7), seed=st.integers(0, 2**31)
)
def test_folds_are_even_in_every_group(sizes: list[int], n_folds: int, seed: int) -> None:
    codes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int32)
    folds = stratified_folds(codes, n_folds, random_state=seed)
    for members in [np.ones(len(codes), bool), *(codes == code for code in range(len(sizes)))]:
        counts = np.bincount(folds[members], minlength=n_folds)
        assert counts.max() - counts.min() <= 1
        assert counts.sum() == members.sum()


@pytest.mark.parametrize(("sizes", "d"), [((120, 60), 8), ((100, 60, 40), 16), ((30, 20, 10), 90)])
def test_areas_are_those_of_scikit_learns_ridge(sizes: tuple[int, ...], d: int) -> None:
    vectors, groups = blobs(*sizes, d=d, gap=1)
    codes, _ = encode_groups(groups)
    folds = stratified_folds(codes, 5)
    expected = np.zeros((len(sizes), 5))
    for fold in range(5):
        train, test = folds != fold, folds == fold
        wide = vectors.astype(np.float64)
        alpha = wide[train].var(axis=0).sum()
        for code in range(len(sizes)):
            ridge = Ridge(alpha=alpha).fit(wide[train], codes[train] == code)
            expected[code, fold] = roc_auc_score(codes[test] == code, ridge.predict(wide[test]))
    found = probe_scores(vectors, codes, len(sizes))
    np.testing.assert_allclose(found.groups, expected.mean(axis=1), atol=1e-9)
    assert found.overall == pytest.approx(expected.mean(), abs=1e-9)


def test_it_tells_groups_apart_as_well_as_a_discriminant_analysis() -> None:
    vectors, groups = blobs(500, 400, d=32, gap=1.5)
    # A large direction that has nothing to do with the groups must not hide them.
    vectors[:, 31] *= 30
    codes, _ = encode_groups(groups)
    folds = PredefinedSplit(stratified_folds(codes, 5))
    expected = cross_val_score(LinearDiscriminantAnalysis(), vectors, codes, cv=folds, scoring="roc_auc").mean()
    assert 0.8 < expected < 0.95
    assert probe_scores(vectors, codes, 2).overall == pytest.approx(expected, abs=0.01)


def test_known_answers() -> None:
    vectors, groups = blobs(60, 50, gap=30)
    codes, _ = encode_groups(groups)
    assert probe_scores(vectors, codes, 2).overall == 1
    areas = []
    for seed in range(20):
        vectors, groups = blobs(150, 150, gap=0, seed=seed)
        areas.append(probe_scores(vectors, encode_groups(groups)[0], 2).overall)
    assert np.mean(areas) == pytest.approx(0.5, abs=0.03)
    assert probe_scores(np.ones((40, 3), np.float32), np.arange(40, dtype=np.int32) % 2, 2).overall == 0.5


def test_ties_count_half() -> None:
    vectors = np.float32([[0, 0], [1, 0]] * 20 + [[0, 0], [1, 0], [1, 0], [1, 0]] * 10)
    codes = np.repeat(np.int32([0, 1]), 40)
    folds = stratified_folds(codes, 4)
    expected = [roc_auc_score(codes[folds == f] == 1, vectors[folds == f, 0]) for f in range(4)]
    assert probe_scores(vectors, codes, 2, n_folds=4).groups[1] == pytest.approx(np.mean(expected))


def test_a_group_smaller_than_the_folds_has_none() -> None:
    vectors, groups = blobs(40, 30, 4)
    codes, _ = encode_groups(groups)
    found = probe_scores(vectors, codes, 3)
    assert np.isnan(found.groups[2])
    assert found.overall == pytest.approx(found.groups[:2].mean())
    assert np.isfinite(probe_scores(vectors, codes, 3, n_folds=4).groups).all()
    # Neither can a group be told from fewer rows than folds.
    assert np.isnan(probe_scores(vectors, np.where(codes == 1, -1, codes).astype(np.int32), 3).groups).all()


def test_many_rows_are_sampled_but_no_rare_group_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, groups = blobs(1500, 700, 12, gap=3)
    codes, _ = encode_groups(groups)
    every = probe_scores(vectors, codes, 3)
    monkeypatch.setattr(_probe, "MAX_ROWS", 600)
    sampled = probe_scores(vectors, codes, 3)
    assert not np.array_equal(sampled.groups, every.groups)
    np.testing.assert_allclose(sampled.groups, every.groups, atol=0.05)
    kept = codes[_probe._thin(codes, np.bincount(codes), 4, 42)]
    assert np.bincount(kept).tolist() == [375, 175, 12]


@pytest.mark.soak
def test_ten_thousand_rows_take_a_fraction_of_a_second() -> None:
    vectors, groups = blobs(4000, 3500, 2500, d=128)
    codes, _ = encode_groups(groups)
    seconds = []
    for _ in range(3):
        with threadpool_limits(1):
            start = time.perf_counter()
            probe_scores(vectors, codes, 3)
            seconds.append(time.perf_counter() - start)
    # Measured: 0.03 s on one quiet core.
    assert min(seconds) < 0.3
