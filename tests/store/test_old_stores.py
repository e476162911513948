"""Runs made by earlier versions: this one reads the same numbers from them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from visualdl import LogReader

from visualdl_embedding import Run, open_run
from visualdl_embedding.core import names
from visualdl_embedding.logs import is_ours, log_files, scan

FOLDER = Path(__file__).parents[1] / "data" / "old_stores"
ROW_METRICS = ("norm", "displacement", "neighbor_overlap", "lookups", "tsne/trustworthiness")


def plain(value: Any) -> Any:
    """Lists and numbers for JSON; NaN becomes None, and float32 is written with as few digits as it needs."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in (value if value.ndim > 1 or value.dtype == np.float32 else value.tolist())]
    if isinstance(value, np.float32):
        return None if np.isnan(value) else float(str(value))
    if isinstance(value, float):
        return None if np.isnan(value) else value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def numbers_of(run: Run) -> dict[str, Any]:
    """What a run holds, by table; of the longest parts a sample, which keeps the files small."""
    return {table: _table(run, table) for table in run.tables()}


def _table(run: Run, table: str) -> dict[str, Any]:
    known = run.table(table)
    return plain(
        {
            "table": asdict(known.table),
            "config": known.config.to_dict(),
            "rows_version": known.rows_version,
            "rows": {version: _rows(run, table, version) for version in known.selections},
            "selections": {version: asdict(value) for version, value in known.selections.items()},
            "extra": dict(known.extra),
            "scalars": run.scalars(table),
            "alerts": run.alerts(table),
            "steps": {step: _step(run, table, step) for step in run.steps(table)},
        }
    )


def _rows(run: Run, table: str, version: str) -> dict[str, Any]:
    rows = run.rows(table, version)
    return {"ids": rows.ids, "labels": rows.labels, "columns": dict(rows.columns), "watch": rows.watch}


def _step(run: Run, table: str, step: int) -> dict[str, Any]:
    snapshot, analysis = run.snapshot(table, step), run.analysis(table, step)
    return {
        "rows_version": snapshot.rows.version,
        "labels": snapshot.labels[:3],
        "vectors": snapshot.vectors[:10],
        "counters": dict(snapshot.counters),
        "row_values": dict(snapshot.row_values),
        "previous_step": analysis.previous_step,
        "first_step": analysis.first_step,
        "frame": analysis.frame,
        "neighbors": {
            "distance": analysis.neighbors.distance,
            "exact": analysis.neighbors.exact,
            "indices": analysis.neighbors.indices[:10],
            "distances": analysis.neighbors.distances[:10],
        },
        "row_metrics": {name: analysis.row_metrics[name] for name in ROW_METRICS if name in analysis.row_metrics},
        "directions": [asdict(direction) for direction in analysis.directions],
        "notes": analysis.notes,
        "projections": {key: _projection(run, table, step, key) for key in analysis.projections},
    }


def _projection(run: Run, table: str, step: int, key: str) -> dict[str, Any]:
    method, n_components = key.removesuffix("_3d"), 3 if key.endswith("_3d") else 2
    seen = {}
    for name, reproject in (("shown", True), ("stored", False)):
        found = run.projection(table, step, method, n_components=n_components, reproject=reproject)
        seen[name] = {
            "coordinates": found.coordinates,
            "axes": found.axes,
            "axes_version": found.axes_version,
            "noise_floor": found.noise_floor,
            "parameters": dict(found.parameters),
        }
    return seen if method == "pca" else {"stored": seen["stored"]}


def assert_equal(found: Any, expected: Any, where: str = "") -> None:
    """Numbers to 1e-6, all else exactly; what is new may be there besides, as in a newer format it may."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), where
        for key, value in expected.items():
            assert key in found, f"{where}/{key} is missing"
            assert_equal(found[key], value, f"{where}/{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), where
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_equal(one, other, f"{where}/{i}")
    elif isinstance(expected, float) and found is not None:
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6), where
    else:
        assert found == expected, where


@pytest.mark.parametrize("name", ["training", "weekly"])
def test_a_run_of_the_first_version_gives_the_same_numbers(name: str) -> None:
    found = json.loads(json.dumps(numbers_of(open_run(FOLDER / name))))
    expected = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    assert sum(len(table["steps"]) for table in expected.values()) >= 4
    assert_equal(found, expected)


def test_the_log_of_an_old_run_holds_its_curves() -> None:
    folder = FOLDER / "training"
    (log,) = log_files(folder)
    reader = LogReader(file_path=str(log))
    scalars = open_run(folder).scalars("word")
    assert len(scalars) > 50
    tag = names.tag("word", "norm_mean")
    assert {r.id: r.value for r in reader.get_data("scalar", tag)} == pytest.approx(scalars["norm_mean"], rel=1e-6)
    assert all(entry.kind == "meta_data" or is_ours(entry.tag, ["word"]) for entry in scan(log))
