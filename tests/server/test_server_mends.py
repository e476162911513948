"""VisualDL's faults: each is shown on the stock program and gone under ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served_runs import ROOT, Client, program, within, write_embeddings, write_scalars

pytestmark = pytest.mark.timeout(300)

BOTH = pytest.mark.parametrize("kind", ["stock", "ours"])
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
            return [step for _, step, _ in (__import__("json").loads(body)["data"] or [])] if status == 200 else []

        assert steps() == [0, 1, 2]
        with path.open("ab") as file:
            file.write(rest[:torn])
        # Whoever looks now sees half a record.
        client.raw("/app/api/component_tabs")
        client.raw("/app/api/scalar/list", run="runs/a", tag="other")
        with path.open("ab") as file:
            file.write(rest[torn:])
        found = wait_for(client, lambda: steps() == [0, 1, 2, 3, 4], seconds=15)
        assert found == (kind == "ours")


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


def test_a_mend_steps_aside_where_upstream_has_changed_the_function(tmp_path: Path) -> None:
    code = """
import visualdl.server.lib as lib
from visualdl_embedding.server._mend import apply_mends
def get_embeddings_list(log_reader):
    return ["upstream's own"]
lib.get_embeddings_list = get_embeddings_list
labels = lib.get_embedding_labels
done = apply_mends()
assert lib.get_embeddings_list is get_embeddings_list
assert lib.get_embedding_labels is labels, "half a mend is worse than none"
assert set(done) == {"half a record", "absolute log directories", "late tags"}, done
assert apply_mends() == done
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_mends_know_this_visualdl() -> None:
    code = """
from visualdl_embedding.server._mend import MENDS, apply_mends
assert apply_mends() == apply_mends() == tuple(mend.name for mend in MENDS)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
