"""Models and runs held against each other: what is read of them, and how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from visualdl_embedding import files
from visualdl_embedding.alerts import Changes, default_rules
from visualdl_embedding.cli import main
from visualdl_embedding.models import _model
from visualdl_embedding.runs import check, drift_between

WORDS = ["[PAD]", *(f"词{i}" for i in range(80))]
ONE_TABLE: Mapping[str, float] = MappingProxyType({"word_embeddings": 1.0})
"""Scale of the vectors by the name of their table."""


def save_model(folder: Path, *, seed: int, tables: Mapping[str, float] = ONE_TABLE) -> Path:
    folder.mkdir()
    vectors = np.random.default_rng(seed).normal(size=(len(WORDS), 8)).astype(np.float32)
    tensors = {f"{name}.weight": vectors * np.float32(scale) for name, scale in tables.items()}
    save_file(tensors, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    return folder


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    return {name: save_model(tmp_path / name, seed=seed) for seed, name in enumerate(("before", "after", "third"))}


@pytest.fixture
def log_dir(models: dict[str, Path], tmp_path: Path) -> Path:
    arguments = ("report", models["before"], "--method", "pca", "-o", tmp_path / "out", "--run", tmp_path / "run")
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return tmp_path / "run"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often what was done; the real functions do it."""
    counted: Counter[str] = Counter()

    def count(module: Any, name: str, key: Callable[[Any], str]) -> None:
        real = getattr(module, name)

        def counting(first: Any, *rest: Any, **options: Any) -> Any:
            counted[f"{name} {key(first)}"] += 1
            return real(first, *rest, **options)

        monkeypatch.setattr(module, name, counting)

    count(files, "open_tables", lambda path: Path(path).name)
    count(files, "table_counters", lambda table: table.reader.path.parent.name)
    count(_model, "open_vocabulary", lambda path: Path(path).parent.name)
    return counted


STEPS = ("open_tables", "table_counters", "open_vocabulary")


def once(*names: str) -> dict[str, int]:
    return {f"{step} {name}": 1 for step in STEPS for name in names}


def test_check_opens_both_models_once(models: dict[str, Path], reads: Counter[str]) -> None:
    done = check(models["after"], default_rules(), baseline=models["before"])
    assert reads == once("before", "after")
    assert done.drift["word_embeddings"].labels == tuple(WORDS[1:])


def test_a_model_against_itself_is_opened_once(models: dict[str, Path], reads: Counter[str]) -> None:
    done = check(models["before"], default_rules(), baseline=models["before"])
    assert reads == once("before")
    assert done.drift["word_embeddings"].mean_neighbor_overlap == 1


@pytest.mark.parametrize("target_is_run", [False, True])
def test_a_model_beside_a_run_is_opened_once(
    models: dict[str, Path], log_dir: Path, reads: Counter[str], target_is_run: bool
) -> None:
    reads.clear()
    target, baseline = (log_dir, models["after"]) if target_is_run else (models["after"], log_dir)
    check(target, default_rules(), baseline=baseline)
    assert reads == once("after")
    reads.clear()
    drift_between(baseline, target)
    assert reads == once("after")


def test_what_stands_in_several_null_pairs_is_opened_once(models: dict[str, Path], reads: Counter[str]) -> None:
    pairs = [(models["before"], models["third"]), (models["third"], models["before"])]
    found = drift_between(models["before"], models["after"], null=pairs)
    assert reads == once(*models)
    assert set(found.space_p_values) == {"neighbor_overlap", "displacement", "cka"}


def test_the_chosen_table_is_that_of_the_baseline_as_well(tmp_path: Path) -> None:
    tables = {"words.embedding": 10.0, "items.embedding": 1.0}
    before, after = (save_model(tmp_path / name, seed=seed, tables=tables) for seed, name in enumerate(("a", "b")))
    rules = [Changes("norm_mean", by=0.5)]
    (verdict,) = check(after, rules, baseline=before, table="items.embedding").verdicts
    assert (verdict.table, verdict.status) == ("items.embedding", "passed")
