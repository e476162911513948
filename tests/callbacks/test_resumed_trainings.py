"""Trainings that continue an earlier run, or are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from callback_training import LABELS, QUICK, Bag, WithPositions, fit, make_model, scalar_steps, tags

from visualdl_embedding import EmbeddingCallback, open_run


def test_a_second_training_is_refused_with_a_fresh_directory(tmp_path: Path) -> None:
    log_dir = tmp_path / "a"
    fit(EmbeddingCallback(tmp_path / "first", **QUICK), epochs=1)
    (tmp_path / "first").rename(log_dir)  # as if another process had recorded it
    before = {p: p.stat().st_mtime_ns for p in (log_dir / "embeddings").rglob("*")}
    with pytest.raises(FileExistsError, match=r"resume=True.*overwrite=True.*a-2"):
        fit(EmbeddingCallback(log_dir, **QUICK), epochs=1)
    assert {p: p.stat().st_mtime_ns for p in (log_dir / "embeddings").rglob("*")} == before


def test_a_resumed_training_goes_on_in_the_same_run_and_file(tmp_path: Path) -> None:
    model = fit(paddle.callbacks.VisualDL(str(tmp_path)), EmbeddingCallback(tmp_path, **QUICK), epochs=1)
    fit(EmbeddingCallback(tmp_path, resume=True, **QUICK), model=model, epochs=2)
    run = open_run(tmp_path)
    assert run.steps("word") == [0, 8, 16, 24]
    assert run.analysis("word", 24).previous_step is not None
    assert scalar_steps(tmp_path, "embedding/word/norm_mean")[-1] == 24
    assert "train/loss" in tags(tmp_path)["scalar"]


def test_a_resume_takes_the_first_snapshot_of_the_tables_that_lack_the_step(tmp_path: Path) -> None:
    network = WithPositions()
    options = {**QUICK, "vocabulary": {"word": LABELS}, "resume": True}
    model = fit(EmbeddingCallback(tmp_path, **options), model=make_model(network), epochs=1)
    for kind in ("snapshot", "analysis"):
        (tmp_path / "embeddings" / "position" / f"{kind}-000000008.safetensors").unlink()
    stored = open_run(tmp_path).snapshot("word", 8).vectors
    # With other weights, the stored snapshot of the first table must not be written again.
    network.word.weight.set_value(network.word.weight * 2)
    fit(EmbeddingCallback(tmp_path, **options, on_error="raise"), model=model, epochs=1)
    run = open_run(tmp_path)
    assert run.steps("word") == run.steps("position") == [0, 8, 16]
    assert np.array_equal(run.snapshot("word", 8).vectors, stored)


@pytest.mark.parametrize("ours_first", [True, False])
def test_the_loss_of_a_resumed_training_goes_on_at_the_runs_step(tmp_path: Path, ours_first: bool) -> None:
    model = make_model()
    for resume in (False, True):
        callbacks = [
            EmbeddingCallback(tmp_path, vocabulary=LABELS, methods=(), resume=resume),
            paddle.callbacks.VisualDL(str(tmp_path)),
        ]
        fit(*(callbacks if ours_first else callbacks[::-1]), model=model, epochs=1)
    assert scalar_steps(tmp_path, "train/loss") == list(range(1, 17))
    assert open_run(tmp_path).steps("word") == [0, 8, 16]


def test_a_resume_with_other_rows_is_refused(tmp_path: Path) -> None:
    fit(EmbeddingCallback(tmp_path, rows=30, **QUICK), epochs=1)
    with pytest.raises(ValueError, match="labels are new"):
        fit(EmbeddingCallback(tmp_path, rows=40, resume=True, **QUICK), epochs=1)


def test_a_resume_that_one_table_refuses_leaves_the_others_unchanged(tmp_path: Path) -> None:
    narrow, wide = make_model(), make_model(Bag())
    quick: dict[str, Any] = {"methods": ("pca",), "n_neighbors": 5, "background": False}
    tables = {"a": narrow.network.word.weight, "b": narrow.network.word.weight}
    fit(EmbeddingCallback(tmp_path, tables=tables, **quick), model=narrow, epochs=1)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "embeddings").rglob("*")}
    tables = {"a": wide.network.word.weight, "b": wide.network.head.weight}
    with pytest.raises(ValueError, match="the table was 60×8 and is now 8×3"):
        fit(EmbeddingCallback(tmp_path, tables=tables, resume=True, initial_step=0, **quick), model=wide, epochs=1)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "embeddings").rglob("*")} == before


def test_a_resume_under_another_name_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quick: dict[str, Any] = {"methods": ("pca",), "n_neighbors": 5, "background": False}
    for resume, name in ((False, "a"), (True, "b")):
        model = make_model()
        callback = EmbeddingCallback(tmp_path, tables={name: model.network.word.weight}, resume=resume, **quick)
        fit(callback, model=model, epochs=1)
    assert "holds no snapshot of 'b' to resume, only of 'a'" in caplog.text


LEAN: dict[str, Any] = {"vocabulary": LABELS, "methods": (), "background": False}


def train_with_checkpoints(log_dir: Path) -> tuple[paddle.Model, dict[int, dict[str, Any]]]:
    """Train two epochs, with a copy of the weights after each one, by step."""
    model, saved = make_model(), {}

    class Save(paddle.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            state = self.model.network.state_dict()
            saved[8 * (epoch + 1)] = {name: value.numpy().copy() for name, value in state.items()}

    fit(paddle.callbacks.VisualDL(str(log_dir)), EmbeddingCallback(log_dir, **LEAN), Save(), model=model)
    return model, saved


def test_a_resume_without_a_run_begins_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "visualdl_embedding"):
        fit(EmbeddingCallback(tmp_path / "a", resume=True, methods=(), background=False), epochs=1)
    assert f"{tmp_path / 'a'} holds no run to resume; a new one begins." in caplog.messages
    assert open_run(tmp_path / "a").steps("word") == [0, 8]


def test_a_forgotten_initial_step_is_found_by_the_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, saved = train_with_checkpoints(tmp_path)
    before = open_run(tmp_path).snapshot("word", 8)
    model.network.set_state_dict(saved[8])
    visualdl = paddle.callbacks.VisualDL(str(tmp_path))
    fit(visualdl, EmbeddingCallback(tmp_path, resume=True, **LEAN), model=model, epochs=1)
    run = open_run(tmp_path)
    (line,) = [m for m in caplog.messages if m.startswith("Resuming")]
    assert "The rows are those of step 8, not of the last stored step 16: training goes back" in line
    assert run.steps("word") == [0, 8, 16]
    aside = tmp_path / "embeddings" / "word" / "superseded-1"
    assert sorted(path.name for path in aside.glob("snapshot-*")) == ["snapshot-000000016.safetensors"]
    # The counts go on from the checkpoint as well: 8 batches of 8 sentences of 6 words.
    lookups = [snapshot.row_values["lookups"].sum() for snapshot in (before, run.snapshot("word", 16))]
    assert lookups == [8 * 8 * 6, 2 * 8 * 8 * 6]
    assert scalar_steps(tmp_path, "train/loss")[-8:] == list(range(9, 17))


def test_rows_of_the_last_step_continue_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, _ = train_with_checkpoints(tmp_path)
    fit(EmbeddingCallback(tmp_path, resume=True, **LEAN), model=model, epochs=1)
    fit(EmbeddingCallback(tmp_path, resume=True, initial_step=24, **LEAN), model=model, epochs=1)
    assert open_run(tmp_path).steps("word") == [0, 8, 16, 24, 32]
    assert not [m for m in caplog.messages if m.startswith("Resuming")]


def test_a_checkpoint_in_half_precision_is_recognized(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, saved = train_with_checkpoints(tmp_path)
    half = {name: value.astype(np.float16).astype(np.float32) for name, value in saved[8].items()}
    model.network.set_state_dict(half)
    fit(EmbeddingCallback(tmp_path, resume=True, **LEAN), model=model, epochs=1)
    assert "The rows are those of step 8," in caplog.text
    assert open_run(tmp_path).steps("word") == [0, 8, 16]


def test_rows_of_no_step_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train_with_checkpoints(tmp_path)
    other = make_model()
    other.network.word.weight.set_value(paddle.randn([60, 8]))
    fit(EmbeddingCallback(tmp_path, resume=True, **LEAN), model=other, epochs=1)
    (line,) = [m for m in caplog.messages if m.startswith("Resuming")]
    assert "not those of the last stored step 16, nor of another compared one (3 of 3 snapshots compared)" in line
    assert "pass initial_step" in line
    assert open_run(tmp_path).steps("word") == [0, 8, 16, 24]


@pytest.mark.parametrize("initial_step", [8, 11])
def test_an_initial_step_that_contradicts_the_rows_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, initial_step: int
) -> None:
    model, _ = train_with_checkpoints(tmp_path)
    callback = EmbeddingCallback(tmp_path, resume=True, initial_step=initial_step, **LEAN)
    fit(callback, model=model, epochs=1)
    assert f"Steps continue after {initial_step}, but the rows are those of step 16:" in caplog.text
    assert open_run(tmp_path).steps("word")[-1] == initial_step + 8
