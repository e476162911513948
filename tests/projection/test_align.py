from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes
from scipy.stats import ortho_group

from visualdl_embedding.projection import align, draw_axes, motion

POINTS = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31 - 1), st.floats(0.05, 20), st.integers(2, 3))
def test_a_turned_mirrored_shifted_and_scaled_layout_comes_back(seed: int, scale: float, c: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(30, c))
    moved = scale * points @ ortho_group.rvs(c, random_state=seed) + rng.normal(size=c)
    assert np.allclose(align(moved, points).apply(moved), points, atol=1e-4)


def test_what_is_left_is_what_scipy_leaves() -> None:
    other = POINTS + 0.3 * np.random.default_rng(1).normal(size=POINTS.shape)
    registered = align(other, POINTS).apply(other)
    left = ((registered - POINTS) ** 2).sum() / ((POINTS - POINTS.mean(axis=0)) ** 2).sum()
    # Both sizes count alike here; SciPy's least-squares scale would shrink a layout a little at every frame.
    correlation = np.sqrt(1 - procrustes(POINTS, other)[2])
    assert left == pytest.approx(2 - 2 * correlation, rel=1e-4)


def test_without_scaling_the_size_stays() -> None:
    assert align(3 * POINTS, POINTS, scaling=False).scale == 1


def test_the_least_squares_scale_is_that_of_scipy() -> None:
    other = 3 * POINTS + np.random.default_rng(1).normal(size=POINTS.shape)
    found = align(other, POINTS, scaling="least_squares")
    centered = [points - points.mean(axis=0) for points in (other.astype(float), POINTS.astype(float))]
    rotation, singular = orthogonal_procrustes(*centered)
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-6)
    assert found.scale == pytest.approx(singular / np.square(centered[0]).sum())


def test_about_the_origin_nothing_is_shifted() -> None:
    other = POINTS @ ortho_group.rvs(2, random_state=3) + 0.1
    found = align(other, POINTS, scaling=False, about_origin=True)
    np.testing.assert_allclose(found.rotation, orthogonal_procrustes(other, POINTS)[0], atol=1e-6)
    assert found.shift.tolist() == [0, 0]


def test_rows_that_are_unknown_have_no_say() -> None:
    moved = 2 * POINTS[:, ::-1] + 1
    moved[3] = np.nan
    registered = align(moved, POINTS).apply(moved)
    assert np.allclose(np.delete(registered, 3, axis=0), np.delete(POINTS, 3, axis=0), atol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_points(n: int) -> None:
    assert np.isfinite(align(POINTS[:n] + 5, POINTS[:n]).apply(POINTS[:n] + 5)).all()


def test_all_points_in_one_place_are_only_shifted() -> None:
    same = np.ones((5, 2))
    assert np.allclose(align(same, same + 4).apply(same), same + 4)


def test_motion_is_measured_in_deviations_of_the_layout() -> None:
    deviation = np.sqrt(((POINTS - POINTS.mean(axis=0)) ** 2).mean())
    after = POINTS.copy()
    after[7, 0] += 3 * deviation
    moved = motion(POINTS, after)
    assert moved[7] == pytest.approx(3, rel=1e-4)
    assert np.delete(moved, 7).max() == 0
    assert motion(10 * POINTS, 10 * after)[7] == pytest.approx(3, rel=1e-4)


def test_axes_stay_while_the_layout_fits() -> None:
    axes, new = draw_axes(POINTS)
    assert new
    assert (axes[:, 0] <= POINTS).all()
    assert (axes[:, 1] >= POINTS).all()
    assert np.ptp(axes, axis=1)[0] == pytest.approx(np.ptp(axes, axis=1)[1])
    assert draw_axes(POINTS * 1.05, axes)[1] is False
    assert draw_axes(POINTS * 3, axes)[1] is True
    assert draw_axes(POINTS * 0.1, axes)[1] is True


def test_axes_of_nothing() -> None:
    axes, _ = draw_axes(np.full((3, 2), np.nan))
    assert np.isfinite(axes).all()
