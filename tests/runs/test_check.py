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
from visualdl_embedding.alerts import Above, Below, Changes, DriftTowards, Verdict, default_rules
from visualdl_embedding.cli import main
from visualdl_embedding.metrics.strata import frequency_strata
from visualdl_embedding.models import _model
from visualdl_embedding.runs import Checked, check, drift_between

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


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    path = tmp_path / "groups.tsv"
    path.write_text("label\tgroup\n" + "".join(f"词{i}\t{'负' if i % 2 else '正'}\n" for i in range(40)), "utf-8")
    return path


def by_metric(done: Checked) -> dict[str, Verdict]:
    return {verdict.metric: verdict for verdict in done.verdicts}


def test_metrics_of_a_watched_word_against_a_baseline_are_those_of_the_drift(models: dict[str, Path]) -> None:
    metrics = [f"watch/词3/{name}" for name in ("neighbor_overlap", "displacement", "norm")]
    rules = [Above(metric, 9.0) for metric in metrics]
    done = check(models["after"], rules, baseline=models["before"])
    found = by_metric(done)
    (word,) = done.drift["word_embeddings"].watched
    assert [found[metric].value for metric in metrics[:2]] == [word.neighbor_overlap, word.displacement]
    assert [found[metric].status for metric in metrics] == ["passed"] * 3
    assert by_metric(check(models["after"], rules))[metrics[2]].status == "passed"


def test_a_run_against_a_baseline_replaces_the_changes_of_words(models: dict[str, Path], log_dir: Path) -> None:
    rules = [Below("watch/词3/neighbor_overlap", 0.9)]
    assert [v.status for v in check(log_dir, rules).verdicts] == ["unknown"]
    (verdict,) = check(log_dir, rules, baseline=models["after"]).verdicts
    assert verdict.status == "failed"
    (verdict,) = check(log_dir, rules, baseline=models["before"]).verdicts
    assert (verdict.status, verdict.value) == ("passed", 1)


def test_the_overlap_of_a_stratum_against_a_baseline_is_known(models: dict[str, Path], tmp_path: Path) -> None:
    counts = tmp_path / "counts.tsv"
    counts.write_text("label\tfrequency\n" + "".join(f"词{i}\t{1000 // (i + 1)}\n" for i in range(80)), "utf-8")
    rules = [Below("stratum/tail/neighbor_overlap", 0.1), Below("neighbor_overlap", 0.1)]
    done = check(models["after"], rules, baseline=models["before"], metadata=counts)
    tail, whole = (verdict.value for verdict in done.verdicts)
    overlap = done.drift["word_embeddings"].neighbor_overlap
    tail_rows = frequency_strata(np.array([1000 // (i + 1) for i in range(80)])) == "tail"
    assert tail == pytest.approx(overlap[tail_rows].mean())
    assert whole == pytest.approx(overlap.mean())


def test_every_check_of_a_planned_series_has_its_share_of_alpha(models: dict[str, Path], groups: Path) -> None:
    rules = [DriftTowards("负", ["词3"], looks=52, name="a year"), DriftTowards("负", ["词3"], name="once")]
    done = check(models["after"], rules, baseline=models["before"], metadata=groups)
    assert [verdict.threshold for verdict in done.verdicts] == [pytest.approx(0.05 / 52), 0.05]


def test_an_empty_group_is_not_called_an_unwatched_word(models: dict[str, Path], groups: Path, tmp_path: Path) -> None:
    rules = [DriftTowards("中性", ["词3"])]
    for more, said in (
        ({"metadata": groups}, "no row is in the group '中性'; known are '正', '负'"),
        ({}, "have none"),
    ):
        for baseline in (models["before"], None):
            with pytest.raises(ValueError, match=said):
                check(models["after"], rules, baseline=baseline, **more)  # type: ignore[arg-type]
    # A group whose only row is on one side.
    longer = save_model(tmp_path / "longer", seed=5)
    (longer / "vocab.txt").write_text("\n".join([*WORDS[:-1], "词99"]) + "\n", "utf-8")
    groups.write_text(groups.read_text("utf-8") + "词99\t中性\n", "utf-8")
    (verdict,) = check(longer, rules, baseline=models["before"], metadata=groups).verdicts
    assert verdict.status == "unknown"
    assert verdict.message.endswith("the group has no rows in both snapshots.")
    assert "没有属于该组的共同行" in verdict.message_zh
    (verdict,) = check(models["after"], [DriftTowards("负", ["词3"])], metadata=groups).verdicts
    assert "two groups with rows in both" in verdict.message


def test_a_word_that_only_one_side_has_is_a_gap_with_a_note(
    models: dict[str, Path], groups: Path, tmp_path: Path
) -> None:
    rules = [DriftTowards("负", ["词3", "词80"])]
    longer = save_model(tmp_path / "longer", seed=5)
    (longer / "vocab.txt").write_text("\n".join([*WORDS[:-1], "词80"]) + "\n", "utf-8")
    for target, baseline in ((longer, models["before"]), (models["before"], longer)):
        done = check(target, rules, baseline=baseline, metadata=groups)
        assert [verdict.status for verdict in done.verdicts] == ["passed", "unknown"]
        assert any("not among the compared rows: 词80" in note for note in done.notes)
    drift = drift_between(models["before"], longer, watch=["词80"])
    assert any("词80" in note for note in drift.notes)
    with pytest.raises(ValueError, match="词81"):
        check(longer, [DriftTowards("负", ["词81"])], baseline=models["before"])
