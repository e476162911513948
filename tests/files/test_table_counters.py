from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from visualdl_embedding.files import open_tables, table_counters


def counters(path: Path, values: np.ndarray) -> dict[str, float]:
    np.save(path / "m.npy", values)
    return table_counters(open_tables(path / "m.npy")[0])


def test_each_counter(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((1000, 8)).astype(np.float32)
    values[3] = values[900] = 0
    values[900] = -values[900]
    values[5, 2] = np.nan
    values[6, 7] = -np.inf
    values[10] = values[11] = values[500]
    found = counters(tmp_path, values)
    norms = np.linalg.norm(np.delete(values, [5, 6], axis=0).astype(np.float64), axis=1)
    assert found == pytest.approx(
        {
            "num_rows": 1000,
            "nonfinite_rows": 2,
            "zero_rows": 2,
            "duplicate_rows": 2,
            "norm_mean": norms.mean(),
            "norm_min": 0,
            "norm_max": norms.max(),
            "norm_p5": np.percentile(norms, 5),
            "norm_p95": np.percentile(norms, 95),
        },
        rel=1e-5,
    )


@settings(max_examples=50, deadline=None)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.integers(1, 3)),
        elements=st.sampled_from([0, -0.0, 1, -1, np.nan, 1e38]).map(np.float32),
    )
)
def test_duplicates_match_numpy(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray) -> None:
    found = counters(tmp_path_factory.mktemp("counters"), values)
    kept = values[np.isfinite(values).all(axis=1) & values.any(axis=1)]
    assert found["duplicate_rows"] == len(kept) - len(np.unique(kept + 0, axis=0))
    assert found["nonfinite_rows"] == np.isnan(values).any(axis=1).sum()
    assert found["zero_rows"] == (values == 0).all(axis=1).sum()


def test_blocks_of_a_large_table_add_up_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visualdl_embedding.core.table._BLOCK_BYTES", 4096)
    values = np.random.default_rng(0).standard_normal((1000, 8)).astype(np.float32)
    values[999] = values[0]
    np.save(tmp_path / "m.npy", values)
    seen: list[tuple[int, int]] = []
    found = table_counters(open_tables(tmp_path / "m.npy")[0], on_progress=lambda done, of: seen.append((done, of)))
    assert found["duplicate_rows"] == 1
    assert seen == [(done, 1000) for done in [*range(128, 1000, 128), 1000]]


def test_no_finite_row_gives_no_norms(tmp_path: Path) -> None:
    found = counters(tmp_path, np.full((4, 2), np.nan, np.float32))
    assert found["nonfinite_rows"] == 4
    assert np.isnan(found["norm_mean"])
    assert found["duplicate_rows"] == 0


def test_values_whose_squares_overflow(tmp_path: Path) -> None:
    assert counters(tmp_path, np.full((2, 4), 1e30, np.float32))["norm_max"] == pytest.approx(2e30)
