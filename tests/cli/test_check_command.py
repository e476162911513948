"""Judging and comparing runs and models, as CI does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from model_folders import LEFT, RIGHT, WORDS, save_model, vectors
from safetensors.numpy import save_file

from visualdl_embedding.cli import main

TABLE = "ernie.embeddings.word_embeddings"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def change(folder: Path, words: dict[str, str]) -> Path:
    """Save a model in which some words stand where others do."""
    table = vectors()
    for word, other in words.items():
        table[WORDS.index(word)] = vectors()[WORDS.index(other)] + 0.05
    folder.mkdir()
    save_file({f"{TABLE}.weight": table}, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    return folder


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    path = tmp_path / "groups.tsv"
    lines = [f"{word}\t{'sad' if word in LEFT else 'glad'}" for word in (*LEFT, *RIGHT)]
    path.write_text("label\tgroup\n" + "\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return save_model(tmp_path / "before")


def write_rules(tmp_path: Path, *rules: str) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text("\n".join(f"[[rule]]\n{rule}" for rule in rules), "utf-8")
    return path


def test_a_healthy_model_passes(before: Path) -> None:
    done = run("check", before)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "Exit status 0: passed (0 failed, 0 unknown, 2 passed)."


def test_a_broken_model_fails_in_every_form(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "broken")
    table = vectors()
    table[5:9] = np.nan
    save_file({f"{TABLE}.weight": table}, folder / "model.safetensors")
    report = tmp_path / "junit.xml"
    heard = tmp_path / "heard.json"
    robot = f"{sys.executable} -c \"import sys; open(r'{heard}', 'a').write(sys.stdin.read())\""
    done = run("check", folder, "--json", "--junit-xml", report, "--on-alert", robot)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["counts"]["failed"] >= 1
    assert done.stderr.splitlines()[-1].startswith("Exit status 1: failed (1 failed, ")
    suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    assert int(suite.attrib["failures"]) >= 1
    assert json.loads(heard.read_text().splitlines()[0])["severity"] == "critical"


def test_a_word_that_changed_sides_is_found_against_a_baseline(tmp_path: Path, before: Path, groups: Path) -> None:
    after = change(tmp_path / "after", {"悲7": "喜3"})
    rules = write_rules(
        tmp_path,
        'kind = "drift_towards"\ngroup = "glad"\nwords = ["悲7"]',
        'kind = "below"\nmetric = "cka"\nvalue = 0.1',
    )
    done = run("check", after, "--baseline", before, "--rules", rules, "--metadata", groups)
    assert done.exit_code == 1, done.output
    assert "悲7 moved towards glad" in done.output
    same = run("check", before, "--baseline", before, "--rules", rules, "--metadata", groups)
    assert same.exit_code == 0, same.output


def test_runs_and_models_can_be_held_against_each_other(tmp_path: Path, before: Path, groups: Path) -> None:
    log_dir = tmp_path / "runs" / "weekly"
    made = run(*("report", before, "--metadata", groups, "--method", "pca", "-o", tmp_path / "out", "--run", log_dir))
    assert made.exit_code == 0, made.output
    after = change(tmp_path / "after", {"悲7": "喜3"})
    for target, baseline in ((log_dir, before), (after, log_dir), (log_dir, log_dir)):
        done = run("check", target, "--baseline", baseline)
        assert done.exit_code == 0, done.output
    found = json.loads(run("drift", log_dir, after, "--watch", "悲7", "--json").output)
    assert found["moved"][0]["label"] == "悲7"
    toward = {direction["group"]: direction for direction in found["directions"]}
    assert toward["glad"]["share_before"] < 0.2 < 0.8 < toward["glad"]["share_after"]
    said = run("drift", log_dir, after, "--watch", "悲7").output
    assert "悲7 moved towards glad" in said
    listed = said.split("Changed most, by evidence (p-value, then change relative to the usual one)")[1]
    places = [listed.index(f"\n{word['label']} ") for word in found["moved"][:3]]
    assert places == sorted(places)


def test_null_pairs_give_the_space_a_p_value(tmp_path: Path, before: Path) -> None:
    others = [change(tmp_path / f"seed{i}", {LEFT[i]: LEFT[i + 1]}) for i in range(3)]
    pairs = [argument for other in others for argument in ("--null", before, other)]
    found = json.loads(run("drift", before, change(tmp_path / "after", {"悲7": "喜3"}), *pairs, "--json").output)
    assert set(found["space_p_values"]) == {"neighbor_overlap", "displacement", "cka"}
    assert found["floor"]["neighbor_overlap"] < 1


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('kind = "above"\nmetric = "mean_cosin"\nvalue = 1', "mean_cosine"),
        ('kind = "above"\nmetric = "mean_cosine"\nvalue = 1\ntables = "items*"', "matches no table"),
        ("kind = ", "TOML"),
    ],
)
def test_bad_rules_exit_with_2(tmp_path: Path, before: Path, rules: str, said: str) -> None:
    done = run("check", before, "--rules", write_rules(tmp_path, rules))
    assert done.exit_code == 2
    assert said in done.output


def test_other_bad_input_exits_with_2(tmp_path: Path, before: Path) -> None:
    (tmp_path / "other").mkdir()
    save_file({f"{TABLE}.weight": vectors()}, tmp_path / "other" / "model.safetensors")
    words = [f"w{i}" for i in range(len(WORDS))]
    (tmp_path / "other" / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    for arguments in (
        (tmp_path / "nowhere",),
        (before, "--baseline", tmp_path / "other"),
        (before, "--rules", "x.toml"),
    ):
        done = run("check", *arguments)
        assert done.exit_code == 2, done.output
        assert done.stderr.splitlines()[-1] == "Exit status 2: bad input."
        assert "Traceback" not in done.output


def test_a_wrong_flag_exits_with_2_and_says_so(before: Path) -> None:
    for arguments in ((), (before, "--basline", "x"), (before, "--n-neighbors", "0")):
        done = run("check", *arguments)
        assert done.exit_code == 2
        assert done.stderr.splitlines()[-1] == "Exit status 2: bad input."
    assert run("check", "--help").exit_code == 0


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyError("norm"), 3, "internal error"),
        (MemoryError(), 3, "internal error"),
        (KeyboardInterrupt(), 3, "interrupted"),
        (ValueError("no such table"), 2, "bad input"),
    ],
)
def test_what_ends_it_is_told_by_the_exit_status(
    before: Path, monkeypatch: pytest.MonkeyPatch, *, error: BaseException, status: int, said: str, debug: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("visualdl_embedding.runs.check", fail)
    done = run(*(["--debug"] if debug else []), "check", before)
    assert done.exit_code == status
    assert done.stderr.splitlines()[-1].startswith(f"Exit status {status}: {said}")
    assert ("Traceback" in done.stderr) is debug


def test_a_value_that_is_not_known_does_not_pass(tmp_path: Path, before: Path) -> None:
    rules = write_rules(tmp_path, 'kind = "below"\nmetric = "probe_auc"\nvalue = 0.1')
    done = run("check", before, "--rules", rules)
    assert done.exit_code == 1
    assert "unknown" in done.output


def test_a_word_that_is_asked_about_need_not_be_among_the_shown(tmp_path: Path, before: Path, groups: Path) -> None:
    after = change(tmp_path / "after", {"喜29": "悲3"})
    asked = ("--metadata", groups, "--top-k", "50", "--watch", "喜29")
    found = json.loads(run("drift", before, after, *asked, "--json").output)
    assert {direction["label"] for direction in found["directions"]} == {"喜29"}
