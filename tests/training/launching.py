"""Start of a script in several processes, as ``python -m paddle.distributed.launch`` does on one machine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent


def launch(script: Path, *arguments: object, ranks: int = 2, folder: Path, seconds: float = 300) -> float:
    """Run a script on `ranks` ranks, which must all end well; return the seconds that it took."""
    logs = folder / "launch"
    command = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", str(ranks), "--log_dir", logs]
    begin = time.monotonic()
    with subprocess.Popen(
        [*map(str, command), str(script), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as launcher:
        started = psutil.Process(launcher.pid)
        try:
            output = launcher.communicate(timeout=seconds)[0].decode()
        except subprocess.TimeoutExpired:
            for process in [*started.children(recursive=True), started]:
                process.kill()
            raise
    shown = "\n".join([output, *(log.read_text()[-3000:] for log in sorted(logs.glob("workerlog.*")))])
    assert launcher.returncode == 0, shown
    return time.monotonic() - begin


def results(folder: Path, *, ranks: int = 2) -> list[dict[str, Any]]:
    """Read what the ranks of a launched script wrote with `write_result`."""
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(ranks)]


def write_result(folder: Path, rank: int, result: dict[str, Any]) -> None:
    (folder / f"rank-{rank}.json").write_text(json.dumps(result))
