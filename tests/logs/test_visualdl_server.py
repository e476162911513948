"""The stock server, over HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from log_examples import PNG, make_frame, new_writer

from visualdl_embedding.logs import LogFile, log_files, rewrite, snapshot_records, text_record


class Server:
    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/app/api/"
        # A relative directory, as users give it: an absolute one breaks the High Dimensional page.
        command = ["--logdir", "runs", "--host", "127.0.0.1", "--port", str(port), "--language", "en"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "visualdl.server.app", *command, "--disable-telemetry"],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def wait(self) -> None:
        for _ in range(300):
            assert self.process.poll() is None, self.process.stderr.read().decode()  # type: ignore[union-attr]
            try:
                self.get("runs")
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("VisualDL did not start within 30 s.")

    def raw(self, path: str, **query: object) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(query)}", timeout=20) as answer:
            return answer.read()

    def get(self, path: str, **query: object) -> Any:
        answer = json.loads(self.raw(path, **query))
        assert answer["status"] == 0, answer
        return answer["data"]

    def tags(self, kind: str) -> dict[str, set[str]]:
        found = self.get(f"{kind}/tags")
        return {run: set(tags) for run, tags in zip(found["runs"], found["tags"], strict=True)}


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Any]:
    servers = []

    def start() -> Server:
        servers.append(Server(tmp_path))
        servers[-1].wait()
        return servers[-1]

    yield start
    for server in servers:
        server.process.kill()
        server.process.communicate()


def test_our_tags_and_train_loss_are_in_one_run(tmp_path: Path, serve: Any) -> None:
    folder = tmp_path / "runs" / "a"
    writer = new_writer(folder)
    snapshot, analysis = make_frame(30, 8, step=100)
    with LogFile.open(writer=writer) as log:
        writer.add_scalar("train/loss", 0.5, 100)
        for record in snapshot_records(snapshot, analysis, images={"tsne": PNG}, walltime=1_700_000_000_000):
            log.append(record)
        log.append(text_record("word", "alerts", "加息 drifts", step=100))
    writer.close()

    server = serve()
    assert server.get("runs") == ["runs/a"]
    scalars = server.tags("scalar")["runs/a"]
    assert {"train/loss", "embedding/word/norm_mean", "watch 词1/word/norm"} <= scalars
    assert server.tags("image") == {"runs/a": {"embedding/word/tsne/map"}}
    assert server.tags("histogram") == {"runs/a": {"embedding/word/norms"}}
    assert server.tags("text") == {"runs/a": {"embedding/word/alerts"}}

    loss = server.get("scalar/list", run="runs/a", tag="train/loss")
    ours = server.get("scalar/list", run="runs/a", tag="embedding/word/norm_mean")
    assert [row[1] for row in loss] == [row[1] for row in ours] == [100]
    assert ours[0] == [1_700_000_000_000, 100, 2.5]
    assert server.raw("image/image", run="runs/a", tag="embedding/word/tsne/map", index=0) == PNG
    (histogram,) = server.get("histogram/list", run="runs/a", tag="embedding/word/norms")
    assert sum(bucket[2] for bucket in histogram[2]) == 30

    shapes = {item["name"]: item["shape"] for item in server.get("embedding/list")}
    assert shapes == {
        "runs/a/word/vectors/step_000000100": [30, 8],
        "runs/a/word/pca/step_000000100": [30, 2],
        "runs/a/word/tsne/step_000000100": [30, 2],
    }
    metadata = server.raw("embedding/metadata", name="runs/a/word/tsne/step_000000100").decode()
    lines = metadata.splitlines()
    assert lines[0].split("\t")[:3] == ["label", "group", "id"]
    assert lines[2].split("\t")[:3] == ["词1", "b", "1"]
    tensor = server.raw("embedding/tensor", name="runs/a/word/tsne/step_000000100")
    assert tensor == analysis.projections["tsne"].coordinates.tobytes()


def test_merged_files_are_all_shown(tmp_path: Path, serve: Any) -> None:
    folder = tmp_path / "runs" / "a"
    for second, tag in ((1, "train/loss"), (2, "train/acc")):
        writer = new_writer(folder, file_name=f"vdlrecords.000000000{second}.log")
        writer.add_scalar(tag, 0.5, 1)
        writer.close()
    assert serve().tags("scalar")["runs/a"] == {"train/acc"}
    rewrite(log_files(folder), lambda tag: True)
    assert serve().tags("scalar")["runs/a"] == {"train/loss", "train/acc"}
