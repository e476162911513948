"""What the server makes of a snapshot in seconds, and what it says of one row."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from served_runs import CONFIG, STEPS, Writer, begin, make_rows
from sklearn.metrics import adjusted_rand_score

from visualdl_embedding import open_run
from visualdl_embedding.analysis import Config
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.metrics.agreement import clusters
from visualdl_embedding.server import RunSource, _runs, make_server

PREFIX = "/app/embeddings/api/v1/"
TABLE: dict[str, Any] = {"run": ".", "table": "word"}
BLOBS = np.arange(60) % 3


@pytest.fixture(scope="module")
def client(two_runs: Path) -> FlaskClient:
    return make_server(RunSource(two_runs / "runs"), visualdl=False).test_client()


def client_of(log_dir: Path) -> FlaskClient:
    return make_server(RunSource(log_dir), visualdl=False).test_client()


def ask(client: FlaskClient, endpoint: str, /, **query: Any) -> Any:
    answer = client.get(PREFIX + endpoint, query_string=query)
    assert answer.status_code == 200, answer.text
    return json.loads(answer.data, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def blobs(*, lengths: bool = False) -> np.ndarray:
    """Rows of three kinds that are far apart; by their lengths only, or by their directions only."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(60, 8)) if lengths else np.eye(8)[BLOBS] + 0.02 * random.normal(size=(60, 8))
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return (unit * (10.0 ** (BLOBS - 2))[:, None] if lengths else unit).astype(np.float32)


def write(writer: Writer, vectors: np.ndarray, *, step: int = 0) -> Snapshot:
    snapshot = Snapshot("word", step, writer.rows, vectors)
    writer.store.write_snapshot(snapshot)
    return snapshot


def test_clusters_are_found_at_a_step_without_an_analysis(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs")
    vectors = blobs()
    vectors[7], vectors[20, 3] = np.nan, np.inf
    snapshot = write(writer, vectors, step=30)
    found = ask(client_of(tmp_path / "runs"), "clusters", **TABLE, step=30)
    assert (found["step"], found["n_clusters"]) == (30, 3)
    labels = np.array(found["clusters"])
    assert labels[[7, 20]].tolist() == [-1, -1]
    assert adjusted_rand_score(BLOBS[snapshot.valid], labels[snapshot.valid]) == 1.0


def test_clusters_are_those_of_the_library(client: FlaskClient, two_runs: Path) -> None:
    for step in STEPS:
        expected = clusters(open_run(two_runs / "runs" / "a").snapshot("word", step).vectors)
        found = ask(client, "clusters", run="a", table="word", step=step)
        assert found["clusters"] == expected.tolist()
        assert found["n_clusters"] == expected.max() + 1


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_clusters_go_by_the_distance_of_the_table(tmp_path: Path, distance: Any) -> None:
    config: Config = replace(CONFIG, distance=distance)
    vectors = blobs(lengths=True)
    write(begin(tmp_path / "runs", config=config), vectors)
    found = ask(client_of(tmp_path / "runs"), "clusters", **TABLE, step=0)["clusters"]
    assert found == clusters(vectors, distance=distance).tolist()
    assert found != clusters(vectors, distance="euclidean" if distance == "cosine" else "cosine").tolist()


def test_clusters_of_a_step_with_other_rows_stand_at_the_newest_rows(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs")
    write(writer, blobs())
    then = ask(client_of(tmp_path / "runs"), "clusters", **TABLE, step=0)
    writer.rows = make_rows(60, first=20)
    writer.store.add_rows(writer.rows)
    write(writer, blobs(), step=50)
    now = ask(client_of(tmp_path / "runs"), "clusters", **TABLE, step=0)
    assert now["clusters"] == then["clusters"][20:] + [-1] * 20
    assert now["n_clusters"] == then["n_clusters"] == 3


@pytest.mark.parametrize("n_valid", [0, 1, 4])
def test_few_rows_form_no_cluster(tmp_path: Path, n_valid: int) -> None:
    vectors = blobs()
    vectors[n_valid:] = np.nan
    write(begin(tmp_path / "runs"), vectors)
    found = ask(client_of(tmp_path / "runs"), "clusters", **TABLE, step=0)
    assert found == {"step": 0, "clusters": [-1] * 60, "n_clusters": 0}


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_vectors_at_the_end_of_float32_give_no_other_number(tmp_path: Path, distance: Any) -> None:
    vectors = np.full((60, 8), 3.2e38, dtype=np.float32)
    vectors[:20] *= -1
    write(begin(tmp_path / "runs", config=replace(CONFIG, distance=distance)), vectors)
    found = ask(client_of(tmp_path / "runs"), "clusters", **TABLE, step=0)
    assert min(found["clusters"]) >= -1


def test_clusters_are_sent_once_whether_a_step_is_analyzed_or_not(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs")
    snapshot = write(writer, blobs())
    address = PREFIX + "clusters?run=.&table=word&step=0"
    tag = client_of(tmp_path / "runs").get(address).headers["ETag"]
    writer.analyze(snapshot)
    later = client_of(tmp_path / "runs")
    assert later.get(address, headers={"If-None-Match": tag}).status_code == 304
    writer.store.path("snapshot", 0).unlink()
    write(writer, blobs()[::-1].copy())
    other = client_of(tmp_path / "runs").get(address, headers={"If-None-Match": tag})
    assert other.status_code == 200


def test_findings_and_clusters_are_made_one_at_a_time(two_runs: Path) -> None:
    client = make_server(RunSource(two_runs / "runs"), visualdl=False).test_client()
    done: list[str] = []

    def study(endpoint: str) -> None:
        ask(client.application.test_client(), endpoint, run="a", table="word", step=100)
        done.append(endpoint)

    threads = [threading.Thread(target=study, args=(name,)) for name in ("findings", "clusters")]
    with _runs._studying:
        for thread in threads:
            thread.start()
        # What is no study is answered meanwhile.
        ask(client, "rows", run="a", table="word")
        for thread in threads:
            thread.join(0.5)
        assert done == []
    for thread in threads:
        thread.join(60)
    assert set(done) == {"findings", "clusters"}


def test_a_row_has_all_numbers_of_the_analysis(client: FlaskClient, two_runs: Path) -> None:
    for step in STEPS:
        analysis = open_run(two_runs / "runs" / "a").analysis("word", step)
        for row in (0, 13, 59):
            found = ask(client, "row", run="a", table="word", step=step, row=row)
            assert (found["row"], found["label"]) == (row, f"词{row}")
            assert list(found["metrics"]) == list(analysis.row_metrics)
            for name, values in analysis.row_metrics.items():
                known = float(values[row]) if np.isfinite(values[row]) else None
                assert found["metrics"][name] == known, name


@settings(max_examples=30, deadline=None)
@given(row=st.integers(0, 59), step=st.sampled_from(STEPS))
def test_a_row_says_what_the_whole_arrays_say(client: FlaskClient, row: int, step: int) -> None:
    table = {"run": "a", "table": "word", "step": step}
    for name, value in ask(client, "row", **table, row=row)["metrics"].items():
        whole = np.frombuffer(client.get(PREFIX + "row-metric", query_string={**table, "name": name}).data, "<f4")
        np.testing.assert_equal(whole[row], np.float32(np.nan if value is None else value))


def test_a_row_that_is_not_finite_has_null(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs")
    vectors = blobs()
    vectors[7] = np.nan
    writer.analyze(write(writer, vectors))
    client = client_of(tmp_path / "runs")
    broken = ask(client, "row", **TABLE, step=0, row=7)["metrics"]
    assert broken["norm"] is None
    assert set(broken.values()) == {None}
    assert ask(client, "row", **TABLE, step=0, row=8)["metrics"]["norm"] == pytest.approx(1.0)


def test_rows_without_neighbors_have_a_sentence_and_no_numbers(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs")
    vectors = blobs()
    vectors[7, 0] = np.nan
    vectors[8] = 0
    writer.analyze(write(writer, vectors))
    client = client_of(tmp_path / "runs")
    assert ask(client, "neighbors", **TABLE, step=0, row=9)["why"] is None
    for row, reason, why in (
        (7, "nonfinite", "contains NaN or inf, so it has no neighbors"),
        (8, "zero", "is zero, so it has no direction"),
    ):
        found = ask(client, "neighbors", **TABLE, step=0, row=row)
        assert (found["neighbors"], found["why"]) == ([], reason)
        assert why in found["missing"][0]
        changed = ask(client, "neighbor-changes", **TABLE, step=0, row=row, other_step=0)
        assert changed["kept"] == changed["gained"] == changed["lost"] == []
        assert why in changed["missing"][0]
        (pair,) = ask(client, "similarities", **TABLE, rows=f"{row},9")["pairs"]
        assert pair["cosines"] == [None]


def test_a_row_is_followed_by_label_and_null_where_it_had_no_place(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs")
    writer.write(0)
    writer.rows = make_rows(60, first=20)
    writer.store.add_rows(writer.rows)
    writer.write(50)
    client = client_of(tmp_path / "runs")
    norms = open_run(tmp_path / "runs").analysis("word", 0).row_metrics["norm"]
    found = ask(client, "row", **TABLE, step=0, row=3)
    assert found["label"] == "词23"
    assert found["metrics"]["norm"] == norms[23]
    assert "missing" not in found
    new = ask(client, "row", **TABLE, step=0, row=59)
    assert set(new["metrics"]) == set(found["metrics"])
    assert set(new["metrics"].values()) == {None}
    assert "'词79' was not watched at step 0." in new["missing"]


def test_a_row_is_read_without_the_rest_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from visualdl_embedding.store import TensorFile

    writer = begin(tmp_path / "runs")
    writer.write(0)
    client = client_of(tmp_path / "runs")
    monkeypatch.setattr(TensorFile, "read", lambda self, name: pytest.fail(f"{name} was read whole"))
    assert ask(client, "row", **TABLE, step=0, row=3)["metrics"]["norm"] > 0


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("clusters?run=a&table=word&step=7", 404, "nearest stored"),
        ("clusters?run=a&table=word", 400, "'step' is missing"),
        ("row?run=a&table=word&step=50&row=60", 404, "the rows 0 to 59"),
        ("row?run=a&table=word&step=50&row=-1", 400, "whole number from 0"),
        ("row?run=a&table=word&step=7&row=1", 404, "nearest stored"),
    ],
)
def test_bad_parameters_give_a_sentence(client: FlaskClient, address: str, status: int, said: str) -> None:
    answer = client.get(PREFIX + address)
    assert answer.status_code == status
    assert said in answer.json["error"]


def test_a_row_of_a_step_without_an_analysis_says_so(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs")
    writer.write(0)
    writer.write(50, analyzed=False)
    answer = client_of(tmp_path / "runs").get(PREFIX + "row?run=.&table=word&step=50&row=0")
    assert answer.status_code == 404
    assert "not analyzed yet" in answer.json["error"]
