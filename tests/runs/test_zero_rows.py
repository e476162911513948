"""Numbers of a table with zero rows are the same everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from visualdl_embedding import compare_snapshots, open_model, open_run, report
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.runs import record_once


def test_a_report_a_run_a_drift_and_a_query_agree(tmp_path: Path) -> None:
    zero = np.arange(0, 500, 10)
    before, noise = np.random.default_rng(0).normal(size=(2, 500, 300)).astype(np.float32)
    before[zero] = 0
    after = before + np.float32(0.1) * noise
    after[zero] = 0
    labels = tuple(f"w{i}" for i in range(500))
    snapshots = [Snapshot("word", step, Rows(np.arange(500), labels), v) for step, v in enumerate((before, after))]
    for snapshot in snapshots:
        first = Config(methods=("pca",)) if snapshot.step == 0 else None
        record_once(tmp_path, snapshot, table=Table("word", 500, 300), config=first)
    run = open_run(tmp_path).analysis("word", 1)
    made = report(after, vocabulary=labels, methods="pca").analysis
    drift = compare_snapshots(*snapshots)
    assert run.scalars["zero_rows"] == made.scalars["zero_rows"] == drift.left_out["zero"] == 50
    assert run.scalars["hubness"] == made.scalars["hubness"]
    assert run.scalars["neighbor_overlap"] == pytest.approx(drift.mean_neighbor_overlap, abs=1e-6)
    assert run.scalars["displacement"] == pytest.approx(drift.mean_displacement, rel=1e-5)
    assert run.scalars["cka"] == pytest.approx(drift.cka, rel=1e-9)
    usable = np.flatnonzero(snapshots[1].usable("cosine"))
    table = open_model(after).table()
    for row in (1, 77, 499):
        near = [match.row for match in table.closest(row, k=15)]
        for analysis in (run, made):
            assert usable[analysis.neighbors.indices[np.searchsorted(usable, row)]].tolist() == near
    with pytest.raises(ValueError, match="is zero, so it has no direction"):
        table.closest(10)
