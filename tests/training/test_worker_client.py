from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

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
