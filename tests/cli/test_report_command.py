from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from model_folders import HEIGHT, WORDS, save_model
from safetensors.numpy import save_file

from visualdl_embedding import open_run
from visualdl_embedding.cli import main, visualize
from visualdl_embedding.page import _file, missing_page

ROOT = Path(__file__).resolve().parents[2]
PAGE = {"report.html"} if missing_page() is None else set()
FILES = PAGE | {"pca.png", "coordinates.csv", "neighbors.tsv", "report.json"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "ernie_model")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, arguments)])


def record(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "report.json").read_text("utf-8"))
    return content


def test_a_report_of_a_folder_that_has_its_vocabulary(model: Path, tmp_path: Path) -> None:
    done = invoke(model, "--method", "pca", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert "trustworthiness" in done.output
    assert "ernie_model: table 'ernie.embeddings.word_embeddings'" in done.output
    assert f"500 rows were requested; the table has {HEIGHT}" in done.output


def test_the_command_says_why_there_is_no_page(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_file, "_built", lambda: tmp_path / "nothing")
    done = invoke(model, "--method", "pca", "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES - PAGE
    assert done.output.count("The page was not built") == 1
    assert "in a browser" not in done.output


def test_a_label_with_a_terminal_code_is_shown_as_text(model: Path, tmp_path: Path) -> None:
    done = invoke(model, "--method", "pca", "--watch", "\x1b[31m没有", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "\x1b" not in done.output
    assert "\\x1b[31m" in done.output


def test_the_form_that_teams_have_in_their_scripts(tmp_path: Path) -> None:
    save_model(tmp_path / "ernie_model", vocabulary=False)
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    line = "--model_path ./ernie_model --vocab_file ./vocab.txt --top_k 40 --method tsne --output_dir ./vis_results"
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "visualize_embedding.py", *line.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "vis_results").iterdir()} == FILES - {"pca.png"} | {"tsne.png"}
    assert record(tmp_path / "vis_results")["rows"]["number"] == 40  # type: ignore[index]


@pytest.mark.parametrize("dash", ["-", "_"])
def test_flags_with_dashes_and_with_underscores(model: Path, tmp_path: Path, dash: str) -> None:
    flags = ["--model-path", model, "--top-k", 20, "--n-neighbors", 5, "--random-state", 7, "--method", "pca"]
    told = [flag if not str(flag).startswith("--") else "--" + str(flag)[2:].replace("-", dash) for flag in flags]
    done = CliRunner().invoke(visualize, [*map(str, told), f"--output{dash}dir={tmp_path / 'out'}"])
    assert done.exit_code == 0, done.output
    parameters = record(tmp_path / "out")["parameters"]
    assert parameters["rows"] == 20  # type: ignore[index]
    assert parameters["n_neighbors"] == [5]  # type: ignore[index]
    assert parameters["random_state"] == 7  # type: ignore[index]


def test_several_views_metadata_and_an_axis(model: Path, tmp_path: Path) -> None:
    groups, frequencies = tmp_path / "group.tsv", tmp_path / "frequency.csv"
    groups.write_text("label\tgroup\n" + "".join(f"{w}\t{w[0]}\n" for w in WORDS[2:62]), "utf-8")
    frequencies.write_text("label,frequency\n" + "".join(f"{w},{i}\n" for i, w in enumerate(WORDS[2:62])), "utf-8")
    done = invoke(
        *(model, "--metadata", groups, "--metadata", frequencies, "--top-k", "50", "--axis", "悲0", "喜0"),
        *("--method", "pca", "--method", "tsne", "--perplexity", "5", "--perplexity", "8", "--repeats", "2"),
        *("--n-components", "2", "--n-components", "3", "--color", "group", "-o", tmp_path / "out"),
    )
    assert done.exit_code == 0, done.output
    with open(tmp_path / "out" / "coordinates.csv", encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["label"] for line in lines} == set(WORDS[12:62])
    assert {line["group"] for line in lines} == {"悲", "喜"}
    for line in lines:
        assert (float(line["悲0 → 喜0"]) > 0.5) == (line["group"] == "喜")
    views = [view["key"] for view in record(tmp_path / "out")["views"]]  # type: ignore[attr-defined]
    assert "pca" in views
    assert "pca_3d" in views
    assert len(views) == 2 + 2 * 2 * 2


def test_rows_by_column_value(model: Path, tmp_path: Path) -> None:
    (tmp_path / "group.tsv").write_text("label\tgroup\n悲1\tsad\n悲2\tsad\n喜1\tglad\n悲3\tsad\n", "utf-8")
    done = invoke(
        model, "--metadata", tmp_path / "group.tsv", "--rows", "group=sad", "--method", "pca", "-o", tmp_path / "out"
    )
    assert done.exit_code == 0, done.output
    assert record(tmp_path / "out")["rows"]["number"] == 3  # type: ignore[index]


def test_tables_are_listed(model: Path) -> None:
    done = invoke(model, "--list-tables")
    assert done.exit_code == 0, done.output
    assert f"ernie.embeddings.word_embeddings ({HEIGHT} × 12, float32)" in done.output
    assert "vocabulary vocab.txt" in done.output


def test_weekly_snapshots_join_a_run(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "weekly"
    for week, seed in ((10, 0), (12, 1)):
        model = save_model(tmp_path / f"week{week}", seed=seed)
        done = invoke(
            *(model, "--top-k", 40, "--method", "pca", "-o", tmp_path / "out", "--run", run, "--step", week),
        )
        assert done.exit_code == 0, done.output
    done = invoke(save_model(tmp_path / "week13"), "--method", "pca", "-o", tmp_path / "out", "--run", run)
    assert done.exit_code == 0, done.output
    table = "ernie.embeddings.word_embeddings"
    assert "The run keeps its settings" not in done.output
    assert open_run(run).steps(table, analyzed=True) == [10, 12, 13]
    assert 0 < open_run(run).scalars(table)["neighbor_overlap"][12] < 1
    assert list(run.glob("vdlrecords.*.log"))
    (tmp_path / "rules.toml").write_text('[[rule]]\nkind = "below"\nmetric = "neighbor_overlap"\nvalue = 0.9\n')
    done = invoke(
        *(save_model(tmp_path / "week14", seed=1), "--method", "pca", "-o", tmp_path / "out", "--run", run),
        *("--rules", tmp_path / "rules.toml"),
    )
    assert "Alert: neighbor_overlap is" in done.output
    assert [alert["step"] for alert in open_run(run).alerts(table)] == [14]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere"),
        (["{model}", "--method", "sammon"], "'pca', 'tsne', 'umap'"),
        (["{model}", "--top-k", "0"], "x>=1"),
        (["{model}", "--top-k", "5", "--rows", "all"], "use one of them"),
        (["{model}", "--step", "3"], "--run"),
        (["{model}", "--rules", "rules.toml"], "--run"),
        (["{model}", "--table", "ernie"], "It has:"),
        (["{model}", "--vocab", "missing.txt"], "missing.txt"),
        (["{model}", "--color", "color"], "color"),
        (["{model}", "--axis", "悲0", "悲九十九"], "悲九十九"),
        (["{model}", "--rows", "group=sad"], "group"),
        (["{empty}"], "empty"),
    ],
)
def test_bad_input_is_a_sentence_and_writes_nothing(
    model: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"model": str(model), "empty": str(tmp_path / "empty")}
    done = invoke(*(text.format(**places) for text in arguments), "--output", tmp_path / "out")
    assert done.exit_code in (1, 2)
    assert said in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


def test_a_vocabulary_of_another_model(model: Path, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(f"w{i}" for i in range(200)), "utf-8")
    done = invoke(model, "--vocab", tmp_path / "vocab.txt", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "has 200 ids" in done.output


def test_a_folder_that_holds_something_else_is_left_alone_before_any_work(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    done = invoke(model, "--method", "pca", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "thesis.txt" in done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    done = invoke(model, "--method", "pca", "-o", tmp_path / "out", "--overwrite")
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES | {"thesis.txt"}


def test_debug_shows_the_traceback(model: Path) -> None:
    with pytest.raises(FileNotFoundError):
        CliRunner().invoke(main, ["--debug", "report", "nowhere"], catch_exceptions=False)


def test_what_cannot_join_a_run_is_refused_before_the_report(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    first = save_model(tmp_path / "first")
    assert invoke(first, "--method", "pca", "-o", tmp_path / "a", "--run", run, "--step", 3).exit_code == 0
    table = "ernie.embeddings.word_embeddings.weight"
    wide = save_model(tmp_path / "wide")
    save_file({table: np.ones((HEIGHT, 7), np.float32)}, wide / "model.safetensors")
    foreign = save_model(tmp_path / "foreign", vocabulary=False)
    (foreign / "vocab.txt").write_text("\n".join(f"w{i}" for i in range(HEIGHT)) + "\n", "utf-8")
    for model, more, said in (
        (wide, (), "its rows have 7 columns, those of the run 12"),
        (foreign, (), "no label is in both"),
        (first, ("--step", 3), "Give a step from 4 on"),
    ):
        done = invoke(model, "--method", "pca", "-o", out, "--run", run, *more)
        assert done.exit_code == 1
        assert said in done.output
        assert not out.exists()
    assert open_run(run).steps("ernie.embeddings.word_embeddings") == [3]


def test_a_rule_that_cannot_fire_is_refused_before_the_report(model: Path, tmp_path: Path) -> None:
    rules, run, out = tmp_path / "rules.toml", tmp_path / "run", tmp_path / "out"
    (tmp_path / "groups.tsv").write_text("label\tgroup\n悲7\tsad\n喜7\tglad\n", "utf-8")
    asked = ("--watch", "悲7", "--metadata", tmp_path / "groups.tsv", "--run", run, "--rules", rules)
    for group, word, said in (
        ("glad", "喜7", "'喜7' is not watched; watched are '悲7'. Watch it too"),
        ("glad", "悲77", "'悲77' is neither watched nor among the rows; did you mean '悲7'"),
        ("gladd", "悲7", "no row is in the group 'gladd'; did you mean 'glad'?"),
        ("glad", "悲7", "cannot fire for 'ernie.embeddings.word_embeddings': the p-values are at least"),
    ):
        alpha = 1e-7 if "p-values" in said else 0.05
        rules.write_text(f'[[rule]]\nkind = "drift_towards"\ngroup = "{group}"\nwords = ["{word}"]\nalpha = {alpha}')
        done = invoke(model, "--method", "pca", "-o", out, *asked, "--overwrite")
        assert done.exit_code == 1
        assert said in done.output.replace("\n", " ")
        assert not out.exists()
        assert not run.exists()


def test_a_watched_word_that_is_missing_one_week_is_noted(tmp_path: Path) -> None:
    run, table = tmp_path / "run", "ernie.embeddings.word_embeddings"
    without = save_model(tmp_path / "without")
    (without / "vocab.txt").write_text("\n".join(["别" if w == "悲7" else w for w in WORDS]) + "\n", "utf-8")
    weeks = [save_model(tmp_path / "first"), without, save_model(tmp_path / "third")]
    for week, model in enumerate(weeks):
        done = invoke(
            *(model, "--method", "pca", "--watch", "悲7", "-o", tmp_path / "out", "--run", run),
            *(("--distance", "euclidean") if week == 2 else ()),
        )
        assert done.exit_code == 0, done.output
        assert ("so the curves have a gap: 悲7" in done.output) is (week == 1)
        assert ("keeps its settings: distance='cosine' (not 'euclidean')" in done.output) is (week == 2)
    assert sorted(open_run(run).scalars(table)["watch/悲7/norm"]) == [0, 2]
    done = invoke(without, "--method", "pca", "--watch", "悲99", "-o", tmp_path / "out", "--run", run)
    assert done.exit_code == 1
    assert "悲99" in done.output
