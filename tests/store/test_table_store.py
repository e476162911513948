"""What is written to a table's folder comes back as it was, and what is damaged is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, safe_open
from store_examples import (
    CONFIG,
    ROWS,
    TABLE,
    assert_same_analysis,
    fill,
    listing,
    make_analysis,
    make_rows,
    make_snapshot,
    new_store,
    reopened,
)

from visualdl_embedding.analysis import Config, State, analyze
from visualdl_embedding.core.rows import COMPOSED, Rows
from visualdl_embedding.core.safetensors_format import pack
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.drift import Direction
from visualdl_embedding.errors import DamagedFileError, NewerFormatError
from visualdl_embedding.store import TableStore


def test_a_snapshot_round_trips(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    snapshot = make_snapshot(100)
    snapshot.vectors[2, 1] = np.nan
    snapshot.vectors[3, 0] = -np.inf
    store.write_snapshot(snapshot)
    found = reopened(store).read_snapshot(100)
    assert found.vectors.tobytes() == snapshot.vectors.tobytes()
    assert found.vectors.dtype == np.float32
    assert (found.table, found.step, found.labels) == (snapshot.table, 100, snapshot.labels)
    assert dict(found.counters) == dict(snapshot.counters)
    np.testing.assert_array_equal(found.ids, snapshot.ids)


def test_other_programs_read_a_snapshot(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    snapshot = make_snapshot(7)
    store.write_snapshot(snapshot)
    path = tmp_path / "embeddings" / TABLE.name / "snapshot-000000007.safetensors"
    found = load_file(path)
    np.testing.assert_array_equal(found["vectors"], snapshot.vectors)
    np.testing.assert_array_equal(found["ids"], ROWS.ids)
    with safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()["visualdl_embedding"])
    assert header["rows_version"] == ROWS.version
    assert (header["format_version"], header["step"], header["table"]) == (1, 7, TABLE.name)


def test_an_analysis_round_trips(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    snapshot = make_snapshot(100)
    snapshot.vectors[2] = np.nan
    analysis = make_analysis(snapshot, previous=0)
    store.write_analysis(analysis)
    assert_same_analysis(reopened(store).read_analysis(100), analysis)
    assert load_file(store.path("analysis", 100))["basis/components"].shape == (4, 4)


def test_a_real_analysis_and_its_state_round_trip(tmp_path: Path) -> None:
    rows = make_rows(30)
    store = new_store(tmp_path, rows=rows)
    state = State()
    for step in (0, 100, 200):
        snapshot = make_snapshot(step, rows=rows)
        analysis, state = analyze(snapshot, state, Config(methods=("pca",), n_neighbors=5))
        store.write_snapshot(snapshot)
        store.write_analysis(analysis)
        assert_same_analysis(reopened(store).read_analysis(step), analysis)
    loaded = reopened(store).load_state()
    assert loaded.first is not None
    assert loaded.previous is not None
    assert state.first is not None
    assert_same_analysis(loaded.previous.analysis, analysis)
    assert_same_analysis(loaded.first.analysis, state.first.analysis)
    following = make_snapshot(300, rows=rows)
    config = Config(methods=("pca",), n_neighbors=5)
    live, replayed = analyze(following, state, config)[0], analyze(following, loaded, config)[0]
    assert_same_analysis(replace(replayed, seconds={}), replace(live, seconds={}))


def test_an_analysis_of_no_valid_row_is_stored(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    snapshot = make_snapshot(0)
    snapshot.vectors[:] = np.nan
    analysis = analyze(snapshot, None, CONFIG)[0]
    store.write_analysis(analysis)
    assert_same_analysis(reopened(store).read_analysis(0), analysis)


@pytest.mark.parametrize("name", ["a/b", "情感 😀", "../../etc", "CON", "x" * 300, "", ".hidden", "a\tb\n", "\ud800"])
def test_any_table_name_can_be_stored(tmp_path: Path, name: str) -> None:
    store = new_store(tmp_path / "run", table=Table(name, 10, 4))
    store.write_snapshot(make_snapshot(0, table=name))
    assert store.folder.parent == tmp_path / "run" / "embeddings"
    found = reopened(store)
    assert found.description.table.name == name
    assert found.read_snapshot(0).table == name


def test_unusual_labels_and_composed_rows_round_trip(tmp_path: Path) -> None:
    labels = ("a\tb", "c\nd\r", "50%", "<script>", "😀", "\\n", "\ud83d", "讽刺")
    ids = np.array([5, 4, 3, 2, 1, 0, 9, COMPOSED])
    rows = Rows(ids, labels, {"pieces": ("",) * 7 + ("讽 刺",)}, {7: (8, 6)}, watch=("讽刺", "a\tb"))
    store = new_store(tmp_path, rows=rows)
    found = reopened(store).read_rows()
    assert found.version == rows.version
    assert (found.labels, found.watch, dict(found.pieces)) == (labels, rows.watch, {7: (8, 6)})


def test_the_description_records_settings_and_versions(tmp_path: Path) -> None:
    found = reopened(new_store(tmp_path)).description
    assert (found.table, found.config) == (TABLE, CONFIG)
    assert (found.how, dict(found.left_out), found.watch) == (ROWS.how, {"special token": 3}, ("词1",))
    assert found.versions["numpy"] == np.__version__
    assert found.extra == {"every_n_steps": 100}
    assert found.created.endswith("+00:00")


def test_a_newer_library_may_add_fields_but_not_a_format(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    path = store.folder / "table.json"
    content = json.loads(path.read_text("utf-8"))
    content["table"]["sparse"] = True
    content["config"]["new"] = 1
    path.write_text(json.dumps(content), encoding="utf-8")
    assert reopened(store).description.config == CONFIG
    content["format_version"] = 2
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(NewerFormatError, match=r"table.json has format 2.*pip install --upgrade"):
        reopened(store)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"format_version": "x"}', '{"format_version": 1}'])
def test_a_damaged_description_is_named(tmp_path: Path, content: str) -> None:
    store = new_store(tmp_path)
    (store.folder / "table.json").write_text(content)
    with pytest.raises(DamagedFileError, match=r"table\.json is damaged"):
        reopened(store)


def test_changed_metadata_are_named(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    path = store.folder / "metadata.tsv"
    path.write_text(path.read_text("utf-8").replace("词3", "词9"), encoding="utf-8")
    with pytest.raises(DamagedFileError, match=r"metadata\.tsv is damaged: its rows were changed"):
        reopened(store).read_rows()
    path.write_text("", encoding="utf-8")
    with pytest.raises(DamagedFileError, match="header must begin"):
        reopened(store).read_rows()


def test_a_stored_snapshot_is_never_overwritten(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    snapshot = make_snapshot(100)
    snapshot.vectors[0, 0] = np.nan
    store.write_snapshot(snapshot)
    before = listing(tmp_path)
    store.write_snapshot(snapshot)
    assert listing(tmp_path) == before
    with pytest.raises(FileExistsError, match="a different snapshot of step 100"):
        store.write_snapshot(replace(snapshot, vectors=snapshot.vectors + 1))
    assert listing(tmp_path) == before
    store.path("snapshot", 100).write_bytes(b"damaged")
    store.write_snapshot(snapshot)
    assert store.read_snapshot(100).vectors.tobytes() == snapshot.vectors.tobytes()


def test_a_snapshot_of_another_table_is_refused(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    with pytest.raises(ValueError, match="'other' does not belong to"):
        store.write_snapshot(make_snapshot(0, table="other"))
    with pytest.raises(ValueError, match="call add_rows with them first"):
        store.write_snapshot(make_snapshot(0, rows=make_rows(3)))
    assert store.steps() == []


def test_rows_may_change_and_older_snapshots_keep_theirs(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    reader = reopened(store)
    fill(store, [0])
    newer = make_rows(3, how="the 3 most frequent", watch=())
    store.add_rows(newer)
    store.add_rows(newer)
    store.write_snapshot(make_snapshot(100, rows=newer))
    for found in (reader, reopened(store)):
        assert found.read_snapshot(0).rows.version == ROWS.version
        assert found.read_snapshot(0).rows.watch == ROWS.watch
        assert found.read_snapshot(100).labels == newer.labels
    assert reopened(store).description.how == "the 3 most frequent"
    assert (store.folder / f"metadata-{ROWS.version}.tsv").exists()
    with pytest.raises(ValueError, match="no rows of version 'abc'"):
        store.read_rows("abc")


def test_nothing_is_lost_when_add_rows_is_interrupted(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    description = (store.folder / "table.json").read_bytes()
    store.add_rows(make_rows(3))
    (store.folder / "table.json").write_bytes(description)
    assert reopened(store).read_rows().version == ROWS.version


def test_state_is_that_of_the_newest_or_an_earlier_analysis(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    assert store.load_state() == State()
    fill(store, [0, 100, 200])
    fill(store, [300], analyzed=False)

    def steps(state: State) -> tuple[int, int]:
        assert state.first is not None
        assert state.previous is not None
        assert state.previous.snapshot.step == state.previous.analysis.step
        return state.first.analysis.step, state.previous.analysis.step

    assert steps(store.load_state()) == (0, 200)
    assert steps(store.load_state(250)) == (0, 200)
    assert steps(store.load_state(100)) == (0, 100)
    assert steps(store.load_state(0)) == (0, 0)
    store.path("analysis", 200).write_bytes(b"half")
    assert steps(store.load_state()) == (0, 100)
    store.path("snapshot", 0).write_bytes(b"half")
    assert steps(store.load_state()) == (100, 100)
    store.path("snapshot", 100).unlink()
    assert store.load_state() == State()


def test_alerts_after_an_incomplete_line_are_read(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    assert store.alerts() == []
    store.append_alert({"step": 100, "label": "加息\u2028\n", "value": float("nan")})
    with open(store.folder / "alerts.jsonl", "ab") as file:
        file.write(b'{"step": 2')
    store.append_alert({"step": 300})
    first, second = reopened(store).alerts()
    assert (first["step"], first["label"], second) == (100, "加息\u2028\n", {"step": 300})
    assert np.isnan(first["value"])


def test_thinning_keeps_what_is_needed(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    fill(store, range(0, 2000, 100))
    fill(store, [2000], analyzed=False)
    store.append_alert({"step": 1100})
    size = store.path("snapshot", 0).stat().st_size + store.path("analysis", 0).stat().st_size
    assert store.thin(21 * size) == []
    dropped = store.thin(9 * size, protected={1300})
    kept = store.steps()
    assert dropped == sorted(set(range(0, 2100, 100)) - set(kept))
    assert {0, 100, 1100, 1300, 1900, 2000} <= set(kept)
    assert len(kept) in (9, 10)
    assert store.steps(analyzed=True) == kept[:-1]
    assert store.thin(0) == [step for step in kept if step not in {0, 1100, 1900, 2000}]
    assert store.load_state().previous is not None


def test_a_log_directory_that_cannot_be_written_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="Choose another log directory"):
        new_store(tmp_path / "file")


def test_a_missing_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no table 'x'"):
        TableStore.open(tmp_path, "x")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    fill(store, [0])
    content = store.path("snapshot", 0).read_bytes()
    store.path("snapshot", 0).rename(store.path("analysis", 0))
    with pytest.raises(DamagedFileError, match="'snapshot', but 'analysis' was expected"):
        store.read_analysis(0)
    store.path("snapshot", 0).write_bytes(content.replace(ROWS.version.encode(), b"0" * 12))
    with pytest.raises(DamagedFileError, match="no rows of version '000000000000'"):
        store.read_snapshot(0)


def test_empty_rows_are_stored(tmp_path: Path) -> None:
    rows = Rows(np.zeros(0, np.int64), ())
    store = new_store(tmp_path, rows=rows)
    store.write_snapshot(Snapshot(TABLE.name, 0, rows, np.zeros((0, 4), np.float32)))
    assert reopened(store).read_snapshot(0).vectors.shape == (0, 4)


def rewrite_header(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write a file again with another header, and with a tensor that this version does not know."""
    with safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()["visualdl_embedding"])
    change(header)
    tensors = load_file(path) | {"future/codes": np.arange(3)}
    path.write_bytes(b"".join(map(bytes, pack(tensors, {"visualdl_embedding": json.dumps(header)}))))


def test_fields_of_a_newer_version_are_ignored(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    snapshot = make_snapshot(0)
    direction = Direction("词1", "positive", 0.1, 0.6, -0.1, 0.2, 0.001, 0.002, True)
    analysis = replace(make_analysis(snapshot), directions=(direction,))
    store.write_snapshot(snapshot)
    store.write_analysis(analysis)
    store.append_alert({"rule": "r", "future": 1})

    def extend(header: dict[str, Any]) -> None:
        parts = [header, header.get("neighbors", {}), header.get("basis", {}), *header.get("directions", ())]
        for part in (*parts, *header.get("projections", {}).values()):
            part["future"] = {"a": [1]}

    for kind in ("snapshot", "analysis"):
        rewrite_header(store.path(kind, 0), extend)
    path = store.folder / "table.json"
    described = json.loads(path.read_text("utf-8"))
    for part in (described, described["table"], described["config"], *described["selections"].values()):
        part["future"] = {"a": [1]}
    path.write_text(json.dumps(described), "utf-8")
    found = reopened(store)
    assert found.description == store.description
    np.testing.assert_array_equal(found.read_snapshot(0).vectors, snapshot.vectors)
    assert_same_analysis(found.read_analysis(0), analysis)
    assert found.read_numbers(0)[1] == (direction,)


def test_places_of_rows_that_are_away_survive_a_restart(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(6, TABLE.dim)).astype(np.float32)
    frames = [Snapshot(TABLE.name, step, ROWS, vectors.copy()) for step in (0, 1, 2, 3)]
    frames[1].vectors[4] = np.nan
    frames[2].vectors[1:] = np.nan  # too few rows: no previous frame
    store, state = new_store(tmp_path), State()
    for snapshot in frames[:3]:
        analysis, state = analyze(snapshot, state, CONFIG)
        store.write_snapshot(snapshot)
        store.write_analysis(analysis)
    found = reopened(store).load_state()
    assert found.previous.analysis.step == 1
    places = found.previous.analysis.projections["tsne"].places
    np.testing.assert_array_equal(places[4], found.first.analysis.projections["tsne"].coordinates[4])
    here, there = (analyze(frames[3], begin, CONFIG)[0].projections["tsne"] for begin in (state, found))
    np.testing.assert_array_equal(here.coordinates, there.coordinates)
