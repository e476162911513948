"""What must hold for every real trainer: trainings of `train_tiny.py` in the framework's own environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainer_environments import CommandFailed, make_environment, run
from visualdl import LogReader

from visualdl_embedding import open_model, open_run

SCRIPT = Path(__file__).with_name("train_tiny.py")
OPTIONS = {"every_n_steps": 3, "methods": "pca", "rows": 100, "background": False}


def only_run(output_dir: Path) -> Path:
    """The one log directory of a trainer's output."""
    (found,) = (output_dir / "runs").iterdir()
    return found


def logged(log_dir: Path, tag: str) -> list[int]:
    (path,) = log_dir.glob("vdlrecords.*.log")
    return [record.id for record in LogReader(file_path=str(path)).get_data("scalar", tag)]


class RealTrainings:
    """Tests of one framework; a subclass names it, and the table of its network."""

    framework: str
    table: str

    @pytest.fixture
    def python(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        kept = os.environ.get("VISUALDL_EMBEDDING_TRAINER_ENVS")
        folder = Path(kept).absolute() if kept else tmp_path_factory.getbasetemp() / "environments"
        return make_environment(self.framework, folder / self.framework)

    @pytest.fixture
    def train(self, python: Path, tmp_path: Path) -> Callable[..., str]:
        def start(output_dir: Path, max_steps: int, *more: Any, **options: Any) -> str:
            command = [python, SCRIPT, self.framework, output_dir, "--max-steps", max_steps]
            return run([*command, "--options", json.dumps(OPTIONS | options), *more], cwd=tmp_path, timeout=300)

        return start

    def test_optimizer_steps_one_log_file_and_a_resume(self, train: Callable[..., str], tmp_path: Path) -> None:
        out = tmp_path / "out"
        train(out, 10)
        log_dir = only_run(out)
        run = open_run(log_dir)
        assert run.steps(self.table) == [0, 3, 6, 9, 10]
        assert run.snapshot(self.table, 9).counters["forwards"] == 18  # two batches for each step
        assert set(logged(log_dir, f"embedding/{self.table}/norm_mean")) == {0, 3, 6, 9, 10}
        assert set(logged(log_dir, "train/loss")) == set(range(1, 11))

        # Steps 9 and 10 are after the checkpoint: the run goes back to it and on.
        checkpoint = out / "checkpoint-8"
        output = train(out, 13, "--resume", checkpoint)
        assert f"Training resumes at step 8; it continues the run {log_dir}" in output
        assert only_run(out) == log_dir
        assert open_run(log_dir).steps(self.table) == [0, 3, 6, 8, 9, 12, 13]
        assert set(logged(log_dir, "train/loss")) == set(range(1, 14))
        saved = open_model(checkpoint, table=f"*{self.table.rpartition('.')[2]}*")
        snapshot = open_run(log_dir).snapshot(self.table, 8)
        assert np.array_equal(saved.tables[0].vectors_of(snapshot.rows), snapshot.vectors)

    def test_an_alert_stops_the_training(self, train: Callable[..., str], tmp_path: Path) -> None:
        output = train(tmp_path / "out", 50, "--stops", every_n_steps=2)
        assert "Training stops because of the alert" in output
        stopped = int(output.rpartition("STOPPED AT")[2])
        assert stopped <= 4
        assert open_run(only_run(tmp_path / "out")).steps(self.table)[-1] == stopped

    def test_a_failed_training_ends_and_leaves_a_run_that_opens(
        self, train: Callable[..., str], tmp_path: Path
    ) -> None:
        with pytest.raises(CommandFailed, match="RuntimeError: the training failed"):
            train(tmp_path / "out", 10, "--fails-at", 5, background=True)
        log_dir = only_run(tmp_path / "out")
        assert open_run(log_dir).steps(self.table) == [0, 3]
        assert set(logged(log_dir, "train/loss")) == set(range(1, 5))

    @pytest.mark.parametrize("order", [["visualdl", "embedding"], ["embedding", "visualdl"]])
    def test_report_to_makes_the_callback_from_a_file(
        self, train: Callable[..., str], tmp_path: Path, order: list[str]
    ) -> None:
        (tmp_path / "embedding.toml").write_text('every_n_steps = 2\nmethods = "pca"\nrows = 50\n', "utf-8")
        train(tmp_path / "out", 4, "--report-to", *order)
        log_dir = only_run(tmp_path / "out")
        run = open_run(log_dir)
        assert run.steps(self.table) == [0, 2, 4]
        assert len(run.snapshot(self.table, 4).labels) == 50
        assert set(logged(log_dir, "train/loss")) == {1, 2, 3, 4}
