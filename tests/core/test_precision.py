"""Resolution of a table's values, and errors of distances that follow from it."""

from __future__ import annotations

import numpy as np
import pytest

from visualdl_embedding.core.precision import DTYPES, dtype_of, resolution, rounding_errors, smallest_changes


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """Values rounded to a dtype, as float32."""
    values = np.asarray(values, dtype=np.float32)
    if dtype == "bfloat16":
        return ((values.view(np.uint32) + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return values.astype(dtype).astype(np.float32)


def gaussian(n: int = 60, d: int = 32, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_dtype_is_found_in_spite_of_rows_that_do_not_count(dtype: str) -> None:
    vectors = rounded(gaussian(), dtype)
    vectors[:3] = 0
    vectors[3, 1] = np.nan
    vectors[4] = gaussian(1)[0] / 3
    assert dtype_of(vectors) == dtype
    assert resolution(gaussian(), vectors) == DTYPES[dtype]


def test_without_rows_nothing_is_assumed() -> None:
    assert dtype_of(np.zeros((3, 2), np.float32)) == dtype_of(np.zeros((0, 2), np.float32)) == "float32"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_rounding_stays_below_the_errors_and_the_smallest_change(dtype: str, offset: float) -> None:
    exact = np.random.default_rng(1).normal(size=(200, 64)) + offset
    stored = rounded(exact, dtype)
    errors = rounding_errors(stored, "euclidean", DTYPES[dtype])
    true, found = (np.linalg.norm(v[:, None] - v[None], axis=2) for v in (exact, stored.astype(np.float64)))
    far = true > 100 * errors.max()
    assert (np.abs(found - true) <= errors[:, None] + errors)[far].all()
    moved = np.linalg.norm(stored - exact, axis=1)
    assert (moved <= smallest_changes(np.linalg.norm(exact, axis=1), DTYPES[dtype])).all()


def test_errors_by_cosine_grow_with_a_shift() -> None:
    points = gaussian()
    stored = points + np.float32(10)
    plain, shifted = (rounding_errors(v, "cosine", 2.0**-23, points=points) for v in (points, stored))
    assert (shifted > 5 * plain).all()


def test_whole_numbers_are_no_evidence_of_a_coarse_dtype() -> None:
    signs = np.sign(np.random.default_rng(0).normal(size=(40, 8))).astype(np.float32)
    assert dtype_of(signs) == dtype_of(np.eye(8, dtype=np.float32)) == "float32"
    assert dtype_of(signs / 3) == "float32"


@pytest.mark.parametrize(
    "few_digits",
    [
        np.exp2(np.random.default_rng(0).integers(-6, 3, size=(40, 8))),
        np.random.default_rng(0).integers(-255, 256, size=(40, 8)) / 256,
        np.random.default_rng(0).integers(-40, 41, size=(40, 8)) / 16,
        np.random.default_rng(0).integers(0, 256, size=(40, 8)),
    ],
    ids=["powers of two", "of 256", "sixteenths", "bytes"],
)
def test_values_with_few_digits_are_no_evidence_of_a_coarse_dtype(few_digits: np.ndarray) -> None:
    vectors = few_digits.astype(np.float32)
    assert dtype_of(vectors) == "float32"
    assert resolution(vectors, vectors, one_run=True) == DTYPES["float32"]


def test_some_finer_rows_show_that_the_table_is_not_coarse() -> None:
    vectors = rounded(gaussian(), "bfloat16")
    vectors[:20] *= np.float32(1.01)
    assert dtype_of(vectors) == "float32"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_a_coarse_dtype_is_found_at_any_scale(dtype: str, scale: float) -> None:
    for seed in range(20):
        assert dtype_of(rounded(scale * gaussian(20, 16, seed=seed), dtype)) == dtype
        assert dtype_of(rounded(scale * (9 + gaussian(20, 16, seed=seed)), dtype)) == dtype


def test_in_one_run_the_finest_frame_holds() -> None:
    coarse, fine = rounded(gaussian(), "bfloat16"), gaussian()
    assert resolution(coarse, fine, one_run=True) == DTYPES["float32"]
    assert resolution(coarse, coarse, one_run=True) == DTYPES["bfloat16"]
    assert resolution(coarse, fine) == DTYPES["bfloat16"]
