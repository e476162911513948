"""Runs as they are found: several log directories, links, half a store, one that grows."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from served_runs import CONFIG, begin, make_run, within

from visualdl_embedding import open_run
from visualdl_embedding.analysis import analyze
from visualdl_embedding.core.table import Table
from visualdl_embedding.server import RunSource, make_server
from visualdl_embedding.server._http import Cache
from visualdl_embedding.store import TableStore

PREFIX = "/app/embeddings/api/v1/"


def client_of(*log_dirs: Path) -> FlaskClient:
    return make_server(RunSource(log_dirs), visualdl=False).test_client()


def ask(client: FlaskClient, endpoint: str, /, **query: Any) -> Any:
    answer = client.get(PREFIX + endpoint, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def names(client: FlaskClient) -> list[str]:
    return [run["name"] for run in ask(client, "runs")["runs"]]


@pytest.fixture
def copied(two_runs: Path, tmp_path: Path) -> Path:
    shutil.copytree(two_runs / "runs", tmp_path / "runs")
    return tmp_path / "runs"


def test_a_log_directory_may_be_the_run_itself(two_runs: Path) -> None:
    assert names(client_of(two_runs / "runs" / "a")) == ["."]


def test_several_log_directories_are_told_apart(two_runs: Path, tmp_path: Path) -> None:
    shutil.copytree(two_runs / "runs", tmp_path / "runs")
    assert names(client_of(two_runs / "runs", tmp_path / "runs")) == [
        "runs-2/a",
        "runs-2/nested/b",
        "runs/a",
        "runs/nested/b",
    ]


def test_a_run_below_two_of_them_has_one_name(two_runs: Path) -> None:
    assert names(client_of(two_runs / "runs", two_runs / "runs" / "nested")) == ["runs/a", "runs/nested/b"]


def test_a_directory_that_is_not_there_yet_may_come(tmp_path: Path) -> None:
    client = client_of(tmp_path / "runs")
    assert "There is no directory runs yet" in ask(client, "runs")["missing"][0]
    before = ask(client, "status")["revision"]
    make_run(tmp_path / "runs" / "a", steps=[0])
    within(10, lambda: names(client) == ["a"])
    assert ask(client, "status")["revision"] != before


def test_a_file_is_no_log_directory(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("x")
    with pytest.raises(NotADirectoryError, match="is a file"):
        RunSource(tmp_path / "runs")
    with pytest.raises(ValueError, match="No log directory"):
        RunSource([])


def test_nothing_outside_of_the_log_directories_is_read(two_runs: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "out").symlink_to(two_runs / "runs" / "a")
    make_run(runs / "a", steps=[0])
    (runs / "again").symlink_to(runs / "a")
    (runs / "loop").symlink_to(runs)
    (runs / "table").mkdir()
    (runs / "table" / "embeddings").symlink_to(two_runs / "runs" / "a" / "embeddings")
    secret = tmp_path / "secret"
    secret.write_text("label\tid\nroot\t0\n")
    make_run(runs / "linked", steps=[0], loss=False)
    metadata = runs / "linked" / "embeddings" / "word" / "metadata.tsv"
    metadata.unlink()
    metadata.symlink_to(secret)
    client = client_of(runs)
    listed = ask(client, "runs")
    assert len([name for name in names(client) if name not in ("linked",)]) == 1, "a is one run by whatever name"
    assert [run["tables"] for run in listed["runs"] if run["name"] == "linked"] == [[]]
    said = " ".join(listed["missing"])
    assert "leads out of the log directories" in said
    assert "link out of the log directories" in said
    assert str(tmp_path) not in said
    assert client.get(PREFIX + "rows?run=linked&table=word").status_code == 404
    assert client.get(PREFIX + "rows?run=out&table=word").status_code == 404


@pytest.mark.parametrize("content", [b"", b"{", b'{"format_version": 99}', b"[]", b"\xff\xfe"])
def test_a_damaged_description_hides_its_table_only(copied: Path, content: bytes) -> None:
    (copied / "a" / "embeddings" / "word" / "table.json").write_bytes(content)
    client = client_of(copied)
    listed = ask(client, "runs")
    assert [(run["name"], len(run["tables"])) for run in listed["runs"]] == [("a", 0), ("nested/b", 1)]
    assert "table.json" in listed["missing"][0]
    assert str(copied) not in listed["missing"][0]


def test_a_store_without_its_description_is_named(copied: Path) -> None:
    (copied / "a" / "embeddings" / "word" / "table.json").unlink()
    assert "table.json is missing" in ask(client_of(copied), "runs")["missing"][0]


def test_a_damaged_step_hides_itself_only(copied: Path) -> None:
    folder = copied / "a" / "embeddings" / "word"
    for name in ("analysis-000000050", "snapshot-000000100"):
        path = folder / f"{name}.safetensors"
        path.write_bytes(path.read_bytes()[:100])
    client = client_of(copied)
    table = {"run": "a", "table": "word"}
    scalars = ask(client, "scalars", **table)
    assert scalars["scalars"]["norm_mean"]["steps"] == [0, 100]
    assert "analysis-000000050" in scalars["missing"][0]
    answer = client.get(PREFIX + "frame?run=a&table=word&step=50&projection=tsne")
    assert answer.status_code == 404
    assert "damaged" in answer.json["error"]
    assert str(copied) not in answer.json["error"]
    timeline = ask(client, "neighbor-timeline", **table, row=1, k=3)
    assert timeline["neighbors"][0]["ranks"][2] is None
    assert timeline["neighbors"][0]["ranks"][0] is not None
    assert "snapshot-000000100" in timeline["missing"][0]
    assert client.get(PREFIX + "frame?run=a&table=word&step=0&projection=tsne").status_code == 200


def test_damaged_rows_leave_the_rest(copied: Path) -> None:
    path = copied / "a" / "embeddings" / "word" / "metadata.tsv"
    path.write_bytes(path.read_bytes().replace("词5".encode(), "别的".encode(), 1))
    client = client_of(copied)
    assert ask(client, "runs")["runs"][0]["tables"][0]["steps"] == [0, 50, 100]
    answer = client.get(PREFIX + "rows?run=a&table=word")
    assert answer.status_code == 404
    assert "metadata.tsv is damaged" in answer.json["error"]
    assert client.get(PREFIX + "frame?run=a&table=word&step=50&projection=tsne").status_code == 200
    path.write_bytes(b"\xff\xfe")
    client = client_of(copied)
    listed = ask(client, "runs")
    assert (listed["runs"][0]["tables"][0]["n"], len(listed["runs"])) == (0, 2)
    assert "metadata.tsv" in listed["missing"][0]


def test_a_step_without_an_analysis_has_neighbors_and_no_frame(copied: Path) -> None:
    (copied / "a" / "embeddings" / "word" / "analysis-000000050.safetensors").unlink()
    client = client_of(copied)
    table = ask(client, "runs")["runs"][0]["tables"][0]
    assert (table["steps"], table["analyzed"]) == ([0, 50, 100], [0, 100])
    assert len(ask(client, "neighbors", run="a", table="word", step=50, row=1)["neighbors"]) == 15
    answer = client.get(PREFIX + "frame?run=a&table=word&step=50&projection=tsne")
    assert answer.status_code == 404
    assert "not analyzed yet" in answer.json["error"]


def test_every_change_changes_the_revision(tmp_path: Path) -> None:
    client = client_of(tmp_path / "runs")
    seen = {ask(client, "status")["revision"]}

    def changed() -> bool:
        return ask(client, "status")["revision"] not in seen

    writer = begin(tmp_path / "runs" / "a")
    for change in (
        lambda: writer.write(0),
        lambda: writer.write(50, analyzed=False),
        lambda: writer.analyze(writer.store.read_snapshot(50)),
        lambda: writer.store.append_alert({"step": 50, "rule": "drift"}),
        lambda: writer.store.write_analysis(writer.store.read_analysis(50)),
        lambda: shutil.rmtree(tmp_path / "runs" / "a"),
    ):
        change()
        within(10, changed)
        within(2, lambda: not changed() or seen.add(ask(client, "status")["revision"]))
        seen.add(ask(client, "status")["revision"])


def test_alerts_are_followed(copied: Path) -> None:
    client = client_of(copied)
    assert ask(client, "alerts", run="a", table="word") == {"alerts": []}
    path = copied / "a" / "embeddings" / "word" / "alerts.jsonl"
    path.write_text(json.dumps({"step": 50, "value": 0.5}) + '\n{"step": 100, "val')
    within(5, lambda: ask(client, "alerts", run="a", table="word") == {"alerts": [{"step": 50, "value": 0.5}]})


def test_a_frame_that_is_analyzed_anew_is_sent_anew(copied: Path) -> None:
    client = client_of(copied)
    address = PREFIX + "frame?run=a&table=word&step=50&projection=tsne"
    tag = client.get(address).headers["ETag"]
    path = copied / "a" / "embeddings" / "word" / "analysis-000000050.safetensors"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    within(5, lambda: client.get(address, headers={"If-None-Match": tag}).status_code == 200)


def test_older_frames_of_pca_are_seen_through_the_newest_basis(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs")
    writer.write(0)
    client = client_of(tmp_path / "runs")
    query = {"run": ".", "table": "word", "step": 0, "projection": "pca"}
    assert ask(client, "frame-info", **query)["basis_version"] == 1
    first = client.get(PREFIX + "frame", query_string=query).data
    writer.write(50)
    within(5, lambda: ask(client, "frame-info", **query)["basis_version"] == 2)
    again = client.get(PREFIX + "frame", query_string=query).data
    assert again == open_run(tmp_path / "runs").projection("word", 0, "pca").coordinates.tobytes()
    assert again != first


def test_the_cache_keeps_within_its_bound_and_makes_each_value_once() -> None:
    cache = Cache(100)
    made = []

    def make(name: str, size: int) -> bytes:
        return cache.get(name, lambda: made.append(name) or b"x" * size)

    for name in ("a", "b", "a", "c", "a"):
        make(name, 40)
    assert made == ["a", "b", "c"]
    make("b", 40)
    assert made == ["a", "b", "c", "b"]
    assert len(make("huge", 1000)) == 1000
    assert cache.values.currsize <= 100
    with pytest.raises(KeyError):
        cache.get("broken", lambda: {}["x"], size=lambda _: 0)
    assert make("broken", 10) == b"x" * 10


def test_answers_of_another_version_are_not_kept(two_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = "frame?run=a&table=word&step=50&projection=tsne"
    addresses = [PREFIX + name for name in ("metrics", frame, "findings?run=a&table=word&step=50")]
    client = client_of(two_runs / "runs")
    tags = {address: client.get(address).headers["ETag"] for address in addresses}
    revision = ask(client, "status")["revision"]
    again = client_of(two_runs / "runs")
    assert ask(again, "status")["revision"] == revision
    assert all(again.get(address, headers={"If-None-Match": tags[address]}).status_code == 304 for address in addresses)
    monkeypatch.setattr("visualdl_embedding.core.stamps.library_version", lambda: "99.0")
    newer = client_of(two_runs / "runs")
    assert ask(newer, "status")["revision"] != revision
    assert all(newer.get(address, headers={"If-None-Match": tags[address]}).status_code == 200 for address in addresses)


def test_a_file_that_is_overwritten_in_place_is_read_again(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied / "a" / "embeddings" / "word"
    path = folder / "analysis-000000050.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:100])
    os.utime(folder, ns=(1, 1))
    client = client_of(copied)
    address = PREFIX + "frame?run=a&table=word&step=50&projection=tsne"
    assert client.get(address).status_code == 404
    path.write_bytes(content)
    assert folder.stat().st_mtime_ns == 1
    monkeypatch.setattr("visualdl_embedding.server._files._LISTED_NS", 0)
    within(5, lambda: client.get(address).status_code == 200)


def test_other_watched_words_are_sent(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs")
    writer.write(0)
    client = client_of(tmp_path / "runs")
    assert ask(client, "rows", run=".", table="word")["watch"] == ["词0", "词1"]
    rows = replace(writer.rows, watch=("词7",))
    TableStore.open_for_writing(tmp_path / "runs", Table("word", 1000, 8), rows, config=CONFIG, resume=True)
    within(5, lambda: ask(client, "rows", run=".", table="word")["watch"] == ["词7"])


def test_a_damaged_newest_basis_leaves_the_one_before(copied: Path) -> None:
    folder = copied / "a" / "embeddings" / "word"
    path = folder / "analysis-000000100.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    client = client_of(copied)
    address = PREFIX + "frame?run=a&table=word&step=0&projection=pca"
    before = client.get(address)
    other = open_run(copied / "a").reader("word").read_analysis(50)
    basis = replace(other.basis, components=other.basis.components[::-1].copy(), version=9)
    TableStore.open(copied / "a", "word").write_analysis(replace(other, basis=basis))
    within(5, lambda: client.get(address).data != before.data)


def test_a_newest_frame_without_maps_hides_itself_only(copied: Path) -> None:
    before = ask(client_of(copied), "runs")["runs"][0]["tables"][0]
    store = TableStore.open(copied / "a", "word")
    newest = store.read_snapshot(100)
    vectors = newest.vectors.copy()
    vectors[3:] = np.nan
    snapshot = replace(newest, step=150, vectors=vectors)
    store.write_snapshot(snapshot)
    store.write_analysis(analyze(snapshot, store.load_state(), CONFIG)[0])
    client = client_of(copied)
    table = ask(client, "runs")["runs"][0]["tables"][0]
    assert table["analyzed"] == [0, 50, 100, 150]
    assert table["projections"] == before["projections"] != []
    answer = client.get(PREFIX + "frame?run=a&table=word&step=150&projection=tsne")
    assert (answer.status_code, "no projection 'tsne'" in answer.json["error"]) == (404, True)
    kinds = {finding["kind"] for finding in ask(client, "findings", run="a", table="word", step=150)["findings"]}
    assert kinds == {"nonfinite_rows"}
