"""The examples of reports, run as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_script(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "report_lac.py"), str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "500 of 20,941 rows" in done.stdout
    assert (tmp_path / "out" / "tsne.png").is_file()


@pytest.mark.slow
def test_the_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "examples" / "report.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "Notebooks are committed without outputs."
    nbclient.NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert "text/html" in code[3].outputs[-1].data
    assert "application/vnd.plotly.v1+json" in code[4].outputs[-1].data
    assert "report.html" in code[-1].outputs[-1].data["text/plain"]
    assert (tmp_path / "vis_results" / "report.html").is_file()
