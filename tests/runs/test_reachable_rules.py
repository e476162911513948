"""Rules about drift that so few rows cannot reach are refused before anything is written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from visualdl_embedding.alerts import Below, DriftTowards, GroupMixing, Rule
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.runs import analyze_run, record_once
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


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (DriftTowards("bad", ("w1",)), r"'w1' is not watched; watched are 'w0'\. Watch it too"),
        (DriftTowards("bad", ("w01",)), "'w01' is neither watched nor among the rows; did you mean 'w0' or"),
        (DriftTowards("baad", ("w0",)), "no row is in the group 'baad'; did you mean 'bad'"),
        (Below("watch/w5/norm", 1), "'w5' is not watched"),
        (Below("group/baad/purity", 1), "no row is in the group 'baad'; did you mean 'bad'"),
        (GroupMixing("baad"), "no row is in the group 'baad'"),
    ],
)
def test_unknown_words_and_groups_are_refused(tmp_path: Path, rule: Rule, said: str) -> None:
    table, log_dir = Table("word", 60, 8), tmp_path / "run"
    with pytest.raises(ValueError, match=said):
        record_once(log_dir, week(0, 60), table=table, config=CONFIG, rules=[rule])
    assert not log_dir.exists()
    other = replace(rule, tables="other", name="other")
    record_once(log_dir, week(0, 60), table=table, config=CONFIG, rules=[other])
    # A run of an earlier version may store such a rule: it is analyzed, and a note names the rule.
    path = log_dir / "embeddings" / "word" / "table.json"
    path.write_text(path.read_text("utf-8").replace('"tables": "other"', '"tables": "*"'), "utf-8")
    analysis = path.parent / "analysis-000000000.safetensors"
    analysis.unlink()
    (done,) = analyze_run(log_dir)
    assert any(re.search(f"{said}.*table.json", note) for note in done.notes)
    assert analysis.exists()


def test_words_and_groups_of_earlier_weeks_or_other_tables_may_be_missing(tmp_path: Path) -> None:
    table, rules = Table("word", 60, 8), [DriftTowards("bad", ("w0",)), GroupMixing("bad")]
    record_once(tmp_path, week(0, 60), table=table, config=CONFIG, rules=rules)
    rows = Rows(np.arange(1, 60), tuple(f"w{i}" for i in range(1, 60)), {"group": ("good",) * 59})
    later = replace(week(1, 60), rows=rows, vectors=week(1, 60).vectors[1:])
    done = record_once(tmp_path, later, table=table, rules=rules)
    assert "so the curves have a gap: w0" in done.notes[0]
    item = replace(later, table="item")
    record_once(tmp_path, item, table=replace(table, name="item"), config=CONFIG, rules=rules)
    assert [len(done.steps) for done in analyze_run(tmp_path, force=True)] == [1, 2]


def test_the_only_group_is_no_target(tmp_path: Path) -> None:
    alone = week(0, 60)
    alone = replace(alone, rows=replace(alone.rows, columns={"group": ("bad",) * 60}))
    with pytest.raises(ValueError, match="drift is measured against other groups"):
        record_once(tmp_path, alone, table=Table("word", 60, 8), config=CONFIG, rules=[DriftTowards("bad", ("w0",))])
