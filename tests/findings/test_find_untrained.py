"""Rows as an initializer left them."""

from __future__ import annotations

import numpy as np
import pytest
from finding_examples import gaussian, look

from visualdl_embedding.findings import untrained_rows


def trained(n: int, d: int, seed: int = 0) -> np.ndarray:
    return gaussian(n, d, seed=seed) * np.float32(2)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize(("n", "d", "share"), [(200, 64, 0.1), (1000, 128, 0.25), (2000, 64, 0.6), (150, 300, 0.2)])
def test_planted_untrained_rows_are_found(n: int, d: int, share: float, kind: str, distance: str) -> None:
    rng = np.random.default_rng(1)
    vectors = trained(n, d)
    m = int(n * share)
    draws = rng.uniform(-0.1, 0.1, (m, d)) if kind == "uniform" else 0.05 * rng.normal(size=(m, d))
    vectors[:m] = draws
    found = look(vectors, distance=distance, columns={"frequency": np.r_[np.zeros(m), np.arange(1, n - m + 1)]})
    finding = found["untrained_rows"]
    rows = set(finding.row_indices)
    assert len(rows & set(range(m))) >= 0.9 * m
    assert len(rows - set(range(m))) <= 0.02 * n
    assert finding.numbers["preference"] == pytest.approx(1, abs=0.1)
    assert "rarer" in finding.evidence
    if m * d > 2000:
        assert kind in finding.evidence


@pytest.mark.parametrize(("n", "d"), [(60, 64), (500, 128), (3000, 32)])
def test_a_fresh_table_looks_untrained_as_a_whole(n: int, d: int) -> None:
    vectors = np.random.default_rng(0).uniform(-0.05, 0.05, (n, d))
    found = look(vectors)
    assert found["untrained_table"].severity == "critical"
    assert len(found["untrained_table"].row_indices) == n
    assert "untrained_rows" not in found


def test_isotropic_directions_of_very_different_lengths_are_not_an_initializers() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 64)) * np.exp(rng.normal(size=(500, 1)))
    assert not {"untrained_table", "untrained_rows"} & set(look(vectors))


def test_a_frozen_length_alone_is_no_evidence() -> None:
    """LayerNorm gives all rows one length; their directions were trained nevertheless."""
    vectors = trained(600, 64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert untrained_rows(vectors) is None


def test_too_few_dimensions_or_rows_say_nothing() -> None:
    rng = np.random.default_rng(0)
    assert untrained_rows(rng.normal(size=(500, 8)).astype(np.float32)) is None
    assert untrained_rows(rng.normal(size=(8, 64)).astype(np.float32)) is None


def test_given_and_measured_distances_to_the_nearest_agree() -> None:
    vectors = trained(300, 64)
    vectors[:40] = 0.05 * np.random.default_rng(1).normal(size=(40, 64))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -1)
    given, measured = untrained_rows(vectors, 1 - cosines.max(axis=1)), untrained_rows(vectors)
    assert given is not None
    assert measured is not None
    assert set(given.rows) == set(measured.rows)
    assert given.nearest == pytest.approx(measured.nearest, abs=1e-5)


def test_composed_rows_are_never_called_untrained() -> None:
    vectors = trained(300, 64)
    vectors[:40] = 0.05 * np.random.default_rng(1).normal(size=(40, 64))
    assert "untrained_rows" not in look(vectors, pieces={i: (100 + i, 200 + i) for i in range(40)})
