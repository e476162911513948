"""The catalog of metrics holds what the library computes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from visualdl_embedding import report
from visualdl_embedding.analysis import Analysis, Config, ProjectionSpec
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.logs import log_files, scan
from visualdl_embedding.metrics import METRICS
from visualdl_embedding.reports._page import page_data
from visualdl_embedding.runs import record_once

N, DIM = 90, 210
"""Wider than the 200 dimensions of VisualDL's page."""
ROWS = Rows(
    np.arange(N),
    tuple(f"w{i}" for i in range(N)),
    columns={
        "group": tuple("ab"[i % 2] for i in range(N)),
        "frequency": tuple(str(1000 // (i + 1)) for i in range(N)),
    },
    watch=("w1",),
)
CONFIG = Config(
    projections=(ProjectionSpec("pca_3d", "pca", 3), ProjectionSpec("tsne", "tsne")), perplexity=5, n_neighbors=5
)


def last_parts(keys: Iterable[str]) -> set[str]:
    return {key.rpartition("/")[2] for key in keys}


def registered(origin: str) -> set[str]:
    return {name for name, metric in METRICS.items() if metric.origin == origin}


def vectors(step: int) -> np.ndarray:
    """Vectors that move a little, so that maps have a noise floor; two rows coincide, which only then have a metric."""
    rng = np.random.default_rng(0)
    found = (rng.normal(size=(N, DIM)) + 0.01 * step * rng.normal(size=(N, DIM))).astype(np.float32)
    found[N - 1] = found[N - 2]
    return found


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def analysis(log_dir: Path) -> Analysis:
    """Analysis of the second of two snapshots, with all columns and counts that metrics use."""
    for step in (0, 1):
        counts = np.full(N, step, np.float32)
        snapshot = Snapshot("word", step, ROWS, vectors(step), row_values={"lookups": counts, "gradient_mean": counts})
        done = record_once(log_dir, snapshot, table=Table("word", N, DIM), config=None if step else CONFIG)
    return done.analysis


def test_an_analysis_yields_every_metric_of_the_catalog_and_no_other(analysis: Analysis) -> None:
    assert last_parts([*analysis.scalars, *analysis.row_metrics]) == registered("analysis")


def test_metrics_per_row_are_those_with_a_value_for_each_row(analysis: Analysis) -> None:
    single = last_parts([*analysis.row_metrics, *(key for key in analysis.scalars if key.startswith("watch/w1/"))])
    assert single - {"share"} == {n for n in registered("analysis") if METRICS[n].per_row}


def test_the_log_has_the_metrics_of_the_analysis_and_its_own(analysis: Analysis, log_dir: Path) -> None:
    (path,) = log_files(log_dir)
    logged = last_parts(entry.tag for entry in scan(path) if entry.kind == "value")
    assert logged - last_parts(analysis.scalars) == registered("log")


def test_a_report_has_the_metrics_of_the_analysis_and_its_own(analysis: Analysis) -> None:
    made = report(vectors(0), methods=("pca", "tsne"), perplexity=(5, 9), n_neighbors=5)
    (step,) = page_data(made)["runs"][0]["tables"][0]["steps"]
    shown = last_parts(step["row_metrics"])
    assert shown - registered("analysis") == registered("report")
