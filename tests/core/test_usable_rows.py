"""The rule that tells which rows have a distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from visualdl_embedding.core.distance import (
    DISTANCES,
    SHORTEST,
    Distance,
    count_rows,
    even_lengths,
    has_direction,
    left_out_notes,
    long_rows,
    normalize,
    scaled_back,
    unit_scale,
    usable_rows,
    why_unusable,
)

VALUES = st.floats(width=32) | st.sampled_from([0.0, 1e-30, 1e-19, 1e-15, 1e15, 1e30, 3e38]).map(np.float32)
ROWS = arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 5)), elements=VALUES)


def test_the_shortest_row_with_a_direction() -> None:
    assert has_direction(np.float32([[1.1e-19, 0], [1.0e-19, 0], [0.8e-19, 0.8e-19]])).tolist() == [True, False, True]


@settings(deadline=None)
@given(ROWS)
def test_a_row_is_unit_length_if_and_only_if_it_has_a_direction(vectors: np.ndarray) -> None:
    lengths = np.linalg.norm(normalize(vectors).astype(np.float64), axis=1)
    directed = has_direction(vectors)
    assert np.allclose(lengths[directed], 1, atol=1e-6)
    assert not np.nan_to_num(lengths[~directed]).any()
    assert np.array_equal(usable_rows(vectors, "cosine"), directed)


@settings(deadline=None)
@given(ROWS, st.sampled_from(DISTANCES))
def test_every_row_is_counted_once(vectors: np.ndarray, distance: Distance) -> None:
    counts = count_rows(vectors, distance)
    assert counts["num_rows"] == usable_rows(vectors, distance).sum()
    assert sum(counts.values()) == len(vectors)
    assert len(left_out_notes(counts)) == (counts["nonfinite_rows"] > 0) + (counts["zero_rows"] > 0)


@pytest.mark.parametrize("scale", [2.0**-60, 2.0**-30, 1.0, 2.0**60, 2.0**120])
def test_directions_do_not_depend_on_the_unit(scale: float) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    assert np.allclose(normalize(vectors * np.float32(scale)), normalize(vectors), atol=1e-6)
    assert np.linalg.norm(vectors.astype(np.float64) * scale, axis=1).min() > SHORTEST


def test_a_scale_is_one_unless_squares_could_overflow() -> None:
    assert unit_scale(np.float32([[3, -7e14]])) == 1
    huge = np.float32([[1e30, -3e38]])
    scale = unit_scale(huge)
    assert np.isfinite(np.square(huge / np.float32(scale))).all()
    assert scaled_back(huge[:, :1] / np.float32(scale), scale) == huge[:, :1]


def test_a_row_that_is_too_short_is_not_called_zero() -> None:
    short, zero = np.float32([3e-30, 4e-30]), np.zeros(2, np.float32)
    assert why_unusable(short, "cosine").startswith("is too short (norm 5e-30, below 1.1e-19), so it has no direction")
    assert why_unusable(zero, "cosine").startswith("is zero, so it has no direction")
    assert why_unusable(short, "euclidean") == ""
    (note,) = left_out_notes(count_rows(np.float32([short, [1, 1]]), "cosine"))
    assert note.startswith("1 of 2 rows are zero or shorter than 1.1e-19, so they have no direction")


@pytest.mark.parametrize("n", [4, 7, 10, 11, 40])
def test_one_long_row_is_found_among_few_and_many(n: int) -> None:
    then = np.random.default_rng(n).normal(size=(n, 16)).astype(np.float32)
    now = then.copy()
    now[2] *= 1000
    assert np.flatnonzero(long_rows(then, now)).tolist() == [2]
    assert not long_rows(then).any()
    evened = even_lengths(then, now)[1]
    assert np.linalg.norm(evened[2]) == pytest.approx(np.median(np.linalg.norm(now, axis=1)), rel=1e-5)


def test_three_rows_show_no_usual_length() -> None:
    assert not long_rows(np.float32([[1, 0], [0, 1], [1000, 0]])).any()
