"""Rules about drift that so few rows cannot reach are refused before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visualdl_embedding.alerts import DriftTowards
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.runs import record_once
from visualdl_embedding.store import open_run

CONFIG = Config(methods=("pca",), n_neighbors=5)
RULE = DriftTowards("bad", ("w0",), looks=52)


def week(step: int, n: int) -> Snapshot:
    columns = {"group": tuple(("good", "bad")[i % 2] for i in range(n))}
    rows = Rows(np.arange(n), tuple(f"w{i}" for i in range(n)), columns, watch=("w0",))
    vectors = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    vectors += 0.1 * np.random.default_rng(1 + step).normal(size=(n, 8)).astype(np.float32)
    return Snapshot("word", step, rows, vectors)


def test_a_new_run_and_an_existing_one_refuse_it(tmp_path: Path) -> None:
    table = Table("word", 60, 8)
    with pytest.raises(ValueError, match="cannot fire for 'word'"):
        record_once(tmp_path / "a", week(0, 60), table=table, config=CONFIG, rules=[RULE])
    assert not (tmp_path / "a").exists()
    record_once(tmp_path / "a", week(0, 60), table=table, config=CONFIG)
    with pytest.raises(ValueError, match="Watch at least 100 other rows"):
        record_once(tmp_path / "a", week(1, 60), table=table, rules=[RULE])
    assert open_run(tmp_path / "a").steps("word") == [0]
    # With null pairs there are enough residuals.
    record_once(tmp_path / "b", week(0, 60), table=table, config=replace(CONFIG, null_pairs=1), rules=[RULE])


def test_a_word_that_moved_fires_the_rule_of_the_guide(tmp_path: Path) -> None:
    before, after = week(0, 200), week(1, 200)
    bad = after.vectors[1::2]
    after.vectors[1::2] += 2 * np.eye(8, dtype=np.float32)[0]
    before.vectors[1::2] += 2 * np.eye(8, dtype=np.float32)[0]
    after.vectors[0] = bad.mean(axis=0) * 3
    table = Table("word", 200, 8)
    for snapshot in (before, after):
        done = record_once(tmp_path, snapshot, table=table, config=CONFIG, rules=[RULE])
    (alert,) = done.alerts
    assert alert.value <= 0.05 / 52 < 1 / 200
