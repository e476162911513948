from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from model_folders import DIM, save_model

from visualdl_embedding.cli import main


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "ernie_model")


def ask(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["neighbors", *map(str, arguments)])


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_the_nearest_words(model: Path, distance: str) -> None:
    done = ask(model, "--word", "悲0", "--word", "喜0", "-k", 5, "--distance", distance, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    for word, letter in (("悲0", "悲"), ("喜0", "喜")):
        assert len(found[word]) == 5
        assert all(match["label"].startswith(letter) and match["label"] != word for match in found[word])
        assert [m["distance"] for m in found[word]] == sorted(m["distance"] for m in found[word])


def test_a_table_for_people(model: Path) -> None:
    done = ask(model, "--word", "悲0", "-k", 3)
    assert done.exit_code == 0, done.output
    assert "悲0: nearest by cosine" in done.output
    assert done.output.count("悲") >= 4


def test_labels_are_only_text_on_a_terminal(model: Path) -> None:
    done = ask(model, "--word", "国王", "-k", 100)
    assert done.exit_code == 0, done.output
    assert "\\x1b[31m红" in done.output
    assert "\x1b" not in done.output


def test_a_sum_of_words(model: Path) -> None:
    done = ask(model, "--plus", "国王", "--minus", "男", "--plus", "女", "-k", 1, "--json")
    assert [match["label"] for match in json.loads(done.output)["国王 + 女 - 男"]] == ["女王"]


def test_a_line_between_two_groups(model: Path) -> None:
    ends = ("--from", "悲0", "--from", "悲1", "--to", "喜0", "--to", "喜1")
    found = json.loads(ask(model, *ends, "--word", "悲9", "-k", 8, "--json").output)
    assert found["words"]["悲9"] < 0.5
    assert all(match["label"].startswith("悲") for match in found["from"])
    assert all(match["label"].startswith("喜") for match in found["to"])
    said = ask(model, *ends, "--word", "悲9").output
    assert "悲9 is at" in said
    assert "Farthest towards 喜0、喜1" in said


def test_a_composed_word_is_noted(model: Path) -> None:
    done = ask(model, "--word", "讽刺", "-k", 3)
    assert done.exit_code == 0, done.output
    assert "讽刺 (讽 + 刺)" in done.output


def test_special_tokens_are_left_out_unless_kept(model: Path) -> None:
    everything = {m["label"] for m in json.loads(ask(model, "--word", "悲0", "-k", 999, "--json").output)["悲0"]}
    kept = json.loads(ask(model, "--word", "悲0", "-k", 999, "--keep", "special", "--json").output)["悲0"]
    assert {m["label"] for m in kept} - everything == {"[PAD]", "[UNK]"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Use one of"),
        (["--word", "悲0", "--plus", "悲1"], "Use one of"),
        (["--from", "悲0"], "requires both"),
        (["--minus", "悲0"], "--plus"),
        (["--plus", "悲0", "--distance", "euclidean"], "--distance"),
        (["--word", "国正"], "国王"),
        (["--word", "悲0", "-k", "0"], "x>=1"),
        (["--from", "悲0", "--to", "悲0"], "Both ends are equal"),
    ],
)
def test_bad_questions(model: Path, arguments: list[str], said: str) -> None:
    done = ask(model, *arguments)
    assert done.exit_code in (1, 2)
    assert said in done.output
    assert "Traceback" not in done.output


def test_the_vectors_file_of_another_program(tmp_path: Path) -> None:
    (tmp_path / "vectors.vec").write_text(f"3 {DIM}\na {'1 ' * DIM}\nb {'1 ' * DIM}\nc {'-1 ' * DIM}\n", "utf-8")
    found = json.loads(ask(tmp_path / "vectors.vec", "--word", "a", "--json").output)["a"]
    assert [(match["label"], round(match["cosine"])) for match in found] == [("b", 1), ("c", -1)]
