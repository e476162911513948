"""What the package imports: declared in pyproject.toml, and without a cycle."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info < (3, 11):
    pytest.skip("packages_distributions is incomplete, and tomllib is missing", allow_module_level=True)
import tomllib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = ("paddle", "demo", "notebook")
"""What users may install besides the dependencies; `test` and `dev` are for us."""


def declared(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def imported() -> dict[str, set[str]]:
    """Top-level names that the library imports anywhere, each with the files that do."""
    found: dict[str, set[str]] = {}
    for folder in ("visualdl_embedding", "callbacks"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
                    names = [node.module]
                for name in {name.partition(".")[0] for name in names} - {"visualdl_embedding"}:
                    found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return {name: files for name, files in found.items() if name not in sys.stdlib_module_names}


@cache
def installed() -> Mapping[str, list[str]]:
    return packages_distributions()


def distributions(name: str) -> set[str]:
    """Distributions that an import name may come from; without one that is installed, the name itself."""
    return {canonicalize_name(found) for found in installed().get(name, [name])}


def test_every_import_is_declared() -> None:
    known = declared(PROJECT["dependencies"]).union(*(declared(PROJECT["optional-dependencies"][e]) for e in EXTRAS))
    missing = {name: files for name, files in imported().items() if not distributions(name) & known}
    assert not missing


def test_every_dependency_is_imported() -> None:
    used = set().union(*map(distributions, imported()))
    assert not declared(PROJECT["dependencies"]) - used


def test_no_module_imports_itself_through_others() -> None:
    grimp = pytest.importorskip("grimp")
    graph = grimp.build_graph("visualdl_embedding", exclude_type_checking_imports=True, cache_dir=None)
    # The package itself loads its public names from everywhere, on first use.
    edges = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules - {"visualdl_embedding"}}
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))
