"""Sums of vectors, positions on a line, and wrong arguments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from visualdl_embedding.core.query import axis_between, combine, nearest_rows, position_on_axis

NONE = np.zeros(10, dtype=bool)


def space(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: nearest_rows([(0, v)], v[0], k=0, skipped=NONE), "k must be at least 1"),
        (lambda v: nearest_rows([(0, v)], v[0], k=1, distance="manhattan", skipped=NONE), "distance must be one of"),
        (lambda v: nearest_rows([(0, v)], v[0] * np.nan, k=1, skipped=NONE), "NaN or inf"),
        (lambda v: combine(v[:0], v), "at least one"),
        (lambda v: combine(v[[1]], v[[1]]), "cancel"),
        (lambda v: combine(v[[1]] * np.nan, v[[1]]), "NaN or inf"),
        (lambda v: axis_between(v[0], v[0]), "Both ends are equal"),
        (lambda v: axis_between(v[0], v[1, :3]), "same width"),
        (lambda v: axis_between(v[0] * np.nan, v[1]), "finite"),
        (lambda v: position_on_axis(v[:, :3], axis_between(v[0], v[1])), "like the axis"),
    ],
)
def test_wrong_arguments_are_explained(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call(space(10, 4))


def test_a_combination_is_the_sum_of_unit_vectors() -> None:
    vectors = space(5, 6)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = units[0] + units[1] - units[2]
    got = combine(vectors[:2], vectors[[2]])
    np.testing.assert_allclose(got, expected / np.linalg.norm(expected), atol=1e-6)
    assert got.dtype == np.float32


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31 - 1),
    d=st.integers(2, 20),
    m=st.integers(1, 5),
    distance=st.sampled_from(["cosine", "euclidean"]),
)
def test_the_ends_of_an_axis_are_0_and_1_and_rotation_invariant(seed: int, d: int, m: int, distance: str) -> None:
    vectors = space(30, d, seed)
    axis = axis_between(vectors[:m], vectors[m : 2 * m], distance=distance)  # type: ignore[arg-type]
    places = position_on_axis(vectors, axis)
    # Ends that are near to one another leave few digits for the rest.
    digits = 1e-4 * (1 + float(np.abs(places).max()))
    assert places[:m].mean() == pytest.approx(0, abs=digits)
    assert places[m : 2 * m].mean() == pytest.approx(1, abs=digits)
    turned = (vectors @ ortho_group.rvs(d, random_state=seed)).astype(np.float32)
    again = position_on_axis(turned, axis_between(turned[:m], turned[m : 2 * m], distance=distance))  # type: ignore[arg-type]
    np.testing.assert_allclose(again, places, atol=10 * digits)


def test_a_position_is_that_of_the_foot_on_the_line() -> None:
    axis = axis_between(np.array([0.0, 1.0]), np.array([2.0, 1.0]), distance="euclidean")
    places = position_on_axis(np.array([[1.0, 9.0], [4.0, -3.0], [np.nan, 0.0]]), axis)
    np.testing.assert_allclose(places, [0.5, 2.0, np.nan])


@pytest.mark.parametrize("length", [0.0, 1e-30])
def test_a_row_without_a_direction_has_no_neighbors_by_cosine_and_is_none(length: float) -> None:
    vectors = space(10, 4)
    vectors[2] *= length
    found = nearest_rows([(0, vectors)], vectors[1], k=10, skipped=NONE)
    assert {row for row, _, _ in found} == {0, 1, *range(3, 10)}
    with pytest.raises(ValueError, match="no direction"):
        nearest_rows([(0, vectors)], vectors[2], k=10, skipped=NONE)
    near = nearest_rows([(0, vectors)], vectors[2], k=10, distance="euclidean", skipped=NONE)
    assert {cosine for _, cosine, _ in near} == {0.0}
    with pytest.raises(ValueError, match="zero"):
        combine(vectors[[1, 2]], vectors[:0])
    with pytest.raises(ValueError, match="has a zero vector"):
        axis_between(vectors[2], vectors[3])
    places = position_on_axis(vectors, axis_between(vectors[0], vectors[3]))
    assert np.flatnonzero(np.isnan(places)).tolist() == [2]
