"""The API over runs that really were analyzed, through the application itself."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from served_runs import PREFIX, STEPS, ask, begin, make_rows, make_run, within
from werkzeug.test import TestResponse

from visualdl_embedding import open_run
from visualdl_embedding.analysis import Config, plan_projections
from visualdl_embedding.core.neighbors import nearest_neighbors
from visualdl_embedding.metrics import METRICS
from visualdl_embedding.runs import align_maps
from visualdl_embedding.server import RunSource, make_server

A: dict[str, Any] = {"run": "a", "table": "word"}


def floats(answer: TestResponse) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/octet-stream"
    shape = int(answer.headers["X-Rows"]), int(answer.headers["X-Components"])
    return np.frombuffer(answer.data, "<f4").reshape(shape)


def test_runs_are_named_by_their_place_below_the_log_directory(client: FlaskClient) -> None:
    a, b = ask(client, "runs")["runs"]
    assert (a["name"], b["name"]) == ("a", "nested/b")
    assert a["curves"] == ["train/loss"]
    assert b["curves"] == []
    (table,) = a["tables"]
    assert (table["name"], table["dim"], table["num_rows"], table["n"]) == ("word", 8, 1000, 60)
    assert table["steps"] == table["analyzed"] == list(STEPS)
    assert set(table["projections"]) == {"pca", "tsne", "pca_3d", "tsne_3d"}
    assert table["columns"] == ["group", "frequency"]
    assert (table["distance"], table["n_neighbors"], table["watch"]) == ("cosine", 5, ["词0", "词1"])
    assert ask(client, "status")["runs"] == 2


def test_rows_are_those_of_the_store(client: FlaskClient, two_runs: Path) -> None:
    stored = open_run(two_runs / "runs" / "a").rows("word")
    found = ask(client, "rows", **A)
    assert found["ids"] == stored.ids.tolist()
    assert found["labels"] == list(stored.labels)
    assert found["columns"]["group"] == list(stored.columns["group"])
    assert found["version"] == stored.version == ask(client, "runs")["runs"][0]["tables"][0]["rows_version"]


@pytest.mark.parametrize("projection", ["pca", "tsne", "pca_3d", "tsne_3d"])
@pytest.mark.parametrize("step", STEPS)
def test_a_frame_is_what_open_run_reads(client: FlaskClient, two_runs: Path, step: int, projection: str) -> None:
    stored = open_run(two_runs / "runs" / "a").projection(
        "word", step, projection.removesuffix("_3d"), n_components=3 if projection.endswith("_3d") else 2
    )
    query = {**A, "step": step, "projection": projection}
    np.testing.assert_array_equal(floats(client.get(PREFIX + "frame", query_string=query)), stored.coordinates)
    about = ask(client, "frame-info", **query)
    assert about["axes"] == stored.axes.tolist()
    assert about["axes_version"] == stored.axes_version
    assert about["method"] == stored.method
    scalars = open_run(two_runs / "runs" / "a").scalars("word")
    assert about["trustworthiness"] == scalars[f"{projection}/trustworthiness"][step]
    assert about["analyzed_against"] == {0: None, 50: 0, 100: 50}[step]
    assert about["basis_version"] == stored.parameters.get("basis_version")


def test_row_metrics_and_scalars_are_those_of_the_analysis(client: FlaskClient, two_runs: Path) -> None:
    run = open_run(two_runs / "runs" / "a")
    analysis = run.analysis("word", 50)
    assert ask(client, "row-metrics", **A, step=50)["names"] == list(analysis.row_metrics)
    for name, values in analysis.row_metrics.items():
        found = floats(client.get(PREFIX + "row-metric", query_string={**A, "step": 50, "name": name}))
        np.testing.assert_array_equal(found[:, 0], values)
    scalars = ask(client, "scalars", **A)["scalars"]
    for key, series in run.scalars("word").items():
        assert scalars[key]["steps"] == list(series)
        assert [np.nan if v is None else v for v in scalars[key]["values"]] == pytest.approx(
            list(series.values()), nan_ok=True
        )


def test_metrics_are_the_registry(client: FlaskClient) -> None:
    found = ask(client, "metrics")["metrics"]
    assert set(found) == set(METRICS)
    assert found["trustworthiness"]["high"] == 1.0
    assert found["trustworthiness"]["description_zh"].startswith("可信度")


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_neighbors_are_exact(client: FlaskClient, two_runs: Path, distance: Any) -> None:
    snapshot = open_run(two_runs / "runs" / "a").snapshot("word", 100)
    graph = nearest_neighbors(snapshot.vectors, 7, distance=distance)
    for row in (0, 13, 59):
        found = ask(client, "neighbors", **A, step=100, row=row, k=7, distance=distance)
        assert found["label"] == snapshot.labels[row]
        assert [n["row"] for n in found["neighbors"]] == graph.indices[row].tolist()
        assert [n["distance"] for n in found["neighbors"]] == pytest.approx(graph.distances[row], abs=1e-5)
        one, other = (snapshot.vectors[i].astype(float) for i in (row, found["neighbors"][0]["row"]))
        cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
        assert found["neighbors"][0]["cosine"] == pytest.approx(cosine)
        assert found["neighbors"][0]["id"] == snapshot.ids[found["neighbors"][0]["row"]]


def test_changes_between_runs_pair_by_label(client: FlaskClient) -> None:
    # Row 13 of a is 词13, which is row 3 of b.
    here = [n["label"] for n in ask(client, "neighbors", **A, step=100, row=13, k=10)["neighbors"]]
    b = {"run": "nested/b", "table": "word"}
    there = [n["label"] for n in ask(client, "neighbors", **b, step=50, row=3, k=10)["neighbors"]]
    found = ask(client, "neighbor-changes", **A, step=100, row=13, other_run="nested/b", other_step=50, k=10)
    assert [n["label"] for n in found["kept"]] == [label for label in here if label in there]
    assert [n["label"] for n in found["gained"]] == [label for label in here if label not in there]
    assert [n["label"] for n in found["lost"]] == [label for label in there if label not in here]
    for entry in found["kept"] + found["gained"]:
        assert entry["rank"] == here.index(entry["label"]) + 1
        assert entry["row"] == int(entry["label"].removeprefix("词"))
    for entry in found["lost"]:
        assert entry["rank"] is None
        assert entry["other_row"] == entry["row"] - 10


def test_a_word_that_the_other_run_has_not_is_all_gained(client: FlaskClient) -> None:
    found = ask(client, "neighbor-changes", **A, step=100, row=0, other_run="nested/b", k=5)
    assert len(found["gained"]) == 5
    assert found["kept"] == found["lost"] == []
    assert "词0" in found["missing"][0]


def test_the_timeline_holds_every_neighbor_of_every_step(client: FlaskClient) -> None:
    found = ask(client, "neighbor-timeline", **A, row=3, k=5)
    assert found["steps"] == list(STEPS)
    persistent = [sum(rank is not None for rank in entry["ranks"]) for entry in found["neighbors"]]
    assert persistent == sorted(persistent, reverse=True)
    for i, step in enumerate(STEPS):
        expected = [n["label"] for n in ask(client, "neighbors", **A, step=step, row=3, k=5)["neighbors"]]
        ranked = {entry["ranks"][i]: entry["label"] for entry in found["neighbors"] if entry["ranks"][i]}
        assert [ranked[rank] for rank in range(1, 6)] == expected
    assert all(None not in entry["cosines"] for entry in found["neighbors"])


def test_similarities_follow_all_pairs(client: FlaskClient, two_runs: Path) -> None:
    found = ask(client, "similarities", **A, rows="1,5,9")
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [(1, 5), (1, 9), (5, 9)]
    vectors = open_run(two_runs / "runs" / "a").snapshot("word", 50).vectors.astype(float)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert found["pairs"][2]["cosines"][1] == pytest.approx(unit[5] @ unit[9])


def test_findings_come_in_both_languages(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs")
    snapshot = writer.write(0, analyzed=False)
    snapshot.vectors[7] = np.nan
    writer.store.path("snapshot", 0).unlink()
    writer.store.write_snapshot(snapshot)
    writer.analyze(snapshot)
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    found = ask(client, "findings", run=".", table="word", step=0)["findings"]
    broken = next(finding for finding in found if finding["row_indices"] == [7])
    assert broken["severity"] == "critical"
    assert broken["title_zh"] != broken["title"]
    assert np.isnan(floats(client.get(PREFIX + "frame?run=.&table=word&step=0&projection=pca"))[7]).all()
    found = ask(client, "neighbors", run=".", table="word", step=0, row=7)
    assert (found["neighbors"], found["why"]) == ([], "nonfinite")


def test_a_comparison_is_procrustes_until_it_is_joint(client: FlaskClient, two_runs: Path) -> None:
    query = {"run_a": "a", "table_a": "word", "step_a": 100, "run_b": "nested/b", "table_b": "word", "step_b": 100}
    query["projection"] = "pca"
    runs = [open_run(two_runs / "runs" / name) for name in ("a", "nested/b")]
    maps = [run.projection("word", 100, "pca").coordinates for run in runs]
    rows = [run.rows("word").labels for run in runs]
    laid = floats(client.get(PREFIX + "compare-frame", query_string={**query, "side": "b", "how": "procrustes"}))
    np.testing.assert_allclose(laid, align_maps(rows[0], maps[0], rows[1], map_b=maps[1])[0])

    early = client.get(PREFIX + "compare-frame", query_string={**query, "side": "b"})
    assert early.status_code == 409
    assert "compare" in early.json["error"]

    answer = client.get(PREFIX + "compare", query_string=query)
    assert answer.status_code == 202
    assert answer.json["state"] == "working"
    within(120, lambda: client.get(PREFIX + "compare", query_string=query).status_code == 200)
    ready = ask(client, "compare", **query)
    assert (ready["state"], ready["n_shared"], ready["how"]) == ("ready", 50, "joint")
    sides = {
        side: floats(client.get(PREFIX + "compare-frame", query_string={**query, "side": side})) for side in ("a", "b")
    }
    assert sides["a"].shape == (60, 2)
    assert sides["b"].shape == (50, 2)
    assert all(np.isfinite(side).all() for side in sides.values())
    assert (two_runs / "runs" / ".visualdl-embedding-cache").is_dir()


@pytest.mark.parametrize(
    ("projection", "program", "said"),
    [
        (
            "tsne",
            "import os; os.kill(os.getpid(), 9)",
            "ended by signal 9 (SIGKILL), without a message. Check the log of",
        ),
        ("pca", "raise SystemExit(3)", "ended by exit status 3, without a message."),
    ],
)
def test_the_end_of_a_comparison_is_told_as_it_was(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, projection: str, program: str, said: str
) -> None:
    def start(*_: object, **__: object) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        return subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe)

    monkeypatch.setattr("visualdl_embedding.server._joint.start_child", start)
    query = {"run_a": "a", "table_a": "word", "step_a": 50, "run_b": "a", "table_b": "word", "step_b": 0}
    query["projection"] = projection
    within(30, lambda: client.get(PREFIX + "compare", query_string=query).status_code == 404)
    assert said in client.get(PREFIX + "compare", query_string=query).json["error"]


def test_an_answer_is_sent_once_and_packed(client: FlaskClient) -> None:
    address = PREFIX + "frame?run=a&table=word&step=100&projection=tsne_3d"
    first = client.get(address)
    assert client.get(address, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    other = client.get(PREFIX + "frame?run=a&table=word&step=50&projection=tsne_3d")
    assert other.headers["ETag"] != first.headers["ETag"]
    plain = client.get(PREFIX + "scalars?run=a&table=word")
    packed = client.get(PREFIX + "scalars?run=a&table=word", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    for query in ("frame?run=a&table=word&step=0&projection=tsne_3d", "row-metric?run=a&table=word&step=0&name=norm"):
        plain = client.get(PREFIX + query)
        packed = client.get(PREFIX + query, headers={"Accept-Encoding": "gzip"})
        assert gzip.decompress(packed.data) == plain.data
        assert packed.headers["X-Rows"] == plain.headers["X-Rows"] == "60"


BAD = {
    "": 404,
    "nothing": 404,
    "frame": 400,
    "frame?run=a&table=word&step=50": 400,
    "frame?run=a&table=word&step=fifty&projection=pca": 400,
    "frame?run=a&table=word&step=-1&projection=pca": 400,
    "frame?run=a&table=word&step=1e3&projection=pca": 400,
    "frame?run=a&table=word&step=99999999999999999999&projection=pca": 400,
    "frame?run=a&table=word&step=51&projection=pca": 404,
    "frame?run=a&table=word&step=50&projection=umap": 404,
    "frame?run=a&table=word&step=50&projection=../pca": 404,
    "frame?run=c&table=word&step=50&projection=pca": 404,
    "frame?run=a&table=words&step=50&projection=pca": 404,
    "frame?run=../runs/a&table=word&step=50&projection=pca": 404,
    "rows?run=a/../a&table=word": 404,
    "rows?run=a&table=../word": 404,
    "rows?run=%00&table=word": 404,
    "row-metric?run=a&table=word&step=50&name=nothing": 404,
    "neighbors?run=a&table=word&step=50&row=60": 404,
    "neighbors?run=a&table=word&step=50&row=1&k=0": 400,
    "neighbors?run=a&table=word&step=50&row=1&k=100000": 400,
    "neighbors?run=a&table=word&step=50&row=1&distance=manhattan": 400,
    "neighbor-changes?run=a&table=word&step=50&row=1&other_run=c": 404,
    "neighbor-changes?run=a&table=word&step=50&row=1&other_step=7": 404,
    "similarities?run=a&table=word&rows=1": 400,
    "similarities?run=a&table=word&rows=1,x": 400,
    "similarities?run=a&table=word&rows=1,1": 400,
    "similarities?run=a&table=word&rows=1,5,1": 400,
    f"similarities?run=a&table=word&rows={','.join(map(str, range(21)))}": 400,
    "similarities?run=a&table=word&rows=1,99": 404,
    "findings?run=a&table=word&step=7": 404,
    "compare?run_a=a&table_a=word&step_a=50&run_b=a&table_b=word&step_b=50&projection=pca": 400,
    "compare-frame?run_a=a&table_a=word&step_a=50&run_b=a&table_b=word&step_b=0&projection=pca&side=c": 400,
    "compare-frame?how=procrustes&run_a=a&table_a=word&step_a=50&run_b=a&table_b=word&step_b=0&projection=&side=a": 404,
}


@pytest.mark.parametrize("address", BAD)
def test_bad_parameters_give_a_sentence(client: FlaskClient, two_runs: Path, address: str) -> None:
    answer = client.get(PREFIX + address)
    assert answer.status_code == BAD[address]
    if address:
        sentence = answer.json["error"]
        assert sentence.endswith(".")
        assert str(two_runs) not in sentence
        assert "Traceback" not in sentence


def test_an_unknown_step_names_the_nearest(client: FlaskClient) -> None:
    answer = client.get(PREFIX + "frame?run=a&table=word&step=60&projection=pca")
    assert "50 and 100" in answer.json["error"]


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_the_api_is_read_only(client: FlaskClient, method: str) -> None:
    answer = getattr(client, method)(PREFIX + "runs")
    assert answer.status_code == 405
    assert "error" in answer.json


def test_rows_that_changed_during_the_run_are_followed_by_label(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs", table="emb/词")
    writer.write(0)
    older = writer.rows
    writer.rows = make_rows(60, first=20)
    writer.store.add_rows(writer.rows)
    writer.write(50)
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    table = {"run": ".", "table": "emb/词"}
    run = open_run(tmp_path / "runs")
    assert ask(client, "rows", **table)["labels"] == list(writer.rows.labels)
    then = floats(client.get(PREFIX + "frame", query_string={**table, "step": 0, "projection": "tsne"}))
    stored = run.projection("emb/词", 0, "tsne").coordinates
    np.testing.assert_array_equal(then[:40], stored[20:])
    assert np.isnan(then[40:]).all()
    # Row 0 is 词20 now, which stood at 20.
    found = ask(client, "neighbors", **table, step=0, row=0, k=4)
    graph = nearest_neighbors(run.snapshot("emb/词", 0).vectors, 4)
    assert [n["label"] for n in found["neighbors"]] == [older.labels[i] for i in graph.indices[20]]
    assert [n["row"] for n in found["neighbors"]] == [i - 20 if i >= 20 else None for i in graph.indices[20]]
    assert ask(client, "neighbors", **table, step=0, row=59)["missing"]


def test_projections_of_several_parameters_and_seeds_are_served_by_key(tmp_path: Path) -> None:
    specs = plan_projections(("pca", "tsne"), n_components=(2, 3), perplexity=(4, 8), repeats=2)
    config = Config(projections=specs, n_neighbors=5, noise_floor_every=0)
    make_run(tmp_path / "runs", steps=(0, 50), config=config, loss=False)
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    run = open_run(tmp_path / "runs")
    assert run.table("word").config == config
    (table,) = ask(client, "runs")["runs"][0]["tables"]
    assert table["projections"] == [spec.key for spec in specs]
    for spec in specs:
        query = {"run": ".", "table": "word", "step": 50, "projection": spec.key}
        places = floats(client.get(PREFIX + "frame", query_string=query))
        assert places.shape == (60, spec.n_components)
        stored = run.projection("word", 50, spec.key)
        np.testing.assert_array_equal(places, stored.coordinates)
        assert (stored.method, stored.n_components) == (spec.method, spec.n_components)
        if spec.method == "tsne":
            assert ask(client, "frame-info", **query)["random_state"] == spec.random_state
            assert stored.parameters["perplexity"] == spec.parameters["perplexity"]


def test_labels_may_be_anything(tmp_path: Path) -> None:
    strange = ("<script>alert(1)</script>", "\ud800", "a\tb\nc", '"}', "=1+1", "😀", "%2e%2e/", "词")
    rows = make_rows(60)
    rows = type(rows)(rows.ids, (*strange, *rows.labels[8:]), watch=())
    make_run(tmp_path / "runs", steps=[0], rows=rows, loss=False)
    client = make_server(RunSource(tmp_path / "runs"), visualdl=False).test_client()
    assert tuple(ask(client, "rows", run=".", table="word")["labels"][:8]) == strange
    assert ask(client, "neighbors", run=".", table="word", step=0, row=1)["label"] == "\ud800"
    assert client.get(PREFIX + "rows?run=.&table=word").headers["X-Content-Type-Options"] == "nosniff"
