"""The rules of the house: what is imported when, who imports whom, how functions are called, what is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import visualdl_embedding

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("paddle", "visualdl", "sklearn", "scipy", "umap", "openTSNE", "numba", "pynndescent", "matplotlib", "pandas")
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(visualdl_embedding.__path__, "visualdl_embedding.")
    if not module.name.endswith("__main__")
)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    loaded = run(f"import sys, visualdl_embedding; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded == "[]"


@pytest.mark.soak
def test_import_takes_under_a_fifth_of_a_second() -> None:
    code = "import time; t = time.perf_counter(); import visualdl_embedding; print(time.perf_counter() - t)"
    assert min(float(run(code)) for _ in range(3)) < 0.2


# Numba's decorators need numba at the top of a module that others import inside their functions.
KERNELS = ("visualdl_embedding.projection._kernels",)
# A layer of Paddle is a class, so the demo's network and the callbacks need paddle at their top.
PADDLE_AT_TOP = tuple(f"visualdl_embedding.{name}" for name in ("callbacks", "training.history", "demo._classifier"))


LIGHT = [m for m in MODULES if not m.startswith((*PADDLE_AT_TOP, *KERNELS))]
# One process for all: each module is blamed for the libraries that are loaded after its import and were not before.
IMPORT_EACH = f"""
import importlib, sys
known = set()
for module in {LIGHT!r}:
    importlib.import_module(module)
    loaded = {{m for m in {HEAVY!r} if m in sys.modules}}
    print(module, *(loaded - known))
    known |= loaded
"""


@pytest.fixture(scope="module")
def loaded_by() -> dict[str, set[str]]:
    return {module: set(heavy) for module, *heavy in map(str.split, run(IMPORT_EACH).splitlines())}


@pytest.mark.parametrize("module", LIGHT)
def test_no_module_imports_anything_heavy_at_its_top(module: str, loaded_by: dict[str, set[str]]) -> None:
    assert not loaded_by[module]


def test_a_file_imports_only_lower_floors() -> None:
    lint = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run([*lint, "--no-cache"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def imported_names(name: str) -> Iterator[str]:
    """Full name of everything in the library that a module imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(inspect.getsource(importlib.import_module(name)))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("visualdl_embedding"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("visualdl_embedding"))


@pytest.mark.parametrize("module", MODULES)
def test_a_private_module_is_imported_inside_its_own_package_only(module: str) -> None:
    is_package = hasattr(importlib.import_module(module), "__path__")
    own = module if is_package else module.rpartition(".")[0]
    for name in imported_names(module):
        for private in re.finditer(r"\._(?!_)", name):
            assert name[: private.start()] == own, f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES)
def test_nothing_public_has_the_name_of_its_module(module: str) -> None:
    # `import package.x` would replace the function x of the package.
    package, _, leaf = module.rpartition(".")
    places = map(importlib.import_module, (package, module))
    names = [name for place in places for name in getattr(place, "__all__", ())]
    assert leaf not in names, module


def test_a_class_name_is_used_once() -> None:
    found: dict[str, list[str]] = {}
    for module in MODULES:
        for node in ast.parse(inspect.getsource(importlib.import_module(module))).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(module)
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}


def public_functions() -> list[tuple[str, object]]:
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for export in getattr(module, "__all__", ()):
            value = getattr(module, export)
            if inspect.isfunction(value) or (inspect.isclass(value) and value.__module__.startswith("visualdl_emb")):
                found[f"{value.__module__}.{export}"] = value
    return sorted(found.items())


@pytest.mark.parametrize(("name", "function"), [f for f in public_functions() if inspect.isfunction(f[1])])
def test_a_public_function_takes_at_most_three_positional_arguments(name: str, function: object) -> None:
    kinds = [p.kind for p in inspect.signature(function).parameters.values()]  # type: ignore[arg-type]
    assert sum(kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds) <= 3, name


@pytest.mark.parametrize(("name", "thing"), public_functions())
def test_what_is_public_is_documented(name: str, thing: object) -> None:
    doc = inspect.getdoc(thing)
    assert doc, name
    assert not doc.startswith(f"{name.rsplit('.', 1)[-1]}("), f"{name} has only a generated docstring"


def test_every_option_of_the_callback_is_documented() -> None:
    from visualdl_embedding.callbacks import EmbeddingCallback

    section = inspect.getdoc(EmbeddingCallback).split("Parameters\n")[1].split("Raises\n")[0]  # type: ignore[union-attr]
    documented = {name.strip() for line in re.findall(r"^(\w[\w, ]*)$", section, re.M) for name in line.split(",")}
    assert set(inspect.signature(EmbeddingCallback).parameters) <= documented
