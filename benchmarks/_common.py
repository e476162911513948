"""Shared parts of the benchmarks: options, description of the machine, tables and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("visualdl-embedding", "numpy", "scikit-learn", "openTSNE", "umap-learn", "paddlepaddle", "visualdl")


def parser(description: str) -> argparse.ArgumentParser:
    """Argument parser with the options of every benchmark."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--quick", action="store_true", help="small sizes: only checks that the script runs")
    options.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    return options


def machine() -> dict[str, Any]:
    """Processor, cores, load and versions."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "processor": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.system(),
        **versions,
    }


def report(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    figures: Mapping[str, Any],
    options: argparse.Namespace,
) -> None:
    """Print a table and the machine, and write the figures to the file of ``--json``."""
    from rich.console import Console
    from rich.table import Table

    about = machine()
    table = Table(title=title + (" (quick: no measurement)" if options.quick else ""))
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console = Console(width=max(110, Console().width))
    console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in about.items()), style="dim")
    if options.json:
        command = "python " + " ".join([str(Path(sys.argv[0])), *sys.argv[1:]])
        content = {"title": title, "command": command, "machine": about, "figures": figures}
        options.json.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")
