"""Judging and comparing runs and models, as CI does."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from model_folders import LEFT, RIGHT, WORDS, save_model, vectors
from safetensors.numpy import save_file

from visualdl_embedding.cli import main
from visualdl_embedding.errors import RulesError

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
        (ValueError("operands could not be broadcast together"), 3, "internal error"),
        (OSError(errno.ENOSPC, "No space left on device"), 3, "internal error"),
        (RulesError("Rules", ["no such table"]), 2, "bad input"),
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


def test_a_fault_and_bad_input_of_one_type_differ_in_a_real_process(tmp_path: Path, before: Path) -> None:
    # The fault is a ValueError of NumPy inside the library: shapes that do not match.
    broken = "import numpy as np, visualdl_embedding.metrics as m, visualdl_embedding.runs._check as c\n"
    broken += "c.compare_sides = lambda *_, **__: np.ones(2) + np.ones(3)\n"
    call = "from visualdl_embedding.cli import main\nmain()"
    labels = write_rules(tmp_path, 'kind = "above"\nmetric = "watch/悲77/norm"\nvalue = 1')
    for program, arguments, status, said in (
        (broken + call, ("--baseline", before), 3, "internal error; --debug shows where."),
        (call, ("--rules", labels), 2, "bad input."),
        (call, ("--junit-xml", tmp_path / "none" / "a.xml"), 2, "bad input."),
    ):
        command = [sys.executable, "-c", program, "check", before, *arguments]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert done.stderr.splitlines()[-1] == f"Exit status {status}: {said}"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to handle")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_3_and_a_sentence(tmp_path: Path, before: Path, sent: signal.Signals) -> None:
    # Reading the rules blocks in a pipe until the signal.
    rules = tmp_path / "rules.toml"
    os.mkfifo(rules)
    command = [sys.executable, "-m", "visualdl_embedding", "check", before, "--rules", rules]
    process = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True)
    with rules.open("w"):  # returns once the command reads its rules
        time.sleep(0.2)
        process.send_signal(sent)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 3, stderr
    assert stderr.splitlines() == [
        "Error: The command was interrupted before its result.",
        "Exit status 3: interrupted.",
    ]


def test_a_word_with_a_slash_or_percent_is_watched_by_its_name_in_a_key(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model")
    words = [{"国王": "利率/5%", "男": "a\\b"}.get(word, word) for word in WORDS]
    (model / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    rules = write_rules(
        tmp_path,
        'kind = "above"\nmetric = "watch/利率／5%/norm"\nvalue = 99',
        "kind = 'above'\nmetric = 'watch/a\\b/norm'\nvalue = 99",
    )
    for more in ((), ("--baseline", model)):
        done = run("check", model, "--rules", rules, *more)
        assert done.stdout.splitlines()[-1] == "Exit status 0: passed (0 failed, 0 unknown, 2 passed)."


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            'kind = "drift_towards"\ngroup = "gladd"\nwords = ["悲7"]',
            "no row is in the group 'gladd'; did you mean 'glad'?",
        ),
        (
            'kind = "above"\nmetric = "watch/悲77/norm"\nvalue = 1',
            "'悲77' is neither watched nor among the rows; did you",
        ),
        (
            'kind = "below"\nmetric = "group/saad/purity"\nvalue = 1',
            "no row is in the group 'saad'; did you mean 'sad'?",
        ),
        ('kind = "group_mixing"\ngroup = "sadd"', "no row is in the group 'sadd'; did you mean 'sad'?"),
    ],
)
def test_a_rule_that_cannot_be_reached_exits_with_2(
    tmp_path: Path, before: Path, groups: Path, *, rule: str, said: str
) -> None:
    rules = write_rules(tmp_path, rule)
    for more in ((), ("--baseline", before)):
        done = run("check", before, "--rules", rules, "--metadata", groups, *more)
        assert done.exit_code == 2, done.output
        assert "cannot fire for 'ernie.embeddings.word_embeddings'" in done.stderr
        assert said in done.stderr


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
