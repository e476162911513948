"""A training that goes on, begins anew, or meets what another one left."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from store_examples import (
    CONFIG,
    ROWS,
    TABLE,
    fill,
    listing,
    make_analysis,
    make_rows,
    make_snapshot,
    new_store,
    reopened,
)

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.store import TableStore


def test_a_second_training_is_refused_with_a_suggested_directory(tmp_path: Path) -> None:
    fill(new_store(tmp_path / "a"), [0])
    before = listing(tmp_path)
    with pytest.raises(FileExistsError, match=r"resume=True.*a-2"):
        TableStore.open_for_writing(tmp_path / "a", TABLE, ROWS, config=CONFIG)
    assert listing(tmp_path) == before


def test_a_training_that_stopped_before_its_first_snapshot_can_be_replaced(tmp_path: Path) -> None:
    new_store(tmp_path)
    store = TableStore.open_for_writing(tmp_path, TABLE, make_rows(3), config=CONFIG)
    assert len(reopened(store).read_rows()) == 3


@pytest.mark.parametrize("resume", [False, True])
def test_a_late_analysis_of_a_superseded_step_is_ignored(tmp_path: Path, resume: bool) -> None:
    store = new_store(tmp_path)
    fill(store, [0] if resume else [])
    store.write_analysis(make_analysis(make_snapshot(100)))
    store = TableStore.open_for_writing(tmp_path, TABLE, ROWS, config=CONFIG, resume=resume)
    fill(store, [100], analyzed=False)
    assert store.steps()[-1] == 100
    assert 100 not in store.steps(analyzed=True)


def test_resume_continues(tmp_path: Path) -> None:
    fill(new_store(tmp_path), [0, 100])
    config = replace(CONFIG, n_jobs=2)
    store = TableStore.open_for_writing(tmp_path, TABLE, ROWS, config=config, resume=True, extra={"resumed": True})
    assert not (store.folder / "superseded-1").exists()
    fill(store, [200])
    found = reopened(store)
    assert found.steps() == [0, 100, 200]
    assert found.description.resumed_after == (100,)
    assert found.description.config == config
    assert found.description.extra == {"every_n_steps": 100, "resumed": True}


def test_resume_where_nothing_is_stored_begins(tmp_path: Path) -> None:
    store = TableStore.open_for_writing(tmp_path, TABLE, ROWS, config=CONFIG, resume=True)
    assert store.steps() == []


def test_resume_from_an_earlier_checkpoint_moves_what_came_after_aside(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    fill(store, [0, 100, 200])
    fill(store, [300], analyzed=False)
    for step in (100, 300):
        store.append_alert({"step": step, "rule": "drift"})
    lost = store.path("snapshot", 300).read_bytes()
    store = TableStore.open_for_writing(tmp_path, TABLE, ROWS, config=CONFIG, resume=True, initial_step=100)
    found = reopened(store)
    assert found.steps() == found.steps(analyzed=True) == [0, 100]
    assert [alert["step"] for alert in found.alerts()] == [100]
    assert found.description.resumed_after == (100,)
    aside = store.folder / "superseded-1"
    assert (aside / "snapshot-000000300.safetensors").read_bytes() == lost
    assert sorted(os.listdir(aside)) == [
        "alerts.jsonl",
        "analysis-000000200.safetensors",
        "snapshot-000000200.safetensors",
        "snapshot-000000300.safetensors",
    ]
    fill(store, [150])
    store = TableStore.open_for_writing(tmp_path, TABLE, ROWS, config=CONFIG, resume=True, initial_step=0)
    aside = store.folder / "superseded-2"
    assert sorted(path.stem for path in aside.glob("snapshot-*")) == ["snapshot-000000100", "snapshot-000000150"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"table": replace(TABLE, num_rows=101)}, "the table was 100×4 and is now 101×4"),
        ({"rows": make_rows(7)}, r"1 label is new \('词6'\)"),
        ({"rows": make_rows(2, watch=())}, r"4 labels are gone \('词2', '词3', '词4', …\)"),
        ({"rows": make_rows(ids=np.array([1, 2, 3, 4, 5, 9]))}, r"1 label is at another id \('词5'\)"),
        ({"rows": make_rows(columns={"group": ("",) * 6})}, "'group' of the metadata changed"),
        ({"rows": make_rows(columns={})}, "'group' of the metadata changed"),
        ({"config": replace(CONFIG, distance="euclidean")}, "distance was 'cosine' and is now 'euclidean'"),
    ],
)
def test_resume_with_different_arguments_reports_the_difference(tmp_path: Path, changes: dict, message: str) -> None:
    fill(new_store(tmp_path / "a"), [0, 100])
    before = listing(tmp_path)
    arguments = {"table": TABLE, "rows": ROWS, "config": CONFIG, **changes}
    with pytest.raises(ValueError, match=message + r".*a-2"):
        TableStore.open_for_writing(tmp_path / "a", **arguments, resume=True, initial_step=0)
    assert listing(tmp_path) == before


def test_resume_with_reordered_rows_reports_it(tmp_path: Path) -> None:
    rows = make_rows(columns={})
    fill_store = new_store(tmp_path, rows=rows)
    fill_store.write_snapshot(make_snapshot(0, rows=rows))
    turned = Rows(rows.ids[::-1], rows.labels[::-1])
    with pytest.raises(ValueError, match="order of the labels changed"):
        TableStore.open_for_writing(tmp_path, TABLE, turned, config=CONFIG, resume=True)


def test_temporary_files_of_a_crashed_writer_are_removed(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    fill(store, [0])
    stale = store.folder / "snapshot-000000100.safetensors.elsewhere-1-0.tmp"
    stale.touch()
    os.utime(stale, (time.time() - 1e5,) * 2)
    assert reopened(store).steps() == [0]
    assert stale.exists()
    TableStore.open_for_writing(tmp_path, TABLE, ROWS, config=CONFIG, resume=True)
    assert not stale.exists()
