from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from visualdl import LogReader

from visualdl_embedding import open_run
from visualdl_embedding.alerts import Below
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.logs import log_files
from visualdl_embedding.runs import TableAnalyzer, next_step, record_once
from visualdl_embedding.store import TableStore

CONFIG = Config(methods=("pca", "tsne"), perplexity=5, n_neighbors=5)
SPACE = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)


def week(step: int, first: int, last: int, *, moved: bool = False) -> Snapshot:
    """Words w<first> to w<last> at ids that change from week to week."""
    rows = Rows(np.arange(last - first), tuple(f"w{i}" for i in range(first, last)))
    vectors = SPACE[first:last].copy()
    if moved:
        vectors[5] = -vectors[5]
    return Snapshot("word", step, rows, vectors)


def test_weeks_with_another_vocabulary_each_compare_by_label(tmp_path: Path) -> None:
    record_once(tmp_path, week(0, 0, 60), table=Table("word", 60, 6), config=CONFIG)
    assert next_step(tmp_path, "word") == 1
    analysis = record_once(tmp_path, week(1, 20, 80, moved=True), table=Table("word", 60, 6)).analysis
    assert analysis.previous_step == 0
    assert analysis.scalars["neighbor_overlap"] > 0.8
    assert int(np.nanargmax(analysis.row_metrics["displacement"])) == 5
    run = open_run(tmp_path)
    assert run.snapshot("word", 0).labels[0] == "w0"
    assert run.snapshot("word", 1).labels[0] == "w20"
    (path,) = log_files(tmp_path)
    records = LogReader(file_path=str(path)).get_data("scalar", "embedding/word/norm_mean")
    assert [r.id for r in records] == [0, 1]


def test_a_step_that_was_passed_is_refused(tmp_path: Path) -> None:
    record_once(tmp_path, week(12, 0, 60), table=Table("word", 60, 6), config=CONFIG)
    with pytest.raises(ValueError, match="Give a step from 13 on"):
        record_once(tmp_path, week(12, 0, 60), table=Table("word", 60, 6))
    assert open_run(tmp_path).steps("word") == [12]


def test_other_settings_are_refused(tmp_path: Path) -> None:
    record_once(tmp_path, week(0, 0, 60), table=Table("word", 60, 6), config=CONFIG)
    with pytest.raises(ValueError, match="other settings"):
        record_once(tmp_path, week(1, 0, 60), table=Table("word", 60, 6), config=Config())


def test_rules_judge_each_week_and_their_alerts_are_kept(tmp_path: Path) -> None:
    rules = [Below("neighbor_overlap", 0.99, name="neighbors lost")]
    record_once(tmp_path, week(0, 0, 60), table=Table("word", 60, 6), config=CONFIG, rules=rules)
    quiet = record_once(tmp_path, week(1, 0, 60), table=Table("word", 60, 6))
    assert quiet.alerts == ()
    loud = record_once(tmp_path, week(2, 0, 60, moved=True), table=Table("word", 60, 6))
    assert [alert.rule for alert in loud.alerts] == ["neighbors lost"]
    run = open_run(tmp_path)
    assert [alert["step"] for alert in run.alerts("word")] == [2]
    assert run.scalars("word")["num_alerts"] == {0: 0.0, 1: 0.0, 2: 1.0}
    (path,) = log_files(tmp_path)
    (text,) = LogReader(file_path=str(path)).get_data("text", "embedding/word/alerts")
    assert text.id == 2
    assert "neighbor_overlap is" in text.text.encoded_text_string


def test_an_analysis_that_is_made_again_is_not_compared_with_itself(tmp_path: Path) -> None:
    record_once(tmp_path, week(0, 0, 60), table=Table("word", 60, 6), config=CONFIG)
    first = record_once(tmp_path, week(1, 0, 60, moved=True), table=Table("word", 60, 6)).analysis
    again = TableAnalyzer(TableStore.open(tmp_path, "word"), before=1).process(week(1, 0, 60, moved=True)).analysis
    assert again.previous_step == first.previous_step == 0
    assert again.scalars["neighbor_overlap"] == first.scalars["neighbor_overlap"] < 1


def test_a_week_with_too_few_rows_is_recorded_and_is_no_predecessor(tmp_path: Path) -> None:
    record_once(tmp_path, week(0, 0, 60), table=Table("word", 60, 6), config=CONFIG)
    broken = week(1, 0, 60)
    broken.vectors[3:] = np.nan
    done = record_once(tmp_path, broken, table=Table("word", 60, 6))
    assert [alert.rule for alert in done.alerts] == ["non-finite rows"]
    assert set(done.analysis.scalars) == {"num_rows", "nonfinite_rows", "zero_rows", "num_alerts"}
    assert record_once(tmp_path, week(2, 0, 60), table=Table("word", 60, 6)).analysis.previous_step == 0
