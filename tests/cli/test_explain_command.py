from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from model_folders import save_model

from visualdl_embedding.cli import main


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "items")


def ask(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def test_a_sentence_a_table_and_a_picture(model: Path, tmp_path: Path) -> None:
    done = ask(model, "--item", "女王", "--history", "国王", "悲1", "-o", tmp_path / "why.png")
    assert done.exit_code == 0, done.output
    assert "女王" in done.output
    assert "all together" in done.output
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")


def test_json(model: Path) -> None:
    done = ask(model, "--item", "喜1", "--history", "喜2", "--history", "悲1", "--json")
    found = json.loads(done.output)
    assert [relation["label"] for relation in found["relations"]] == ["喜2", "悲1"]
    assert found["relations"][0]["cosine"] > 0 > found["relations"][1]["cosine"]


def test_an_unknown_item_names_the_nearest(model: Path) -> None:
    done = ask(model, "--item", "女玉", "--history", "国王")
    assert done.exit_code == 1
    assert "女王" in done.output
