"""A report and a run are two ways to one analysis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from report_examples import clustered, words

from visualdl_embedding import open_run
from visualdl_embedding.analysis import Config, analyze
from visualdl_embedding.reports import report
from visualdl_embedding.runs import record_once


@pytest.mark.parametrize("several", [False, True])
def test_a_report_and_a_run_of_one_checkpoint_hold_the_same_numbers(tmp_path: Path, several: bool) -> None:
    vectors = clustered()
    vectors[3, 2] = np.nan
    np.save(tmp_path / "word.npy", vectors)
    made = report(
        tmp_path / "word.npy",
        vocabulary=words(90),
        metadata={"group": [("a", "b", "c")[i % 3] for i in range(90)]},
        watch=["词20"],
        methods=("pca", "tsne", "umap"),
        n_components=2 if several else (2, 3),
        perplexity=(5.0, 12.0) if several else 12.0,
        n_neighbors=8,
        repeats=2 if several else 1,
    )
    plain = Config(methods=("pca", "tsne", "umap"), n_components=(2, 3), n_neighbors=8, perplexity=12.0)
    config = made.config if several else plain
    recorded = record_once(tmp_path / "run", made.snapshot, table=made.table, config=config, rules=())
    stored = open_run(tmp_path / "run").analysis(made.table.name, 0)
    for found in (recorded.analysis, stored):
        assert found.scalars == made.analysis.scalars
        assert found.notes == made.analysis.notes
        assert list(found.projections) == list(made.analysis.projections) == [spec.key for spec in config.specs]
        for key, projection in made.analysis.projections.items():
            np.testing.assert_array_equal(found.projections[key].coordinates, projection.coordinates, err_msg=key)
            np.testing.assert_array_equal(found.projections[key].axes, projection.axes, err_msg=key)
            assert found.projections[key].noise_floor == projection.noise_floor
        for name, values in made.analysis.row_metrics.items():
            np.testing.assert_array_equal(found.row_metrics[name], values, err_msg=name)
        np.testing.assert_array_equal(found.neighbors.indices, made.analysis.neighbors.indices)


def test_a_report_holds_what_analyze_returns() -> None:
    made = report(clustered(), methods=("pca", "tsne"))
    again, _ = analyze(made.snapshot, config=made.config)
    assert made.analysis.scalars == again.scalars
    assert made.view("tsne").numbers == again.numbers("tsne")
    assert set(again.notes) <= set(made.notes)
