"""Linear CKA against its definition by Gram matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ortho_group

from visualdl_embedding.drift import cka

Floats = NDArray[np.float64]


def by_gram(a: Floats, b: Floats) -> float:
    n, one = len(a), np.ones(len(a))

    def hsic(k: Floats, m: Floats) -> float:
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        sums = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * (one @ k @ m @ one)
        return float((np.trace(k @ m) + sums) / (n * (n - 3)))

    k, m = a @ a.T, b @ b.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def spaces(seed: int, n: int, widths: tuple[int, int]) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, widths[0])) + 1
    b = a @ rng.normal(size=widths) + rng.normal(size=(n, widths[1])) - 2
    return a, b


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**31), n=st.integers(5, 60), d1=st.integers(1, 12), d2=st.integers(1, 12))
def test_it_is_the_gram_matrix_form(seed: int, n: int, d1: int, d2: int) -> None:
    a, b = spaces(seed, n, (d1, d2))
    assert cka(a, b) == pytest.approx(by_gram(a, b), rel=1e-6, abs=1e-9, nan_ok=True)
    assert not cka(a, b) > 1 + 1e-9


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), d=st.integers(2, 8), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_turning_shifting_and_scaling_change_nothing(seed: int, d: int, scale: float, shift: float) -> None:
    a, b = spaces(seed, 40, (d, 5))
    turned = scale * a @ ortho_group.rvs(d, random_state=seed) + shift
    assert cka(turned, b) == pytest.approx(cka(a, b), abs=1e-6)
    assert cka(turned, a) == pytest.approx(1, abs=1e-6)


def test_it_is_zero_for_unrelated_wide_spaces() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(500, 128)), rng.normal(size=(500, 128))
    assert cka(a, b) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_units_do_not_matter(unit: float) -> None:
    a, b = spaces(3, 30, (4, 4))
    assert cka((a * unit).astype(np.float32), b) == pytest.approx(cka(a, b), abs=1e-5)


def test_where_there_is_nothing_to_compare_it_is_nan() -> None:
    a, _ = spaces(0, 10, (3, 3))
    assert np.isnan(cka(a, np.full((10, 2), 0.1, np.float32)))
    assert np.isnan(cka(a[:3], a[:3]))


def test_bad_input_is_reported() -> None:
    with pytest.raises(ValueError, match="same number of rows, not 3 and 4"):
        cka(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(ValueError, match="1 of 2 rows of b contain NaN"):
        cka(np.ones((2, 1)), np.array([[1], [np.nan]]))
