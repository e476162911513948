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
