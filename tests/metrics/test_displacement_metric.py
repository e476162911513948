"""Displacement of rows once the movement of the whole space is taken out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial import procrustes
from scipy.stats import ortho_group

from visualdl_embedding.metrics import aligned_displacement


def cloud(n: int, d: int, *, seed: int = 0) -> NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(size=(n, d)) + 2).astype(np.float32)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31 - 1),
    n=st.integers(2, 60),
    d=st.integers(2, 12),
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-10, 10),
    mirror=st.booleans(),
)
def test_rotation_reflection_shift_and_scale_are_not_displacement(
    seed: int, n: int, d: int, scale: float, shift: float, mirror: bool
) -> None:
    before = cloud(n, d, seed=seed)
    turn = ortho_group.rvs(d, random_state=seed)
    if mirror:
        turn[0] *= -1
    after = (scale * (before @ turn + shift)).astype(np.float32)
    # After a shift of 10 a float32 keeps six digits; two rows can stand close together.
    spread = np.sqrt(np.square(before - before.mean(axis=0)).sum(axis=1).mean())
    np.testing.assert_allclose(aligned_displacement(before, after), 0, atol=1e-4 / min(spread, 1))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31 - 1), n=st.integers(4, 60), d=st.integers(1, 8), noise=st.floats(0.01, 10))
def test_the_mean_square_is_scipys_disparity(seed: int, n: int, d: int, noise: float) -> None:
    before = cloud(n, d, seed=seed)
    after = (before + noise * cloud(n, d, seed=seed + 1)).astype(np.float32)
    moved = aligned_displacement(before, after)
    assert moved.dtype == np.float32
    disparity = procrustes(before.astype(np.float64), after.astype(np.float64))[2]
    assert np.mean(moved.astype(np.float64) ** 2) == pytest.approx(disparity, abs=1e-6)
    assert np.mean(moved.astype(np.float64) ** 2) <= 1 + 1e-6


def test_one_moved_row_stands_out_by_as_much_as_it_moved() -> None:
    before = cloud(5000, 16)
    after = (before @ ortho_group.rvs(16, random_state=1)).astype(np.float32)
    radius = np.sqrt(np.square(before - before.mean(axis=0)).sum(axis=1).mean())
    after[123, 0] += 2 * radius
    moved = aligned_displacement(before, after)
    assert moved.argmax() == 123
    assert moved[123] == pytest.approx(2, rel=0.01)
    assert np.delete(moved, 123).max() < 0.01


def test_unrelated_spaces_are_as_far_apart_as_can_be() -> None:
    moved = aligned_displacement(cloud(5000, 8), cloud(5000, 8, seed=1))
    assert np.sqrt(np.mean(moved**2)) == pytest.approx(1, abs=0.01)


def test_row_order_changes_nothing() -> None:
    before, after = cloud(5000, 6), cloud(5000, 6, seed=1)
    order = np.random.default_rng(0).permutation(5000)
    moved = aligned_displacement(before[order], after[order])
    np.testing.assert_allclose(moved, aligned_displacement(before, after)[order], atol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_units_do_not_matter(scale: float) -> None:
    before, after = cloud(50, 4), cloud(50, 4, seed=1)
    moved = aligned_displacement(before * np.float32(scale), after)
    np.testing.assert_allclose(moved, aligned_displacement(before, after), rtol=1e-4)


def test_collapsed_snapshots() -> None:
    spread = cloud(3, 2)
    flat = np.tile(np.float32([0.1, 0.7]), (3, 1))
    np.testing.assert_array_equal(aligned_displacement(flat, flat + 1), 0)
    assert np.isnan(aligned_displacement(flat, spread)).all()
    gone = aligned_displacement(spread, flat)
    assert np.sqrt(np.mean(gone**2)) == pytest.approx(1)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_one_or_two_rows_can_always_be_laid_onto_each_other(d: int) -> None:
    for n in (1, 2):
        np.testing.assert_allclose(aligned_displacement(cloud(n, d), cloud(n, d, seed=1)), 0, atol=1e-6)


def test_unpaired_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"same shape, not \(3, 2\) and \(4, 2\)"):
        aligned_displacement(cloud(3, 2), cloud(4, 2))
    with pytest.raises(ValueError, match="1 of 3 rows of current contain NaN or inf"):
        aligned_displacement(cloud(3, 1), np.float32([[1], [np.nan], [3]]))
