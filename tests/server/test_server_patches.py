"""VisualDL's faults: each is shown on the stock program and gone under ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served_runs import ROOT, Client, make_run, program, within, write_embeddings, write_scalars

from visualdl_embedding.runs import relog_run

pytestmark = pytest.mark.timeout(300)

# The faults of the stock program change only with its version.
BOTH = pytest.mark.parametrize("kind", [pytest.param("stock", marks=pytest.mark.slow), "ours"])
MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3)
LATER = MATRIX + 100


def names(client: Client) -> set[str]:
    return {item["name"] for item in client.stock("embedding/list")}


def wait_for(client: Client, holds: Any, *, seconds: float) -> bool:
    try:
        within(seconds, holds)
    except AssertionError:
        return False
    return True


@BOTH
def test_embeddings_that_appear_while_the_server_runs_are_listed(kind: str, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    path = write_embeddings(run, "first", MATRIX)
    with program(kind, tmp_path, "runs", language="en") as client:
        assert names(client) == {"runs/a/first"}
        write_embeddings(run, "second", LATER, file_name=path.name)
        write_embeddings(tmp_path / "runs" / "b", "third", LATER)
        expected = {"runs/a/first", "runs/a/second", "runs/b/third"}
        found = wait_for(client, lambda: names(client) == expected, seconds=4)
        assert found == (kind == "ours")
        if kind == "ours":
            tensor = client.raw("/app/api/embedding/tensor", name="runs/b/third")[1]
            assert tensor == LATER.tobytes()


@BOTH
def test_scalars_that_appear_while_the_server_runs_are_listed(kind: str, tmp_path: Path) -> None:
    path = write_scalars(tmp_path / "runs" / "a", {"train/loss": [(0, 1.0)]})
    with program(kind, tmp_path, "runs", language="en") as client:
        assert client.tags("scalar") == {"runs/a": {"train/loss"}}
        write_scalars(path.parent, {"train/acc": [(0, 0.5)]}, file_name=path.name)
        write_scalars(tmp_path / "runs" / "b", {"train/acc": [(0, 0.5)]})
        expected = {"runs/a": {"train/loss", "train/acc"}, "runs/b": {"train/acc"}}
        found = wait_for(client, lambda: client.tags("scalar") == expected, seconds=4)
        assert found == (kind == "ours")


@BOTH
def test_an_absolute_log_directory_gives_labels_as_labels(kind: str, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    write_embeddings(run, "words", MATRIX)
    with program(kind, tmp_path, str(tmp_path / "runs"), language="en", cache_timeout=20.0) as client:
        (item,) = client.stock("embedding/list")
        tensor = client.raw("/app/api/embedding/tensor", name=item["name"])[1]
        labels = client.raw("/app/api/embedding/metadata", name=item["name"])[1]
        assert tensor == MATRIX.tobytes()
        assert (labels.decode(errors="replace").splitlines()[:2] == ["label\tkind", "label0\tx"]) == (kind == "ours")
        assert (labels == tensor) == (kind == "stock")


@BOTH
def test_every_record_of_a_tag_can_be_opened_and_the_newest_comes_first(kind: str, tmp_path: Path) -> None:
    path = write_embeddings(tmp_path / "runs" / "a", "words", MATRIX)
    write_embeddings(path.parent, "words", LATER, file_name=path.name)
    with program(kind, tmp_path, "runs", language="en") as client:
        served = {name: client.raw("/app/api/embedding/tensor", name=name)[1] for name in names(client)}
    if kind == "ours":
        assert served == {"runs/a/words": LATER.tobytes(), "runs/a/words (record 1)": MATRIX.tobytes()}
    else:
        assert served == {"runs/a/words": MATRIX.tobytes()}


def cut(path: Path, *, at: int) -> bytes:
    """Take the end of a file away; gives what was taken."""
    content = path.read_bytes()
    path.write_bytes(content[:at])
    return content[at:]


@BOTH
def test_half_a_record_does_not_stop_the_server(kind: str, tmp_path: Path) -> None:
    path = write_scalars(tmp_path / "runs" / "a", {"train/loss": [(step, float(step)) for step in range(5)]})
    cut(path, at=path.stat().st_size - 7)
    if kind == "stock":
        with program(kind, tmp_path, "runs", language="en", wait=False) as client:
            assert client.process.wait(120) != 0
        return
    with program(kind, tmp_path, "runs", language="en") as client:
        points = client.stock("scalar/list", run="runs/a", tag="train/loss")
        assert [step for _, step, _ in points] == [0, 1, 2, 3]


@BOTH
@pytest.mark.parametrize("missing", [7, 30], ids=["half a record", "half a length"])
def test_a_record_that_comes_in_two_parts_is_read_and_so_are_those_behind_it(
    kind: str, missing: int, tmp_path: Path
) -> None:
    path = write_scalars(tmp_path / "runs" / "a", {"train/loss": [(step, float(step)) for step in range(3)]})
    whole = path.stat().st_size
    write_scalars(path.parent, {"train/loss": [(3, 3.0), (4, 4.0)]}, file_name=path.name)
    rest = cut(path, at=whole)
    # Where the writer opened the file again it wrote a heading first: its length, then itself.
    torn = 3 if missing == 30 else len(rest) - missing
    with program(kind, tmp_path, "runs", language="en") as client:

        def steps() -> list[int]:
            status, body, _ = client.raw("/app/api/scalar/list", run="runs/a", tag="train/loss")
            return [step for _, step, _ in (json.loads(body)["data"] or [])] if status == 200 else []

        assert steps() == [0, 1, 2]
        with path.open("ab") as file:
            file.write(rest[:torn])
        # Whoever looks now sees half a record.
        client.raw("/app/api/component_tabs")
        client.raw("/app/api/scalar/list", run="runs/a", tag="other")
        with path.open("ab") as file:
            file.write(rest[torn:])
        # The stock server stays where it is, however long one waits.
        found = wait_for(client, lambda: steps() == [0, 1, 2, 3, 4], seconds=15 if kind == "ours" else 5)
        assert found == (kind == "ours")


def shown(client: Client) -> dict[str, Any]:
    """All scalars, and the names of all embeddings and images, as VisualDL's own pages get them."""
    scalars = {
        (run, tag): [(step, value) for _, step, value in client.stock("scalar/list", run=run, tag=tag)]
        for run, tags in client.tags("scalar").items()
        for tag in tags
    }
    return {"scalars": scalars, "embeddings": names(client), "images": client.tags("image")}


def shown_by_a_fresh_one(folder: Path) -> dict[str, Any]:
    with program("ours", folder, "runs", language="en") as client:
        return shown(client)


@BOTH
def test_a_log_that_relog_replaces_is_shown_as_a_fresh_server_shows_it(kind: str, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    make_run(run, steps=[0, 50], loss=False)
    # Stands before the loss, and is ours: the new file has other records at the places of the old ones.
    old = {"embedding/word/old": [(step, 1.0) for step in range(200)]}
    first = write_scalars(run, old, file_name="vdlrecords.0000000001.log")
    write_scalars(run, {"train/loss": [(step, 2.0) for step in range(50)]}, file_name=first.name)
    with program(kind, tmp_path, "runs", language="en") as client:
        assert client.tags("scalar") == {"runs/a": {"embedding/word/old", "train/loss"}}
        # A training that was resumed: a server that runs has read both files, a fresh one finds them as one.
        write_scalars(run, {"train/loss": [(60, 1.0)]}, file_name="vdlrecords.0000000002.log")
        client.raw("/app/api/component_tabs")
        relog_run(run)
        expected = shown_by_a_fresh_one(tmp_path)
        assert [step for step, _ in expected["scalars"]["runs/a", "train/loss"]] == [*range(50), 60]
        assert ("runs/a", "embedding/word/old") not in expected["scalars"]
        assert expected["images"]
        if kind == "ours":
            within(5, lambda: client.tags("scalar") == {"runs/a": {tag for _, tag in expected["scalars"]}})
            assert shown(client) == expected
        else:
            assert not wait_for(client, lambda: "embedding/word/old" not in client.tags("scalar")["runs/a"], seconds=4)


@BOTH
def test_a_file_that_takes_the_place_of_another_is_all_that_is_shown(kind: str, tmp_path: Path) -> None:
    before = write_scalars(tmp_path / "runs" / "a", {"train/loss": [(0, 1.0)]}, file_name="vdlrecords.0000000001.log")
    # A run below the run: what is kept of it begins with the same words.
    write_scalars(tmp_path / "runs" / "a" / "b", {"train/loss": [(0, 7.0)]})
    with program(kind, tmp_path, "runs", language="en") as client:
        assert client.tags("scalar") == {"runs/a": {"train/loss"}, "runs/a/b": {"train/loss"}}
        write_scalars(before.parent, {"train/acc": [(5, 0.5)]}, file_name="vdlrecords.0000000002.log")
        before.unlink()
        expected = {"runs/a": {"train/acc"}, "runs/a/b": {"train/loss"}}
        assert wait_for(client, lambda: client.tags("scalar") == expected, seconds=4) == (kind == "ours")
        shutil.rmtree(before.parent / "b")
        expected = {"runs/a": {"train/acc"}}
        assert wait_for(client, lambda: client.tags("scalar") == expected, seconds=4) == (kind == "ours")


@BOTH
def test_several_curves_of_one_tag_are_replaced_together(kind: str, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    path = write_several(run, {"train": 1.0, "test": 2.0})
    with program(kind, tmp_path, "runs", language="en") as client:
        assert client.tags("scalar") == {"runs/a/loss_train": {"loss"}, "runs/a/loss_test": {"loss"}}
        # The same number for the file, as a system gives it out again: only its content tells.
        path.write_bytes(write_several(tmp_path / "other", {"train": 3.0, "mean": 4.0, "least": 5.0}).read_bytes())
        expected = {f"runs/a/loss_{name}": {"loss"} for name in ("train", "mean", "least")}
        assert wait_for(client, lambda: client.tags("scalar") == expected, seconds=4) == (kind == "ours")
        if kind == "ours":
            ((_, _, value),) = client.stock("scalar/list", run="runs/a/loss_train", tag="loss")
            assert value == 3.0


def write_several(folder: Path, values: dict[str, float]) -> Path:
    from visualdl import LogWriter

    with LogWriter(str(folder), file_name="vdlrecords.0000000001.log") as writer:
        writer.add_scalars("loss", values, 0)
    return folder / "vdlrecords.0000000001.log"


@BOTH
@pytest.mark.parametrize("language", [None, "fr"])
def test_a_browser_without_a_known_language_gets_its_page(kind: str, language: str | None, tmp_path: Path) -> None:
    write_scalars(tmp_path / "runs" / "a", {"train/loss": [(0, 1.0)]})
    with program(kind, tmp_path, "runs") as client:
        headers = {"Accept-Language": language or ""}
        status, _, answered = client.raw("/app/scalar", headers=headers)
        assert status == (200 if kind == "ours" else 500)
        assert ("vdl_lng=en" in answered.get("Set-Cookie", "")) == (kind == "ours")
        assert client.raw("/app/scalar", headers={"Accept-Language": "zh-CN"})[2]["Set-Cookie"].startswith("vdl_lng=zh")


def test_a_patch_is_not_applied_where_upstream_has_changed_the_function(tmp_path: Path) -> None:
    code = """
import visualdl.server.lib as lib
from visualdl_embedding.server._visualdl import apply_patches
def get_embeddings_list(log_reader):
    return ["upstream's own"]
lib.get_embeddings_list = get_embeddings_list
labels = lib.get_embedding_labels
done = apply_patches()
assert lib.get_embeddings_list is get_embeddings_list
assert lib.get_embedding_labels is labels, "half a patch is worse than none"
assert set(done) == {"half a record", "absolute log directories", "late tags", "replaced files"}, done
assert apply_patches() == done
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_patches_know_this_visualdl() -> None:
    code = """
from visualdl_embedding.server._visualdl import PATCHES, apply_patches
assert apply_patches() == apply_patches() == tuple(PATCHES)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
