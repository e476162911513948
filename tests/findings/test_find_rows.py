"""Single rows and groups of rows that stand out: outliers, lengths, clumps, copies, zeros."""

from __future__ import annotations

import numpy as np
import pytest
from finding_examples import analysis, blobs, gaussian, look, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi, ks_2samp, ortho_group
from sklearn.covariance import MinCovDet

from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.findings import find, intrinsic_dimension, robust_distances, tight_clumps
from visualdl_embedding.findings._gaussian import Gaussian
from visualdl_embedding.findings._outliers import _usual_norms


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize(("n", "d"), [(60, 8), (500, 50), (200, 300), (2000, 100)])
def test_planted_outliers_are_found_and_nothing_else(n: int, d: int, distance: str) -> None:
    vectors, _ = blobs(n, d, n_blobs=1, apart=8.0)
    rng = np.random.default_rng(1)
    planted = [3, 17, 41]
    far = rng.normal(size=(3, d))
    vectors[planted] = 4 * np.linalg.norm(vectors, axis=1).mean() * far / np.linalg.norm(far, axis=1, keepdims=True)
    found = look(vectors, distance=distance)["outliers"]
    assert set(found.row_indices) == set(planted)
    assert found.severity == "warning"
    assert set(found.labels) == {f"词{i}" for i in planted}


def test_robust_distance_agrees_with_the_minimum_covariance_determinant() -> None:
    vectors = gaussian(600, 5)
    vectors[:30] += 12
    ours = robust_distances(vectors).ratio
    theirs = MinCovDet(random_state=0).fit(vectors).mahalanobis(vectors)
    # 5% of outliers must mask themselves in neither: both put exactly the same thirty first.
    assert set(np.argsort(-ours)[:30]) == set(np.argsort(-theirs)[:30]) == set(range(30))


def test_a_compact_group_far_away_is_a_cluster_not_outliers() -> None:
    vectors, _ = blobs(1000, 20, n_blobs=1, apart=0.0)
    vectors[:40] += 15
    assert "outliers" not in look(vectors, distance="euclidean")


def test_very_long_and_very_short_rows_are_told_with_their_lengths() -> None:
    vectors = gaussian(400, 64)
    vectors[5] *= 20
    vectors[9] /= 20
    found = look(vectors)["unusual_lengths"]
    assert set(found.row_indices) == {5, 9}
    assert (found.numbers["num_long"], found.numbers["num_short"]) == (1, 1)
    assert found.numbers["longest"] == pytest.approx(np.linalg.norm(vectors[5]), rel=1e-5)


def test_few_strong_directions_make_no_length_unusual() -> None:
    fired = 0
    for seed in range(8, 14):
        fired += "unusual_lengths" in look(gaussian(400, 40, seed=seed, decay=1.0))
    assert fired <= 1


def test_a_long_row_among_few_strong_directions_is_told_with_the_usual_range() -> None:
    vectors = gaussian(300, 40, decay=1.0)
    vectors[5] *= 10 * np.median(np.linalg.norm(vectors, axis=1)) / np.linalg.norm(vectors[5])
    found = look(vectors)["unusual_lengths"]
    assert found.row_indices == (5,)
    assert found.numbers["gaussian_shortest"] < found.numbers["median_length"] < found.numbers["gaussian_longest"]
    assert found.numbers["gaussian_longest"] < found.numbers["longest"]


@pytest.mark.parametrize("d", [3, 16, 100])
def test_norms_of_a_gaussian_are_those_of_its_rows(d: int) -> None:
    vectors = gaussian(2000, d, decay=0.3) + np.float32(0.2)
    drawn = Gaussian.like(vectors)
    rng = np.random.default_rng(0)
    by_rows = np.linalg.norm(drawn.rows(20_000, rng), axis=1)
    assert ks_2samp(by_rows, drawn.norms(20_000, rng)).pvalue > 1e-3
    scale = np.median(np.linalg.norm(vectors, axis=1)) / np.median(by_rows)
    assert ks_2samp(by_rows * scale, np.linalg.norm(vectors, axis=1)).pvalue > 1e-3


def test_short_composed_rows_are_not_reported() -> None:
    vectors = gaussian(400, 64)
    vectors[5] /= 20
    assert "unusual_lengths" not in look(vectors, pieces={5: (1, 2)})


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("d", [2, 10, 200])
def test_a_planted_clump_is_found_whole(d: int, distance: str) -> None:
    vectors = gaussian(500, d, decay=0.1)
    rng = np.random.default_rng(0)
    vectors[100:112] = vectors[100] + 1e-5 * rng.normal(size=(12, d))
    frequency = np.arange(500)[::-1]
    found = look(vectors, distance=distance, columns={"frequency": frequency})["tight_clumps"]
    assert set(range(100, 112)) <= set(found.row_indices)
    assert found.numbers["largest"] == 12
    assert found.numbers["largest_distance"] < 0.01 * found.numbers["typical_nearest_distance"]
    assert "词100" in found.details[0]


def test_a_large_clump_is_critical_with_its_frequency() -> None:
    vectors = gaussian(500, 50, decay=0.1)
    vectors[300:] = vectors[300] + 1e-3 * np.random.default_rng(0).normal(size=(200, 50))
    frequency = np.r_[np.full(300, 1000), np.arange(200)]
    found = look(vectors, columns={"frequency": frequency})["tight_clumps"]
    assert found.severity == "critical"
    assert "rarer" in found.evidence
    assert "更低频" in found.evidence_zh
    assert found.numbers["median_frequency"] < found.numbers["median_frequency_rest"]


def test_a_dense_region_is_no_clump() -> None:
    """A chain of near rows percolates through a dense middle; its ends are far apart."""
    rng = np.random.default_rng(0)
    vectors = np.r_[rng.normal(size=(1500, 3)), 0.15 * rng.normal(size=(1500, 3))].astype(np.float32)
    graph = nearest_neighbors(vectors, 15, distance="euclidean")
    clumps, _ = tight_clumps(vectors, graph.indices, graph.distances.astype(np.float64))
    assert sum(len(clump.rows) for clump in clumps) < 15


def test_clumps_are_a_warning_only_if_rows_nearly_coincide() -> None:
    vectors = gaussian(500, 20, decay=0.1)
    near, other = np.linalg.norm(vectors[:, None] - vectors[None, :60], axis=2), gaussian(5, 20, seed=3, decay=0.1)
    typical = np.median(np.sort(near, axis=0)[1])
    for share, severity in ((0.1, "warning"), (0.35, "info")):
        away = other / np.linalg.norm(other, axis=1, keepdims=True)
        planted = vectors.copy()
        planted[100:105] = vectors[100] + share / np.sqrt(2) * typical * away
        assert look(planted, distance="euclidean")["tight_clumps"].severity == severity


@pytest.mark.parametrize(("n", "error"), [(500, 0.05), (100_000, 0.03)])
def test_usual_norms_of_a_gaussian_are_those_of_the_chi_distribution(n: int, error: float) -> None:
    """Above 10,000 rows the quantiles are extrapolated from 2,000,000 norms."""
    low, high = _usual_norms(np.random.default_rng(0).normal(size=(n, 12)).astype(np.float32), 42)
    half = 0.005 / n
    middle = chi.median(12)
    assert low == pytest.approx(chi.ppf(half, 12) / middle, rel=0.15)
    assert high == pytest.approx(chi.isf(half, 12) / middle, rel=error)


@pytest.mark.parametrize("dimension", [1, 2, 5, 10])
def test_intrinsic_dimension_of_a_flat_space_in_a_large_one(dimension: int) -> None:
    vectors = np.random.default_rng(0).uniform(size=(3000, dimension)) @ ortho_group.rvs(40, random_state=0)[:dimension]
    graph = nearest_neighbors(vectors.astype(np.float32), 15, distance="euclidean")
    assert intrinsic_dimension(graph.distances.astype(np.float64)) == pytest.approx(dimension, rel=0.25)


def test_copies_are_grouped_and_minus_zero_is_zero() -> None:
    vectors = gaussian(100, 6)
    vectors[10:13] = vectors[10]
    vectors[50] = vectors[51] = [0, 1, 2, 3, 4, 5]
    vectors[51, 0] = -0.0
    found = look(vectors)["duplicate_rows"]
    assert found.row_indices == (10, 11, 12, 50, 51)
    assert found.severity == "warning"
    assert "词10 = 词11 = 词12" in found.evidence


@pytest.mark.parametrize("noise", [0, 3e-8])
def test_copies_are_named_once(noise: float) -> None:
    vectors = gaussian(1000, 64)
    vectors[:300] = vectors[0] * (1 + noise * np.random.default_rng(0).normal(size=(300, 64)))
    found = look(vectors)
    assert found["duplicate_rows"].row_indices == tuple(range(300))
    assert not {"hubs", "tight_clumps"} & set(found)
    how = "at the resolution of float32" if noise else "with equal bits"
    assert how in found["duplicate_rows"].evidence


def test_equidistant_rows_are_no_hubs() -> None:
    assert "hubs" not in look(np.eye(300))


def test_words_composed_of_the_same_pieces_are_no_copies() -> None:
    vectors = gaussian(100, 6)
    vectors[98] = vectors[99]
    assert "duplicate_rows" not in look(vectors, pieces={98: (1, 2), 99: (2, 1)})
    assert "duplicate_rows" in look(vectors, pieces={98: (1, 2), 99: (2, 3)})


def test_zero_rows_and_rows_that_are_not_finite_are_told_apart() -> None:
    vectors = gaussian(100, 20)
    vectors[[4, 8]] = 0
    vectors[6, 3] = np.nan
    vectors[7, 2] = np.inf
    found = look(vectors)
    assert found["zero_rows"].row_indices == (4, 8)
    assert found["nonfinite_rows"].row_indices == (6, 7)
    assert found["nonfinite_rows"].severity == "critical"
    assert "duplicate_rows" not in found


def test_counters_of_the_whole_table_are_told_though_watched_rows_are_fine() -> None:
    shot = snapshot(gaussian(100, 20))
    counters = {"num_rows": 5000.0, "nonfinite_rows": 2.0, "zero_rows": 7.0, "duplicate_rows": 30.0}
    found = {finding.kind: finding for finding in find(shot, analysis(shot), counters=counters)}
    assert set(found) == {"nonfinite_rows", "zero_rows", "duplicate_rows"}
    assert found["nonfinite_rows"].severity == "critical"
    assert found["duplicate_rows"].severity == "info"
    assert "30 of 5,000" in found["duplicate_rows"].evidence
    # One zero row is the padding.
    assert not find(shot, analysis(shot), counters={"num_rows": 5000.0, "zero_rows": 1.0, "duplicate_rows": 0.0})


@pytest.mark.parametrize("n_zero", [3, 40])
def test_zero_rows_are_nobodys_neighbors(n_zero: int) -> None:
    """By cosine a zero row is nearer to all than most words are: it must not stand for their neighbor."""
    vectors = gaussian(300, 40)
    vectors[:60] = 0.02 * np.random.default_rng(1).normal(size=(60, 40))
    vectors[70:76] = vectors[70] + 1e-5 * np.random.default_rng(2).normal(size=(6, 40))
    groups = ["a"] * 150 + ["b"] * 150
    without = look(vectors, columns={"group": groups})
    known = {"group": [*groups, *["a"] * n_zero]}
    found = look(np.r_[vectors, np.zeros((n_zero, 40))], columns=known)
    assert set(found) == set(without) | {"zero_rows"}
    assert {"untrained_rows", "tight_clumps"} <= set(found)
    for kind in ("untrained_rows", "tight_clumps"):
        assert without[kind].row_indices == found[kind].row_indices


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**31 - 1))
def test_turning_the_space_and_reordering_rows_changes_no_finding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = gaussian(200, 20)
    vectors[3] = 30 * rng.normal(size=20)
    vectors[40:44] = vectors[40] + 1e-4 * rng.normal(size=(4, 20))
    vectors[70:72] = vectors[70]
    vectors[90] = 0
    turned = (vectors @ ortho_group.rvs(20, random_state=seed)).astype(np.float32)
    # Products may differ in the last bit from row to row of a block: copies must stay copies.
    turned[71] = turned[70]
    order = rng.permutation(200)
    labels = [f"词{i}" for i in range(200)]
    before = look(vectors, labels=labels)
    after = look(turned[order], labels=[labels[i] for i in order])
    assert set(before) == set(after)
    assert {"tight_clumps", "duplicate_rows", "zero_rows"} <= set(before)
    for kind, finding in before.items():
        assert {labels[i] for i in finding.row_indices} == {labels[order[i]] for i in after[kind].row_indices}
