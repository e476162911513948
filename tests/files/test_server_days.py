"""The example that records the days of a parameter-server training, run as it is on files of the documented layout."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from saved_models import save_server_table, server_rows, server_settings

from visualdl_embedding import open_run

ROOT = Path(__file__).resolve().parents[2]
DAYS = ("20260105", "20260106", "20260107")


def train(out: Path, *, days: int) -> None:
    """Write the saves of days: passes 6 and 12, then the batch model; each day two rows leave and two arrive."""
    lines = []
    rng = np.random.default_rng(1)
    everything = server_rows(72)
    for day, date in enumerate(DAYS[:days]):
        rows = everything[2 * day : 2 * day + 66]
        for number in (6, 12, -1):
            place = out / date / str(max(number, 0))
            moved = [replace(r, vector=(np.array(r.vector) + rng.normal(0, 0.05, 9)).tolist()) for r in rows]
            save_server_table(place / "000", moved, zipped=number == -1)
            # The path on the cluster is another than the local one.
            lines.append(f"{date}\t1767571200\thdfs://cluster/output_model/{date}/{max(number, 0)}/\t{number}\t0")
    (out / "config_online.yaml").write_text(server_settings())
    (out / "donefile.txt").write_text("\n".join(lines) + "\n")


def record(out: Path, run: Path, names: Path) -> str:
    command = [sys.executable, str(ROOT / "examples" / "paddlerec_days.py"), str(out), "--run", str(run)]
    found = subprocess.run(
        [*command, "--names", str(names), "--watch", "手机"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_the_days_of_a_donefile_become_steps(tmp_path: Path) -> None:
    out, run, names = tmp_path / "output_model", tmp_path / "runs/ps", tmp_path / "names.tsv"
    watched = server_rows(72)[8]
    names.write_text(f"{watched.key}\t手机\n", "utf-8")
    train(out, days=2)
    told = record(out, run, names)
    assert "20260105: 55 rows" in told
    assert "rows of table_000 are not yet admitted" in told
    train(out, days=3)
    told = record(out, run, names)
    assert told.startswith("20260107: 2 rows arrived, 2 left")
    opened = open_run(run)
    assert opened.steps("table_000") == [int(day) for day in DAYS]
    snapshot = opened.snapshot("table_000", 20260107)
    assert "手机" in snapshot.labels
    assert snapshot.rows.columns["group"][snapshot.labels.index("手机")] == f"slot {watched.slot}"
    assert str(server_rows(72)[1].key) not in snapshot.labels
    assert record(out, run, names) == ""
