"""The silhouette against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from group_examples import blobs
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_samples, silhouette_score

from visualdl_embedding.core.neighbors import normalize
from visualdl_embedding.metrics.groups._encode import encode_groups
from visualdl_embedding.metrics.groups._silhouette import SAMPLED_ROWS, measure_silhouette


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(8, 60),
    d=st.integers(2, 8),
    n_groups=st.integers(2, 5),
    cosine=st.booleans(),
)
def test_it_is_scikit_learns(seed: int, n: int, d: int, n_groups: int, cosine: bool) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    codes = rng.integers(-1, n_groups, n).astype(np.int32)
    codes[:3] = [0, 1, 0]
    found, error = measure_silhouette(normalize(vectors) if cosine else vectors, codes, n_groups, cosine=cosine)
    kept = codes >= 0
    expected = silhouette_samples(
        vectors[kept].astype(np.float64), codes[kept], metric="cosine" if cosine else "euclidean"
    )
    assert found.overall == pytest.approx(expected.mean(), abs=2e-6)
    for code in range(n_groups):
        of_group = expected[codes[kept] == code]
        np.testing.assert_allclose(found.groups[code], of_group.mean() if len(of_group) else np.nan, atol=2e-6)
    assert error.overall == 0


def test_with_the_cosine_thousands_of_rows_are_exact() -> None:
    vectors, groups = blobs(2000, 900, 100)
    codes, _ = encode_groups(groups)
    found, error = measure_silhouette(normalize(vectors), codes, 3, cosine=True)
    assert found.overall == pytest.approx(silhouette_score(vectors, codes, metric="cosine"), abs=1e-6)
    assert error.overall == 0


def test_a_sample_errs_as_it_says() -> None:
    vectors, groups = blobs(2200, 700, 100, gap=3)
    codes, _ = encode_groups(groups)
    every = silhouette_samples(vectors, codes)
    truth = np.array([every.mean(), *(every[codes == code].mean() for code in range(3))])
    deviations = []
    for seed in range(12):
        found, error = measure_silhouette(vectors, codes, 3, cosine=False, random_state=seed)
        said = np.array([error.overall, *error.groups])
        assert 0 < said[0] < every.std() / np.sqrt(SAMPLED_ROWS)
        deviations.append((np.array([found.overall, *found.groups]) - truth) / said)
    assert np.all(np.abs(deviations) < 4.5)
    assert 0.5 < np.std(deviations) < 1.5


@pytest.mark.parametrize("cosine", [True, False])
def test_a_collapsed_table_keeps_its_silhouette(cosine: bool) -> None:
    vectors, groups = blobs(200, 150, gap=8)
    codes, _ = encode_groups(groups)
    collapsed = (1 + 1e-4 * vectors).astype(np.float32)
    found, _ = measure_silhouette(normalize(collapsed) if cosine else collapsed, codes, 2, cosine=cosine)
    exact = collapsed.astype(np.float64)
    if cosine:
        # 1 - cos loses its digits here; half the squared distance of unit vectors is the same number and keeps them.
        exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    expected = silhouette_score(exact, codes, metric="sqeuclidean" if cosine else "euclidean")
    assert expected > 0.2
    assert found.overall == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("cosine", [True, False])
def test_equal_rows_and_large_numbers_do_no_harm(cosine: bool) -> None:
    equal = np.tile(np.float32([[0.3, -0.1, 0.7]]), (40, 1))
    codes = np.arange(40, dtype=np.int32) % 2
    assert measure_silhouette(normalize(equal), codes, 2, cosine=cosine)[0].overall == 0
    vectors, groups = blobs(1200, 1000, d=4)
    codes, _ = encode_groups(groups)
    scale = np.float32(1e15 if cosine else 1e25)
    small = measure_silhouette(normalize(vectors) if cosine else vectors, codes, 2, cosine=cosine)[0].overall
    large = vectors * scale
    found = measure_silhouette(normalize(large) if cosine else large, codes, 2, cosine=cosine)[0].overall
    assert found == pytest.approx(small, abs=1e-5)


def test_one_group_has_no_silhouette() -> None:
    vectors = np.eye(4, dtype=np.float32)
    for codes in ([0, 0, 0, 0], [0, 0, -1, -1], [-1, -1, -1, -1]):
        found, error = measure_silhouette(vectors, np.array(codes, np.int32), 2, cosine=True)
        assert np.isnan(found.overall)
        assert np.isnan(error.overall)
