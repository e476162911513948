from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from visualdl import LogReader

from visualdl_embedding import open_run
from visualdl_embedding.alerts import Below, DriftTowards
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.logs import log_files
from visualdl_embedding.runs import TableAnalyzer, analyze_run, next_step, record_once
from visualdl_embedding.store import TableStore

CONFIG = Config(methods=("pca", "tsne"), perplexity=5, n_neighbors=5)
SPACE = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)


def week(step: int, first: int, last: int, *, moved: bool = False, watch: tuple[str, ...] = ()) -> Snapshot:
    """Words w<first> to w<last> at ids that change from week to week."""
    groups = tuple("ab"[i % 2] for i in range(first, last))
    rows = Rows(np.arange(last - first), tuple(f"w{i}" for i in range(first, last)), {"group": groups}, watch=watch)
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


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("snapshot", "dim", "said"),
    [
        (Snapshot("word", 1, week(1, 0, 60).rows, np.ones((60, 8), np.float32)), 8, "8 columns, those of the run 6"),
        (week(1, 60, 80), 6, "no label is in both"),
        (week(0, 0, 60), 6, "Give a step from 1 on"),
        (week(1, 0, 60), 7, "6 columns, not of 'word' with 7"),
    ],
)
def test_what_cannot_join_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot, dim: int, said: str
) -> None:
    record_once(tmp_path, week(0, 0, 60), table=Table("word", 60, 6), config=CONFIG)
    before = files_of(tmp_path)
    monkeypatch.setattr(TableAnalyzer, "process", lambda *_: pytest.fail("computed"))
    with pytest.raises(ValueError, match=said):
        record_once(tmp_path, snapshot, table=Table("word", 60, dim), rules=[Below("isoscore", 0.1)])
    assert files_of(tmp_path) == before


def test_a_damaged_table_is_named_and_not_begun_again(tmp_path: Path) -> None:
    record_once(tmp_path, week(0, 0, 60), table=Table("word", 60, 6), config=CONFIG)
    (tmp_path / "embeddings" / "word" / "table.json").write_text("{")
    with pytest.raises(ValueError, match=r"table\.json"):
        record_once(tmp_path, week(1, 0, 60), table=Table("word", 60, 6))


def test_a_watched_word_that_is_missing_one_week_is_a_gap(tmp_path: Path) -> None:
    rules = [DriftTowards("a", ("w0",), name="drift"), Below("watch/w0/norm", 0.0, name="norm")]
    weeks = [week(0, 0, 60, watch=("w0", "w30")), week(1, 20, 80, watch=("w30",))]
    weeks += [week(step, 0, 60, watch=("w0", "w30")) for step in (2, 3)]
    config = replace(CONFIG, methods=("pca",))
    done = [
        record_once(tmp_path, each, table=Table("word", 60, 6), config=None if each.step else config, rules=rules)
        for each in weeks
    ]
    assert [bool(each.notes) for each in done] == [False, True, False, False]
    assert "gap: w0." in done[1].notes[0]
    assert sorted(open_run(tmp_path).scalars("word")["watch/w0/norm"]) == [0, 2, 3]
    assert {direction.label for direction in done[3].analysis.directions} == {"w0", "w30"}
    assert all(not each.alerts for each in done)


def test_a_table_that_is_new_in_a_run_is_noted(tmp_path: Path) -> None:
    record_once(tmp_path, week(0, 0, 60), table=Table("word", 60, 6), config=CONFIG)
    other = replace(week(0, 0, 60), table="item")
    assert (
        "begins here; the run holds 'word'"
        in record_once(tmp_path, other, table=Table("item", 60, 6), config=CONFIG).notes[0]
    )


def test_words_watched_from_a_later_week_on_are_stored(tmp_path: Path) -> None:
    table, config = Table("word", 60, 6), replace(CONFIG, methods=("pca",))
    for step, watch in enumerate([("w1",), ("w2",), ()]):
        record_once(tmp_path, week(step, 0, 60, watch=watch), table=table, config=None if step else config)
    run = open_run(tmp_path)
    assert run.table("word").watch == run.snapshot("word", 2).rows.watch == ("w1", "w2")
    # A gap before, until a repeated analysis computes the values from the stored vectors.
    known = run.scalars("word")
    assert (sorted(known["watch/w1/norm"]), sorted(known["watch/w2/norm"])) == ([0, 1, 2], [1, 2])
    analyze_run(tmp_path)
    assert sorted(open_run(tmp_path).scalars("word")["watch/w2/norm"]) == [1, 2]
    analyze_run(tmp_path, force=True)
    norms = open_run(tmp_path).scalars("word")["watch/w2/norm"]
    assert norms == pytest.approx({step: np.linalg.norm(week(step, 0, 60).vectors[2]) for step in range(3)})


def test_a_week_without_common_usable_rows_is_recorded(tmp_path: Path) -> None:
    first, second = week(0, 0, 60, watch=("w3",)), week(1, 0, 60, watch=("w3",))
    first.vectors[30:] = np.nan
    second.vectors[:30] = np.nan
    record_once(tmp_path, first, table=Table("word", 60, 6), config=replace(CONFIG, methods=("pca",)))
    assert record_once(tmp_path, second, table=Table("word", 60, 6)).analysis.directions == ()
