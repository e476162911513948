"""Stored snapshots are analyzed again: what is stale, what is kept, and what an interruption leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from visualdl_embedding.alerts import Above
from visualdl_embedding.analysis import Config
from visualdl_embedding.cli import main
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.runs import analyze_run, rules_as_extra
from visualdl_embedding.store import TableStore

TABLE = Table("word", num_rows=40, dim=6)
ROWS = Rows(np.arange(40), tuple(f"w{i}" for i in range(40)))
CONFIG = Config(methods=("pca",), n_neighbors=5)
SPACE = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)


def snapshot_at(step: int, *, seed: int = 1) -> Snapshot:
    noise = np.random.default_rng([seed, step]).normal(size=SPACE.shape).astype(np.float32)
    return Snapshot("word", step, ROWS, SPACE + 0.3 * noise)


def run_of(log_dir: Path, *steps: int, **extra: object) -> TableStore:
    store = TableStore.open_for_writing(log_dir, TABLE, ROWS, config=CONFIG, extra=extra)
    for step in steps:
        store.write_snapshot(snapshot_at(step))
    return store


class TestRulesOfANewerVersion:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        extra = rules_as_extra([Above("mean_cosine", -1.0)])
        extra["alerts"]["rule"] += [{"kind": "outliers", "value": 3}, {"kind": "non_finite", "since": 5}]
        run_of(tmp_path, 0, 10, **extra)
        return tmp_path

    def test_they_are_named_and_the_others_are_evaluated(self, run: Path) -> None:
        (done,) = analyze_run(run)
        assert done.steps == (0, 10)
        assert ["'outliers' is unknown" in note for note in done.notes] == [True, False]
        assert "no such key" in done.notes[1]
        store = TableStore.open(run, "word")
        assert [alert["rule"] for alert in store.alerts()] == ["mean_cosine above -1"]
        assert store.read_analysis(10).notes[-2:] == done.notes

    def test_the_command_shows_the_note(self, run: Path) -> None:
        result = CliRunner().invoke(main, ["analyze", str(run)])
        assert result.exit_code == 0
        assert "Note: A stored alert rule is not evaluated" in result.output

    def test_they_stay_stored(self, run: Path) -> None:
        analyze_run(run)
        described = json.loads((TableStore.open(run, "word").folder / "table.json").read_text("utf-8"))
        assert [rule["kind"] for rule in described["extra"]["alerts"]["rule"]] == ["above", "outliers", "non_finite"]
