from __future__ import annotations

import json
import math
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from alert_examples import make_alert
from hypothesis import given
from hypothesis import strategies as st

from visualdl_embedding.alerts import Alert, run_hook
from visualdl_embedding.core.severity import SEVERITIES

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
alerts = st.builds(
    make_alert,
    table=st.text(),
    step=st.integers(0, 10**12),
    severity=st.sampled_from(SEVERITIES),
    value=st.floats(allow_nan=False, allow_infinity=False),
    message=st.text(),
    message_zh=st.text(),
    evidence=st.dictionaries(st.text(), plain | st.lists(plain, max_size=3), max_size=4),
    trained_step=st.none() | st.integers(0, 10**12),
)


@given(alerts)
def test_alerts_round_trip_through_strict_json(alert: Alert) -> None:
    text = json.dumps(alert.to_dict(), allow_nan=False)
    assert Alert.from_dict(json.loads(text)) == alert


def test_what_is_not_finite_becomes_null() -> None:
    alert = make_alert(value=math.nan, threshold=-math.inf, evidence={"p": np.float32("nan"), "n": np.int64(3)})
    values = alert.to_dict()
    assert (values["value"], values["threshold"], values["evidence"]) == (None, None, {"p": None, "n": 3})
    back = Alert.from_dict(values)
    assert math.isnan(back.value)
    assert math.isnan(back.threshold)


def test_evidence_that_is_not_plain_is_refused() -> None:
    with pytest.raises(TypeError, match="A Generator cannot be written as JSON"):
        make_alert(evidence={"rng": np.random.default_rng(0)}).to_dict()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("table", None),
        ("step", "300"),
        ("step", True),
        ("severity", "bad"),
        ("severity", ["warning"]),
        ("value", "0.9"),
        ("message", 3),
        ("evidence", []),
        ("trained_step", "x"),
    ],
)
def test_invalid_alerts_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"not an alert: '{key}'"):
        Alert.from_dict({**make_alert().to_dict(), key: value})


def test_what_an_alert_may_lack() -> None:
    values = make_alert().to_dict()
    for key in ("value", "threshold", "trained_step", "message_zh", "evidence"):
        del values[key]
    alert = Alert.from_dict(values)
    assert math.isnan(alert.value)
    assert (alert.trained_step, alert.message_zh, alert.evidence) == (None, "", {})


def test_keys_of_a_newer_version_are_passed_over() -> None:
    assert Alert.from_dict({**make_alert().to_dict(), "new": 1}) == make_alert()


def test_the_lag_is_described() -> None:
    alert = make_alert()
    assert (alert.lag, alert.lag_zh) == ("", "")
    late = replace(alert, trained_step=450)
    assert (late.to_dict()["computed_step"], late.trained_step) == (300, 450)
    assert late.lag == "Computed from the snapshot of step 300; training is now at step 450, 150 steps later."
    assert "滞后 150 步" in late.lag_zh
    current = "Computed from the snapshot of step 300, the current step of the training."
    assert replace(alert, trained_step=300).lag == current
    assert late.to_dict()["lag"] == late.lag


class TestHook:
    def script(self, folder: Path, text: str) -> str:
        path = folder / "a hook.py"
        path.write_text(text)
        return f'"{sys.executable}" "{path}" one "two words"'

    def test_the_command_gets_the_alert_as_json(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        text = f"import sys\nopen({str(out)!r}, 'wb').write(repr(sys.argv[1:]).encode() + sys.stdin.buffer.read())"
        alert = make_alert(table="$(touch pwned); 表\ud800", value=math.nan)
        result = run_hook(self.script(tmp_path, text), alert)
        assert result.ok
        assert result.reason == ""
        arguments, _, body = out.read_bytes().partition(b"]")
        assert arguments == b"['one', 'two words'"
        assert body.endswith(b"\n")
        assert json.loads(body) == alert.to_dict()

    def test_no_shell_is_used(self, tmp_path: Path) -> None:
        target = tmp_path / "made"
        run_hook(f"true ; touch {target}", make_alert())
        run_hook(f"true && touch {target}", make_alert())
        assert not target.exists()

    def test_a_list_is_taken_as_it_is(self) -> None:
        assert run_hook([sys.executable, "-c", "import sys; sys.exit(0)"], make_alert()).ok

    def test_a_failure_is_reported(self, tmp_path: Path) -> None:
        text = "import sys; sys.stderr.write('x' * 5000 + ' robot is \\x1b[31mdown\\n'); sys.exit(3)"
        result = run_hook(self.script(tmp_path, text), make_alert())
        assert (result.ok, result.status) == (False, 3)
        assert result.reason.endswith("robot is \\x1b[31mdown")
        assert len(result.reason) < 800

    def test_a_command_that_reads_nothing_is_fine(self, tmp_path: Path) -> None:
        assert run_hook(self.script(tmp_path, "pass"), make_alert(evidence={"text": "x" * 1_000_000})).ok

    @pytest.mark.parametrize(
        ("command", "says"),
        [
            ("", "is empty"),
            ("no-such-program-anywhere --x", "'no-such-program-anywhere' could not be run"),
            ("'open", "No closing quotation"),
            ("a\0b", "could not be run"),
            (os.devnull, "could not be run"),
        ],
    )
    def test_what_cannot_run_never_raises(self, command: str, says: str) -> None:
        result = run_hook(command, make_alert())
        assert result.status is None
        assert says in result.reason

    def test_an_alert_that_is_not_plain_never_raises(self) -> None:
        result = run_hook("true", make_alert(evidence={"x": object()}))
        assert "A object cannot be written as JSON" in result.reason

    def test_the_timeout_ends_it_and_what_it_started(self, tmp_path: Path) -> None:
        sign = tmp_path / "alive"
        child = f"import time\nwhile True: open({str(sign)!r}, 'a').write('.'); time.sleep(0.02)"
        text = f"import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\ntime.sleep(3600)"
        # The child must have begun within the timeout, on a busy machine too.
        result = run_hook(self.script(tmp_path, text), make_alert(), timeout=3)
        assert result.status is None
        assert "was killed after 3 s" in result.reason
        size = sign.stat().st_size
        time.sleep(0.3)
        assert sign.stat().st_size == size > 0
