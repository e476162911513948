"""Environments for trainers that need other versions of packages than this project.

PaddleNLP and PaddleFormers each get a virtual environment of 2 GB, made in 3 to 4 minutes. The library itself is not
installed there, only what it requires: the checkout is on the path, so that tests see it as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = {
    # What paddlenlp 2.8.1 does not say: later versions took away names that it imports, and its VisualDL callback logs
    # booleans, which protobuf 7 refuses.
    "paddlenlp": [
        *("paddlepaddle==3.3.1", "paddlenlp==2.8.1", "datasets<4", "aistudio-sdk<0.3", "huggingface_hub<0.30"),
        "protobuf<7",
    ],
    "paddleformers": ["paddlepaddle==3.3.1", "paddleformers==1.2.0", "pyarrow<25"],
}


class CommandFailed(Exception):
    """A command in an environment failed; the message has its last lines."""


def run(command: list[Any], *, cwd: Path | None = None, timeout: float | None = None, **variables: str) -> str:
    """Run a command without the environment of this process, with the checkout on the path; return its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    ended = subprocess.run(
        list(map(str, command)),
        env=environment | {"PYTHONPATH": str(ROOT)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        timeout=timeout,
    )
    if ended.returncode:
        tail = "\n".join(ended.stdout.splitlines()[-40:])
        raise CommandFailed(f"{' '.join(map(str, command[:6]))} … ended with status {ended.returncode}:\n{tail}")
    return ended.stdout


def make_environment(framework: str, folder: Path) -> Path:
    """Make the environment of a framework in a folder, unless it is there; return its Python."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    whole = folder / "whole"
    if not whole.exists():
        required = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
        venv.create(folder, with_pip=True, clear=True)
        # The pins of the framework come first; its packages win over newer ones that this project could use.
        run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[framework]])
        run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS[framework], *required])
        whole.touch()
    return python
