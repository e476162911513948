"""Rows as an initializer left them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from finding_examples import analysis, gaussian, look, snapshot

from visualdl_embedding.findings import find, untrained_rows


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


def of_topics(n: int, d: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(10, 0.2), n) @ rng.normal(size=(10, d)) + 0.3 * rng.normal(size=(n, d))


@pytest.mark.parametrize("kind", ["topics", "anisotropic"])
@pytest.mark.parametrize(("n", "d"), [(150, 300), (500, 64), (1000, 128)])
def test_untrained_rows_with_the_norms_of_trained_ones_are_found_by_their_directions(n: int, d: int, kind: str) -> None:
    vectors = of_topics(n, d) if kind == "topics" else gaussian(n, d, decay=1.0)
    rng, m = np.random.default_rng(1), n // 10
    random = rng.normal(size=(m, d))
    norms = rng.permutation(np.linalg.norm(vectors, axis=1))[:m]
    clean = untrained_rows(vectors.astype(np.float32))
    assert clean is None
    vectors[:m] = random * (norms / np.linalg.norm(random, axis=1))[:, None]
    found = untrained_rows(vectors.astype(np.float32))
    assert found is not None
    rows = set(found.rows.tolist())
    assert len(rows & set(range(m))) >= 0.9 * m
    assert len(rows - set(range(m))) <= 0.02 * m


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_rows_of_a_wide_initializer_cannot_be_told(strength: float) -> None:
    """Training leaves rows of N(0, 1) values random: a fresh table and a trained one look alike."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1000, 64)) + strength * rng.normal(size=(1000, 4)) @ rng.normal(size=(4, 64))
    vectors[:100] = rng.normal(size=(100, 64))
    assert untrained_rows(vectors.astype(np.float32)) is None


def test_the_end_of_a_continuum_is_not_called_untrained() -> None:
    """Rows that were trained more and less, from hardly at all."""
    rng = np.random.default_rng(0)
    strength = np.exp(rng.normal(size=(1000, 1)))
    vectors = 0.1 * rng.normal(size=(1000, 64)) + 0.1 * strength * rng.normal(size=(1000, 6)) @ rng.normal(size=(6, 64))
    assert untrained_rows(vectors.astype(np.float32)) is None


def test_rows_with_lookups_are_not_called_untrained() -> None:
    vectors = trained(300, 64)
    vectors[:40] = 0.05 * np.random.default_rng(1).normal(size=(40, 64))
    fresh = 0.05 * np.random.default_rng(2).normal(size=(300, 64))
    lookups = np.r_[np.zeros(20), np.full(280, 9)].astype(np.float32)

    def untrained(of: np.ndarray, lookups: np.ndarray) -> list[tuple[str, int]]:
        shot = replace(snapshot(of), row_values={"lookups": lookups})
        found = find(shot, analysis(shot))
        return [(f.kind, len(f.row_indices)) for f in found if f.kind.startswith("untrained")]

    assert untrained(vectors, 0 * lookups)[0][1] >= 36
    assert 18 <= untrained(vectors, lookups)[0][1] <= 20
    assert untrained(vectors, 0 * lookups + 1) == []
    assert untrained(fresh, 0 * lookups) == [("untrained_table", 300)]
    assert untrained(fresh, lookups) == []


def test_the_evidence_is_that_of_the_rows_named() -> None:
    vectors = trained(300, 64)
    rng = np.random.default_rng(1)
    vectors[:40] = 0.05 * rng.normal(size=(40, 64))
    # A tenth shorter than the others, and still in the same peak of norms.
    vectors[20:40] *= 0.9
    lookups = np.r_[np.zeros(20), np.full(280, 9)].astype(np.float32)
    shot = replace(snapshot(vectors), row_values={"lookups": lookups})
    done = analysis(shot)
    finding = next(f for f in find(shot, done) if f.kind == "untrained_rows")
    rows = list(finding.row_indices)
    norms = np.linalg.norm(vectors[rows], axis=1)
    assert set(rows) <= set(range(20))
    assert finding.numbers["length"] == pytest.approx(np.median(norms), rel=1e-5)
    assert finding.numbers["length_spread"] == pytest.approx(norms.std() / np.median(norms), rel=1e-5)
    assert finding.numbers["nearest_distance"] == pytest.approx(np.median(done.neighbors.distances[rows, 0]), rel=1e-5)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    squares = (units[rows] @ np.delete(units, rows, axis=0).T) ** 2
    assert finding.numbers["preference"] == pytest.approx(64 * squares.mean(), rel=1e-3)
