"""Curves that others logged: thinned, resumed, damaged and replaced logs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from served_runs import ask, make_run, within, write_scalars

from visualdl_embedding.logs import scan
from visualdl_embedding.server import RunSource, make_server


def test_curves_are_what_others_logged(client: FlaskClient) -> None:
    found = ask(client, "curves", run="a")["curves"]
    assert found == {"train/loss": {"steps": list(range(0, 101, 10)), "values": found["train/loss"]["values"]}}
    assert found["train/loss"]["values"][1] == pytest.approx(1 / 11)


@pytest.mark.parametrize("kept", [20_000, 400])
def test_long_curves_are_thinned_and_keep_their_end(tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visualdl_embedding.server._curves._KEPT_POINTS", kept)
    make_run(tmp_path / "runs", steps=[0], loss=False)
    write_scalars(
        tmp_path / "runs", {"train/loss": [(step, float("nan") if step == 3 else 1.0) for step in range(2500)]}
    )
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    series = ask(client, "curves", run=".")["curves"]["train/loss"]
    assert len(series["steps"]) <= 1000
    if kept > 2500:
        assert series["steps"][-1] == 2499
    assert len(set(np.diff(series["steps"]))) == 1
    # The one value that is not finite is not thinned away.
    gap = series["values"].index(None)
    assert series["values"].count(None) == 1
    assert abs(series["steps"][gap] - 3) < 2500 / len(series["steps"])


def test_a_resumed_training_has_one_curve(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", steps=[0], loss=False)
    for number, points in ((1, [(0, 4.0), (10, 3.0), (20, 2.0)]), (2, [(10, 5.0), (30, 1.0)])):
        write_scalars(tmp_path / "runs", {"train/loss": points}, file_name=f"vdlrecords.000000000{number}.log")
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    curve = ask(client, "curves", run=".")["curves"]["train/loss"]
    assert curve == {"steps": [0, 10, 20, 30], "values": [4.0, 5.0, 2.0, 1.0]}


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", steps=[0], loss=False)
    write_scalars(tmp_path / "runs", {"train/loss": [(0, 1.0), (1, float("nan")), (2, float("inf"))]})
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    assert ask(client, "curves", run=".")["curves"]["train/loss"]["values"] == [1.0, None, None]


def test_half_a_record_is_read_when_it_is_whole(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", steps=[0], loss=False)
    path = write_scalars(tmp_path / "runs", {"train/loss": [(0, 1.0), (1, 2.0), (2, 3.0)]})
    content = path.read_bytes()
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    for cut, expected in ((9, [0, 1]), (1, [0, 1]), (0, [0, 1, 2])):
        path.write_bytes(content[: len(content) - cut])
        assert ask(client, "curves", run=".")["curves"]["train/loss"]["steps"] == expected


def test_a_damaged_record_of_a_log_hides_itself_only(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", steps=[0], loss=False)
    path = write_scalars(tmp_path / "runs", {"train/loss": [(step, float(step)) for step in range(5)]})
    records = [entry.end for entry in scan(path)]
    content = bytearray(path.read_bytes())
    content[records[1] + 4] = 0xFF  # the length of the record of step 1
    path.write_bytes(content)
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    assert ask(client, "curves", run=".")["curves"]["train/loss"]["steps"] == [0, 2, 3, 4]
    write_scalars(path.parent, {"train/loss": [(5, 5.0)]}, file_name=path.name)
    within(5, lambda: ask(client, "curves", run=".")["curves"]["train/loss"]["steps"] == [0, 2, 3, 4, 5])


def test_a_log_that_is_replaced_twice_is_read_anew(tmp_path: Path) -> None:
    make_run(tmp_path / "runs", steps=[0], loss=False)
    path = write_scalars(tmp_path / "runs", {"train/loss": [(step, 1.0) for step in range(5)]})
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    assert list(ask(client, "curves", run=".")["curves"]) == ["train/loss"]
    other = write_scalars(tmp_path / "other", {"train/acc": [(step, 2.0) for step in range(9)]})
    # Longer, and with the number of the first: what the system does where two files follow one another in its place.
    path.write_bytes(other.read_bytes())
    curves = ask(client, "curves", run=".")["curves"]
    assert curves == {"train/acc": {"steps": list(range(9)), "values": [2.0] * 9}}
