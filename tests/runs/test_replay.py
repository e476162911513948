"""Stored snapshots are analyzed again: what is stale, what is kept, and what an interruption leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from click.testing import CliRunner

from visualdl_embedding.alerts import Above
from visualdl_embedding.analysis import Analysis, Config
from visualdl_embedding.cli import main
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.errors import DamagedFileError
from visualdl_embedding.runs import TableAnalyzer, analyze_run, check, relog_run, rules_as_extra
from visualdl_embedding.store import TableStore, open_run

Kind = Literal["snapshot", "analysis"]
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

    def test_their_alerts_are_kept(self, run: Path) -> None:
        store = TableStore.open(run, "word")
        stored = store.description.extra["alerts"]["rule"]
        stored[1]["name"] = "a newer rule"
        store.replace_alerts(10, [{"rule": "a newer rule", "step": 10}])
        analyzer = TableAnalyzer(store)
        for step in (0, 10):
            analyzer.process(store.read_snapshot(step), store_alerts=True)
        assert [alert["rule"] for alert in store.alerts()] == ["mean_cosine above -1", "a newer rule"]

    def test_the_command_shows_the_note(self, run: Path) -> None:
        result = CliRunner().invoke(main, ["analyze", str(run)])
        assert result.exit_code == 0
        assert "Note: A stored alert rule is not evaluated" in result.output

    def test_they_stay_stored(self, run: Path) -> None:
        analyze_run(run)
        described = json.loads((TableStore.open(run, "word").folder / "table.json").read_text("utf-8"))
        assert [rule["kind"] for rule in described["extra"]["alerts"]["rule"]] == ["above", "outliers", "non_finite"]


class Stop(Exception):
    pass


def interrupted(run: Path, position: int, **options: Any) -> None:
    """Begin an analysis that ends before the step at a position."""

    def on_step(table: str, step: int, i: int, total: int) -> None:
        if i == position:
            raise Stop

    with pytest.raises(Stop):
        analyze_run(run, on_step=on_step, **options)


def analyze_only(store: TableStore, *steps: int) -> None:
    """Analyze some steps, as a training that skips the others."""
    analyzer = TableAnalyzer(store)
    for step in steps:
        analyzer.process(store.read_snapshot(step), store_alerts=True)


def spoil(path: Path) -> bytes:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return content


def numbers_of(store: TableStore) -> dict[int, dict[str, float]]:
    return {step: store.read_numbers(step)[0] for step in store.steps(analyzed=True)}


class TestStaleAnalyses:
    STEPS = (0, 10, 20, 30, 40)

    @pytest.fixture
    def store(self, tmp_path: Path) -> TableStore:
        return run_of(tmp_path / "a", *self.STEPS)

    @pytest.fixture
    def whole(self, tmp_path: Path) -> dict[int, dict[str, float]]:
        store = run_of(tmp_path / "whole", *self.STEPS)
        analyze_run(tmp_path / "whole")
        return numbers_of(store)

    def test_an_analysis_against_another_predecessor_is_made_again(
        self, tmp_path: Path, store: TableStore, whole: dict[int, dict[str, float]]
    ) -> None:
        analyze_only(store, 0, 20, 40)
        interrupted(tmp_path / "a", 1)
        assert store.steps(analyzed=True) == [0, 10, 20, 40]
        (done,) = analyze_run(tmp_path / "a")
        assert (done.kept, done.steps) == (2, (20, 30, 40))
        assert numbers_of(store) == whole
        assert [store.read_analysis(step).previous_step for step in self.STEPS] == [None, 0, 10, 20, 30]

    def test_what_is_current_is_kept(self, tmp_path: Path, store: TableStore) -> None:
        analyze_run(tmp_path / "a")
        assert analyze_run(tmp_path / "a")[0].steps == ()
        interrupted(tmp_path / "a", 2, force=True)
        # The repeated analyses are the same, so those after them remain valid.
        assert analyze_run(tmp_path / "a")[0].steps == ()

    def test_another_snapshot_makes_all_later_analyses_stale(self, tmp_path: Path, store: TableStore) -> None:
        analyze_run(tmp_path / "a")
        store.path("snapshot", 20).unlink()
        store.write_snapshot(snapshot_at(20, seed=7))
        assert analyze_run(tmp_path / "a")[0].steps == (20, 30, 40)

    def test_another_version_makes_all_analyses_stale(
        self, tmp_path: Path, store: TableStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        analyze_run(tmp_path / "a")
        monkeypatch.setattr("visualdl_embedding.analysis._result.library_version", lambda: "99.0")
        interrupted(tmp_path / "a", 2)
        (done,) = analyze_run(tmp_path / "a")
        assert (done.kept, done.steps) == (2, (20, 30, 40))
        assert analyze_run(tmp_path / "a")[0].steps == ()

    def test_an_analysis_that_does_not_say_is_made_again(self, tmp_path: Path, store: TableStore) -> None:
        analyze_run(tmp_path / "a")
        store.write_analysis(replace(store.read_analysis(0), made_from={}))
        assert analyze_run(tmp_path / "a")[0].steps == self.STEPS

    def test_a_predecessor_that_was_thinned_is_no_reason(self, tmp_path: Path, store: TableStore) -> None:
        analyze_run(tmp_path / "a")
        assert store.thin(1) == [10, 20, 30]
        assert analyze_run(tmp_path / "a")[0].steps == ()
        store.path("analysis", 40).unlink()
        assert analyze_run(tmp_path / "a")[0].steps == (40,)

    def test_a_frame_without_usable_rows_is_no_predecessor(self, tmp_path: Path) -> None:
        store = run_of(tmp_path / "a", 0)
        store.write_snapshot(replace(snapshot_at(10), vectors=np.full_like(SPACE, np.nan)))
        store.write_snapshot(snapshot_at(20))
        analyze_run(tmp_path / "a")
        assert store.read_analysis(20).previous_step == 0
        assert analyze_run(tmp_path / "a")[0].steps == ()


class TestAlertsOfAReplay:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Path:
        run_of(tmp_path, 0, 10, 20, **rules_as_extra([Above("mean_cosine", -1.0), Above("displacement", 0.0)]))
        analyze_run(tmp_path)
        return tmp_path

    @pytest.mark.parametrize("position", [0, 1, 2])
    def test_an_interruption_loses_none(self, run: Path, position: int) -> None:
        store = TableStore.open(run, "word")
        before = store.alerts()
        assert [alert["step"] for alert in before] == [0, 10]
        interrupted(run, position, force=True)
        assert store.alerts() == before
        analyze_run(run, force=True)
        assert store.alerts() == before

    def test_an_interruption_before_the_analysis_is_stored_loses_none(
        self, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = TableStore.open(run, "word")
        before = store.alerts()
        store.path("analysis", 10).unlink()
        store.replace_alerts(10, [])

        def stop(store: TableStore, analysis: Analysis) -> None:
            raise Stop

        with monkeypatch.context() as patch:
            patch.setattr(TableStore, "write_analysis", stop)
            with pytest.raises(Stop):
                analyze_run(run)
        assert store.alerts() == before
        analyze_run(run)
        assert store.alerts() == before


class TestDamagedFiles:
    @pytest.fixture
    def store(self, tmp_path: Path) -> TableStore:
        store = run_of(tmp_path, 0, 10, 20, 30, **rules_as_extra([Above("mean_cosine", -1.0)]))
        analyze_run(tmp_path)
        return store

    def test_a_damaged_snapshot_is_skipped(self, tmp_path: Path, store: TableStore) -> None:
        spoil(store.path("snapshot", 10))
        (kept,) = analyze_run(tmp_path)
        assert kept.steps == ()
        assert "Step 10 is skipped" in kept.notes[0]
        (done,) = analyze_run(tmp_path, force=True)
        assert done.steps == (0, 20, 30)
        assert store.read_analysis(20).previous_step == 0
        assert analyze_run(tmp_path)[0].steps == ()

    def test_a_damaged_analysis_is_made_again(self, tmp_path: Path, store: TableStore) -> None:
        spoil(store.path("analysis", 10))
        (done,) = analyze_run(tmp_path)
        assert (done.kept, done.steps) == (1, (10, 20, 30))

    def test_the_training_goes_on(self, tmp_path: Path, store: TableStore) -> None:
        spoil(store.path("analysis", 10))
        store.write_snapshot(snapshot_at(40))
        done = TableAnalyzer(store).process(snapshot_at(40))
        assert done.analysis.previous_step == 30
        assert done.alerts == ()  # the rule has held since step 0

    @pytest.mark.parametrize("kind", ["snapshot", "analysis"])
    def test_the_log_is_rebuilt_without_it(self, tmp_path: Path, store: TableStore, kind: Kind) -> None:
        spoil(store.path(kind, 10))
        (done,) = relog_run(tmp_path)
        assert done.steps == (0, 20, 30)
        assert f"{kind}-000000010" in done.notes[0]

    def test_a_check_needs_the_newest_step_only(self, tmp_path: Path, store: TableStore) -> None:
        content = spoil(store.path("analysis", 10))
        found = check(tmp_path, [Above("mean_cosine", 2.0)])
        assert found.passed
        assert "Step 10 is left out" in found.notes[0]
        store.path("analysis", 10).write_bytes(content)
        spoil(store.path("analysis", 30))
        with pytest.raises(DamagedFileError, match="analysis-000000030"):
            check(tmp_path, [Above("mean_cosine", 2.0)])

    def test_a_damaged_table_hides_itself_only(self, tmp_path: Path, store: TableStore) -> None:
        other = TableStore.open_for_writing(tmp_path, replace(TABLE, name="item"), ROWS, config=CONFIG)
        spoil(store.folder / "table.json")
        with pytest.warns(UserWarning, match="table.json is damaged"):
            assert open_run(tmp_path).tables() == ["item"]
        spoil(other.folder / "table.json")
        with pytest.raises(DamagedFileError):
            open_run(tmp_path).tables()
