"""Alerts of a real training: said, stored, logged, told to the user, and able to stop it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from callback_training import LABELS, V, fit, make_model
from visualdl import LogReader

from visualdl_embedding import open_run
from visualdl_embedding.alerts import Above, Alert
from visualdl_embedding.callbacks import EmbeddingCallback
from visualdl_embedding.logs import log_files
from visualdl_embedding.runs import analyze_run, relog_run

ALWAYS = Above("norm_mean", 0.0, name="always", severity="critical")


def watch(log_dir: Path, **options: Any) -> EmbeddingCallback:
    settings = {"vocabulary": LABELS, "methods": ("pca",), "every_n_steps": 4, "background": False} | options
    return EmbeddingCallback(log_dir, **settings)


def alert_texts(log_dir: Path) -> list[str]:
    (path,) = log_files(log_dir)
    records = LogReader(file_path=str(path)).get_data("text", "embedding/word/alerts")
    return [record.text.encoded_text_string for record in records]


@pytest.mark.parametrize("background", [False, True])
def test_an_alert_reaches_everybody_once(tmp_path: Path, caplog: pytest.LogCaptureFixture, background: bool) -> None:
    told: list[Alert] = []
    with caplog.at_level(logging.WARNING, logger="visualdl_embedding"):
        fit(watch(tmp_path, alerts=[ALWAYS], on_alert=told.append, background=background))
    assert [alert.rule for alert in told] == ["always"]
    assert told[0].trained_step is not None
    assert told[0].trained_step >= told[0].step
    assert sum("Alert of table word, critical" in record.message for record in caplog.records) == 1
    run = open_run(tmp_path)
    assert [alert["rule"] for alert in run.alerts("word")] == ["always"]
    counts = run.scalars("word")["num_alerts"]
    assert sum(counts.values()) == 1
    assert len(counts) >= 2
    (text,) = alert_texts(tmp_path)
    assert "norm_mean is" in text
    assert "Computed from the snapshot of step" in text


def test_a_replay_raises_the_same_alerts_and_no_more(tmp_path: Path) -> None:
    fit(watch(tmp_path, alerts=[ALWAYS]))
    before = open_run(tmp_path).alerts("word")
    analyze_run(tmp_path, force=True)
    after = open_run(tmp_path).alerts("word")
    assert [(a["step"], a["rule"], a["message"]) for a in after] == [
        (a["step"], a["rule"], a["message"]) for a in before
    ]
    relog_run(tmp_path)
    assert len(alert_texts(tmp_path)) == 1


def test_an_alert_can_stop_the_training(tmp_path: Path) -> None:
    fit(watch(tmp_path, alerts=ALWAYS, stop_on="warning"), epochs=5)
    assert max(open_run(tmp_path).steps("word")) <= 8  # the epoch of the alert is the last


def test_a_function_that_fails_does_not_end_the_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(alert: Alert) -> None:
        raise RuntimeError("the robot is out")

    with caplog.at_level(logging.WARNING, logger="visualdl_embedding"):
        fit(watch(tmp_path, alerts=[ALWAYS], on_alert=fail))
    assert any("the robot is out" in record.message for record in caplog.records)
    assert max(open_run(tmp_path).steps("word")) == 16


def test_rules_from_a_file_and_a_resumed_run_that_has_fired_already(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nkind = "above"\nmetric = "norm_mean"\nvalue = 0.0\n', "utf-8")
    fit(watch(tmp_path / "run", alerts=rules), epochs=1)
    fit(watch(tmp_path / "run", alerts=rules, resume=True), epochs=1)
    assert len(open_run(tmp_path / "run").alerts("word")) == 1


def test_the_default_rules_are_silent_on_a_healthy_training_and_fire_on_a_broken_one(tmp_path: Path) -> None:
    fit(watch(tmp_path / "healthy"))
    assert open_run(tmp_path / "healthy").alerts("word") == []
    model = make_model()
    weight = model.network.word.weight
    weight.set_value(np.where(np.arange(V)[:, None] < 3, np.nan, weight.numpy()))
    fit(watch(tmp_path / "broken"), model=model)
    assert open_run(tmp_path / "broken").alerts("word")[0]["severity"] == "critical"


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"alerts": "missing.toml"}, FileNotFoundError, "missing.toml"),
        ({"alerts": [ALWAYS, ALWAYS]}, ValueError, "always"),
        ({"alerts": 3}, TypeError, "TOML"),
        ({"on_alert": 3}, TypeError, "function"),
        ({"stop_on": "often"}, ValueError, "critical"),
    ],
)
def test_wrong_arguments_raise_at_construction(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        watch(tmp_path, **options)


def test_lookups_and_gradients_stand_with_the_rows(tmp_path: Path) -> None:
    fit(watch(tmp_path, rows="all", watch=["词1", "讽刺"] if "讽刺" in LABELS else ["词1"]))
    run = open_run(tmp_path)
    counts = run.analysis("word", 16).row_metrics
    assert counts["lookups"].sum() == 2 * 64 * 6
    assert np.isfinite(counts["gradient_mean"][counts["lookups"] > 0]).all()
    assert run.snapshot("word", 0).row_values["lookups"].sum() == 0
    never = run.scalars("word")["never_trained_rows"]
    assert 0 not in never  # unknown before the first forward pass
    assert never[16] == (counts["lookups"] == 0).sum()


def test_the_training_history_can_be_switched_off(tmp_path: Path) -> None:
    fit(watch(tmp_path, training_history=False), epochs=1)
    assert not open_run(tmp_path).snapshot("word", 8).row_values
