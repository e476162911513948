from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import nbclient
import nbformat
import pytest

from visualdl_embedding.training._client import WorkerClient


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_worker_stands_back_until_training_is_over() -> None:
    worker = WorkerClient(lambda answer: None)
    weight = Path(f"/proc/{worker.process.pid}/autogroup")
    try:
        if not weight.exists():
            pytest.skip("this system does not weigh sessions")
        wait_for(lambda: weight.read_text().split()[-1] == "19")
        worker.send({"kind": "hurry"})
        wait_for(lambda: weight.read_text().split()[-1] == "0")
    finally:
        worker.close(timeout=10)
    assert worker.process.returncode == 0


def test_a_notebook_without_widgets_shows_one_line() -> None:
    if find_spec("ipywidgets") is not None:
        pytest.skip("ipywidgets is installed")
    cell = (
        "import logging, threading\n"
        "from visualdl_embedding.training import _client\n"
        "logging.basicConfig(level='INFO', format='%(message)s')\n"
        "_client.PATIENCE_SECONDS = 0.01\n"
        "_client.wait_for(threading.Event(), lambda: 1, timeout=0.1234567)\n"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    nbclient.NotebookClient(notebook, timeout=100).execute()
    shown, result = notebook.cells[0].outputs
    assert shown["text"] == "Waiting up to 0.123 s for 1 embedding frame; Ctrl-C skips them.\n"
    assert result["data"]["text/plain"] == "False"
