"""The example with a probe, run at small size: sentences separate that no row of the word table stands for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from visualdl_embedding import open_run

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sentence_probe.py"


@pytest.mark.slow
def test_the_probe_tells_reviews_apart_but_not_all_irony(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "--size", "small", "--log-dir", "runs/sentences", "--json", "figures.json"],
        env={**os.environ, "PYTHONPATH": str(EXAMPLE.parents[1]), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    figures = {int(step): shares for step, shares in json.loads((tmp_path / "figures.json").read_text()).items()}
    before, after = figures[min(figures)], figures[max(figures)]
    assert abs(before["positive"] - before["negative"]) < 0.25
    assert after["positive"] < 0.25
    assert after["negative"] > 0.8
    # By their words these negative reviews are positive; the network places most of them right.
    assert 0.5 < after["contrary"] < after["negative"]
    # A network that averages words misses a part of the irony.
    assert after["sincere"] < 0.1
    assert 0.2 < after["ironic"] < after["negative"]
    run = open_run(tmp_path / "runs" / "sentences")
    assert run.tables() == ["embedding", "sentences"]
    rows = run.rows("sentences")
    assert "您服务真好啊，等了一个小时才有人理我" in rows.watch
