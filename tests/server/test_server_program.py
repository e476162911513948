"""The program as it runs: VisualDL whole, a training followed, many clients, a quiet end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from served_runs import ROOT, Client, begin, make_run, program, within, write_embeddings, write_scalars

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose run holds a bit of everything that VisualDL shows."""
    from visualdl import LogWriter

    folder = tmp_path_factory.mktemp("program")
    run = folder / "runs" / "a"
    make_run(run, steps=[0, 50])
    (path,) = run.glob("*vdlrecords*")
    with LogWriter(str(run), file_name=path.name) as writer:
        writer.add_image("picture", np.full((8, 8, 3), 100, dtype=np.uint8), 0)
        writer.add_histogram("values", np.arange(20.0), 0)
        writer.add_text("note", "文本", 0)
    write_embeddings(run, "words", np.eye(4, dtype=np.float32), file_name=path.name)
    return folder


STOCK = (
    ("runs", {}),
    ("component_tabs", {}),
    ("scalar/tags", {}),
    ("image/tags", {}),
    ("histogram/tags", {}),
    ("text/tags", {}),
    ("scalar/list", {"run": "runs/a", "tag": "train/loss"}),
    ("histogram/list", {"run": "runs/a", "tag": "values"}),
    ("image/list", {"run": "runs/a", "tag": "picture"}),
    ("embedding/list", {}),
    ("profiler/runs", {}),
    ("graph_runs", {}),
    ("hparams/list", {}),
    ("nothing", {}),
)
FILES = (
    ("image/image", {"run": "runs/a", "tag": "picture", "index": 0}),
    ("text/text", {"run": "runs/a", "tag": "note", "index": 0}),
    ("embedding/tensor", {"name": "runs/a/words"}),
    ("embedding/metadata", {"name": "runs/a/words"}),
)
PAGES = (
    "/app/scalar",
    "/app/__snowpack__/env.local.js",
    "/app/high-dimensional",
    "/app/_dist_/index.js",
    "/app/imported-styles.css",
    "/alive",
)


def test_visualdl_answers_as_it_did(logs: Path) -> None:
    answers = {}
    for kind in ("stock", "ours"):
        with program(kind, logs, "runs", language="en") as client:
            found: dict[str, Any] = {}
            for path, query in STOCK:
                status, body, headers = client.raw(f"/app/api/{path}", **query)
                answer = json.loads(body)
                if isinstance(answer["data"], list) and all(isinstance(item, str) for item in answer["data"]):
                    answer["data"] = sorted(answer["data"])
                found[path] = (status, answer, headers["Content-Type"])
            for path, query in FILES:
                found[path] = client.raw(f"/app/api/{path}", **query)[:2]
            for path in PAGES:
                status, body, headers = client.raw(path)
                text = body.decode().replace('<script src="/app/embeddings/assets/bar.js"></script>', "")
                found[path] = (status, text, headers.get("Content-Type"), headers.get("Set-Cookie"))
        answers[kind] = found
    for path, answer in answers["stock"].items():
        assert answers["ours"][path] == answer, path


def test_a_training_is_followed_within_two_seconds(tmp_path: Path) -> None:
    writer = begin(tmp_path / "runs" / "a")
    writer.write(0)
    with program("ours", tmp_path, "runs") as client:

        def shown() -> list[int]:
            return client.api("runs")["runs"][0]["tables"][0]["analyzed"]

        assert shown() == [0]
        for step in (50, 100):
            before = client.api("status")["revision"]
            writer.write(step)
            within(2, lambda before=before: client.api("status")["revision"] != before)
            assert within(2, lambda step=step: step in shown()) < 2
            status, body, _ = client.raw(
                "/app/embeddings/api/v1/frame", run="a", table="word", step=step, projection="tsne"
            )
            assert (status, len(body)) == (200, 60 * 2 * 4)
        make_run(tmp_path / "runs" / "b", steps=[0], loss=False)
        within(2, lambda: client.api("status")["runs"] == 2)
        loss = write_scalars(tmp_path / "runs" / "a", {"train/loss": [(0, 1.0)]})
        within(2, lambda: client.api("curves", run="a")["curves"].get("train/loss") == {"steps": [0], "values": [1.0]})
        write_scalars(loss.parent, {"train/loss": [(10, 0.5)]}, file_name=loss.name)
        within(2, lambda: client.api("curves", run="a")["curves"]["train/loss"]["steps"] == [0, 10])


def test_many_clients_get_the_right_answers_while_one_waits(logs: Path) -> None:
    with program("ours", logs, "runs") as client:
        expected = {
            name: client.raw(f"/app/{name}")[1]
            for name in (
                "embeddings/api/v1/frame?run=a&table=word&step=50&projection=tsne",
                "embeddings/api/v1/scalars?run=a&table=word",
                "api/scalar/list?run=runs/a&tag=train/loss",
                "api/scalar/tags",
                "api/embedding/tensor?name=runs/a/words",
            )
        }
        # A client that never ends its request would stop a server with one thread.
        with socket.create_connection(("127.0.0.1", int(client.address.rsplit(":", 1)[1]))) as idle:
            idle.sendall(b"GET /app/api/runs HTTP/1.1\r\n")
            with ThreadPoolExecutor(12) as pool:
                asked = [name for _ in range(12) for name in expected]
                found = list(pool.map(lambda name: client.raw(f"/app/{name}")[1], asked))
        assert all(body == expected[name] for name, body in zip(asked, found, strict=True))


def test_log_directories_may_be_several_absolute_and_relative(logs: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "other" / "c", steps=[0])
    with program("ours", logs, "runs", str(tmp_path / "other")) as client:
        assert [run["name"] for run in client.api("runs")["runs"]] == ["other/c", "runs/a"]
        assert set(client.stock("runs")) == {"runs/a", str(tmp_path / "other" / "c")}


def interrupt(client: Client) -> int:
    children = psutil.Process(client.process.pid).children(recursive=True)
    client.process.send_signal(signal.SIGINT)
    code = client.process.wait(20)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
    return code


def test_ctrl_c_ends_it(logs: Path) -> None:
    with program("ours", logs, "runs") as client:
        client.stock("profiler/runs")
        assert interrupt(client) == 0
    said = max(logs.glob("ours-*.log"), key=os.path.getmtime).read_text()
    assert f"VisualDL with embeddings: {client.address}/app/embeddings/ (Ctrl-C to end)" in said
    assert "Traceback" not in said
    assert "Warning" not in said


def test_ctrl_c_ends_a_comparison_as_well(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", loss=False)
    with program("ours", tmp_path, "runs") as client:
        query = {"run_a": "a", "table_a": "word", "run_b": "a", "table_b": "word", "projection": "tsne"}
        assert client.api("compare", **query, step_a=0, step_b=50)["state"] == "working"
        within(30, lambda: psutil.Process(client.process.pid).children())
        assert interrupt(client) == 0


def test_a_killed_server_leaves_no_comparison_behind(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", loss=False)
    with program("ours", tmp_path, "runs") as client:
        query = {"run_a": "a", "table_a": "word", "run_b": "a", "table_b": "word", "projection": "tsne"}
        client.api("compare", **query, step_a=0, step_b=50)
        within(30, lambda: psutil.Process(client.process.pid).children())
        children = psutil.Process(client.process.pid).children(recursive=True)
        client.process.kill()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive


def run_serve(call: str, folder: Path) -> subprocess.CompletedProcess[str]:
    code = f"from visualdl_embedding.server import serve\nserve({call})"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_serve(f"'runs', port={port}", tmp_path)
    assert f"Port {port} of localhost is taken; choose another with --port" in done.stderr
    assert "is no address of this machine" in run_serve("'runs', host='no.such.host.invalid', port=0", tmp_path).stderr


def test_a_server_for_everybody_warns(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a", steps=[0])
    with program("ours", tmp_path, "runs", host="0.0.0.0") as client:
        within(20, lambda: "Warning" in (next(tmp_path.glob("ours-*.log")).read_text()))
        said = next(tmp_path.glob("ours-*.log")).read_text()
        assert "everyone on the network can read" in said
        assert "--token" in said
        assert client.api("status")["runs"] == 1
    with program("ours", tmp_path, "runs", host="0.0.0.0", token="abc"):
        said = max(tmp_path.glob("ours-*.log"), key=os.path.getmtime).read_text()
        assert "Warning" not in said
        assert "/app/embeddings/?token=abc" in said


@pytest.mark.soak
def test_frames_are_sent_without_waiting_for_receipts(logs: Path) -> None:
    # Headers and body in two packets, with Nagle's algorithm, cost 40 ms each.
    import http.client

    with program("ours", logs, "runs") as client:
        connection = http.client.HTTPConnection(client.address.removeprefix("http://"))
        seconds = []
        for _ in range(20):
            start = time.perf_counter()
            connection.request("GET", "/app/embeddings/api/v1/frame?run=a&table=word&step=50&projection=pca")
            connection.getresponse().read()
            seconds.append(time.perf_counter() - start)
        connection.close()
    assert sorted(seconds)[len(seconds) // 2] < 0.03


def test_it_can_be_made_in_any_thread(logs: Path) -> None:
    from visualdl_embedding.server import RunSource, make_server

    handler = signal.getsignal(signal.SIGINT)
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(make_server(RunSource(logs / "runs"))))
    thread.start()
    thread.join()
    assert made[0].test_client().get("/app/api/runs").json["status"] == 0
    make_server(RunSource(logs / "runs"))
    assert signal.getsignal(signal.SIGINT) is handler
