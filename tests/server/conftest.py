from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from served_runs import make_rows, make_run

from visualdl_embedding.server import RunSource, make_server


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``runs/a`` and ``runs/nested/b``, which share 50 of their labels; nobody writes to it."""
    folder = tmp_path_factory.mktemp("served")
    make_run(folder / "runs" / "a")
    make_run(folder / "runs" / "nested" / "b", seed=1, rows=make_rows(50, first=10), loss=False)
    return folder


@pytest.fixture(scope="module")
def client(two_runs: Path) -> FlaskClient:
    return make_server(RunSource(two_runs / "runs"), visualdl=False).test_client()
