"""The case studies about words, run at small size; what they found at full size is in docs/case-studies.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from visualdl_embedding import open_run
from visualdl_embedding.demo import load_corpus

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ARMS = {"before", "again", "remedy", "checked"}


def run_example(name: str, folder: Path) -> tuple[dict[str, Any], str]:
    """Run an example at small size; returns its figures and what it printed."""
    done = subprocess.run(
        [
            *(sys.executable, str(EXAMPLES / f"{name}.py"), "--size", "small"),
            *("--log-dir", str(folder / "runs"), "--json", str(folder / "figures.json")),
            *("--picture", str(folder / "picture.png")),
        ],
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    return json.loads((folder / "figures.json").read_text("utf-8")), done.stdout


@pytest.fixture(scope="module")
def irony(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    folder = tmp_path_factory.mktemp("irony")
    return *run_example("case_irony", folder), folder / "runs"


@pytest.fixture(scope="module")
def drift(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    folder = tmp_path_factory.mktemp("drift")
    return *run_example("case_drift", folder), folder / "runs"


@pytest.fixture
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.mark.slow
def test_irony_arms_begin_alike_and_the_remedy_moves_the_words_it_was_taught(irony: tuple[Any, ...]) -> None:
    figures, _, _ = irony
    assert len(figures["seeds"]) == 2
    for seed in figures["seeds"]:
        arms = seed["arms"]
        assert set(arms) == ARMS
        for name, curve in arms["before"]["curves"].items():
            start = {arm: arms[arm]["curves"][name]["0"] for arm in ARMS}
            assert start["before"] == start["remedy"] == start["checked"], name
            assert {len(arms[arm]["curves"][name]) for arm in ARMS} == {len(curve)}
        # What it was taught shows in the numbers of all words, for half of them are its own.
        assert arms["remedy"]["last"]["group_purity"] > arms["again"]["last"]["group_purity"]
        assert arms["remedy"]["last"]["wrong_side_rows"] < arms["again"]["last"]["wrong_side_rows"]
        for arm in arms.values():
            assert 0.6 < arm["accuracy"]["all"] <= 1
            assert 0 <= arm["untaught_still_wrong"] <= seed["untaught_wrong"]


@pytest.mark.slow
def test_words_on_the_wrong_side_come_with_their_evidence(irony: tuple[Any, ...]) -> None:
    figures, _, runs = irony
    rows = open_run(runs / "before-1").rows("embedding")
    group = dict(zip(rows.labels, rows.columns["group"], strict=True))
    found = figures["seeds"][0]
    assert found["wrong_side"]
    for word in found["wrong_side"]:
        assert word["share_of_other_group"] >= 0.5
        assert group[word["word"]] == word["group"]
        assert word["neighbors"]
        assert {group[near] for near in word["neighbors"]} == {"positive", "negative"} - {word["group"]}
    assert len(found["wrong_side"]) == found["arms"]["before"]["last"]["wrong_side_rows"]
    corpus = load_corpus("small")
    ids = [corpus.vocabulary.index(word["word"]) for word in found["wrong_side"]]
    affected = sum(not set(ids).isdisjoint(review) for review in corpus.held_out_words.tolist())
    assert found["affected_reviews"] == affected


@pytest.mark.slow
def test_the_reviews_contradict_the_lexicon_for_words_on_the_wrong_side(irony: tuple[Any, ...]) -> None:
    figures, out, _ = irony
    shares = {
        side: counts["contradicted"] / counts["words"]
        for side, counts in figures["summary"]["labels_against_lexicon"].items()
    }
    assert shares["on_the_wrong_side"] > 2 * shares["others"]
    assert re.search(r"on the wrong side: .* contradict the lexicon for \d+ of \d+ words", out)
    assert "accuracy/affected, median of 2 seeds" in out


def test_half_of_the_lexicon_is_never_taught(examples: None) -> None:
    import case_irony

    corpus = load_corpus("small")
    grouped = np.array(case_irony.polar_groups(corpus)) != ""
    first, second = (case_irony.taught_half(corpus, random_state=seed) for seed in (1, 2))
    assert not (first & ~grouped).any()
    assert first.sum() == grouped.sum() // 2
    assert (first != second).any()
    counted = case_irony.contradicted(corpus)
    sign = case_irony.signs(corpus)
    for word in np.flatnonzero(grouped)[:50]:
        share, count = case_irony.praised(corpus, corpus.vocabulary[word])
        assert counted[word] == (count > 0 and sign[word] * (share - corpus.train_labels.mean()) < 0)


def test_the_remedy_is_least_where_groups_are_apart(examples: None) -> None:
    import case_irony

    def term(vectors: np.ndarray) -> float:
        table = paddle.nn.Embedding(4, 2)
        table.weight.set_value(paddle.to_tensor(vectors.astype("float32")))
        positive = np.array([True, True, False, False])
        loss = case_irony.PullByLexicon(table, np.arange(4), positive, weight=1.0, random_state=1)
        logits, labels = paddle.to_tensor([[0.0, 0.0]]), paddle.to_tensor([[1]])
        return float(loss(logits, labels)) - float(np.log(2))

    apart = term(np.array([[1, 0], [2, 0], [-1, 0], [-3, 0]]))
    mixed = term(np.array([[1, 0], [-1, 0], [1, 0], [-1, 0]]))
    same = term(np.ones((4, 2)))
    assert apart == pytest.approx(0, abs=1e-5)
    assert same == pytest.approx(1, abs=1e-5)
    # Pairs of one group point apart, 1 - (-1); half of the pairs of both do not.
    assert mixed == pytest.approx(2 + 0.5, abs=1e-5)


@pytest.mark.slow
def test_drift_is_detected_for_the_changed_word_and_not_in_the_control(drift: tuple[Any, ...]) -> None:
    figures, out, _ = drift
    changed, control = figures["runs"]
    week = figures["change"]
    assert (changed["share"], control["share"]) == (1.0, 0.0)
    assert changed["with_word"][:week] == control["with_word"][:week]
    assert changed["with_word"][week] > 2 * control["with_word"][week]
    for how in ("rows", "null"):
        word = [run["p_values"][how]["便宜"] for run in (changed, control)]
        earlier = [key for key in word[0] if int(key) < week]
        assert earlier
        assert [word[0][key] for key in earlier] == [word[1][key] for key in earlier], "the same until the change"
        assert word[0][str(week)] < word[1][str(week)]
        # A single null pair does not lift every seed over the level; whatever fires must be right.
        assert all(alert == [week, "便宜"] for alert in changed["alerts"][how])
        assert control["alerts"][how] == []
    assert changed["alerts"]["rows"]
    assert changed["negative_share"][str(week)] > control["negative_share"][str(week)]
    assert re.search(r"seed \d+, share 1: 便宜 moved towards negative", out)
    assert re.search(r"seed \d+, share 0: no alert", out)


@pytest.mark.slow
def test_the_alert_of_the_week_is_in_the_run(drift: tuple[Any, ...]) -> None:
    figures, _, runs = drift
    seed = figures["runs"][0]["seed"]
    (alert,) = open_run(runs / f"share-1-{seed}").alerts("embedding")
    assert (alert["step"], alert["evidence"]["label"], alert["evidence"]["group"]) == (4, "便宜", "negative")
    assert open_run(runs / f"share-0-{seed}").alerts("embedding") == []


def test_a_change_of_sense_writes_one_word_for_the_other(examples: None) -> None:
    import case_drift

    words = np.random.default_rng(0).integers(0, 6, (400, 5))
    had = (words == 3).any(axis=1)
    changed = case_drift.change_sense(words, word=2, donor=3, share=0.5, random=np.random.default_rng(1))
    touched = (changed != words).any(axis=1)
    assert touched.sum() == round(0.5 * had.sum())
    assert not (changed[touched] == 3).any()
    assert (changed[changed != words] == 2).all()
    assert (words[changed != words] == 3).all()
