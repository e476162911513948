"""The names of `import visualdl_embedding as vde`: each loads, is known to type checkers, and is in the guides."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import visualdl_embedding as vde
from visualdl_embedding import errors, runs

ROOT = Path(__file__).resolve().parent.parent
NAMES = [name for name in vde.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_loads(name: str) -> None:
    value = getattr(vde, name)
    assert value.__module__.startswith("visualdl_embedding.")
    assert value.__name__ == name or name in ("analyse", "NotAnalysedError")


def test_an_old_spelling_is_the_same_thing() -> None:
    assert vde.analyse is vde.analyze
    assert vde.NotAnalysedError is vde.NotAnalyzedError
    assert runs.analyse_run is runs.analyze_run


def test_the_old_name_of_a_command_works_and_is_not_listed(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from visualdl_embedding.cli import main

    wanted = CliRunner().invoke(main, ["analyze", str(tmp_path)])
    assert wanted.exit_code == 1  # 2 for an unknown command
    assert CliRunner().invoke(main, ["analyse", str(tmp_path)]).output == wanted.output
    assert "analyse" not in CliRunner().invoke(main, ["--help"]).output


def test_dir_lists_the_public_names_and_an_unknown_one_is_an_attribute_error() -> None:
    assert set(vde.__all__) <= set(dir(vde))
    with pytest.raises(AttributeError, match="no attribute 'analize'"):
        vde.analize  # noqa: B018


def test_type_checkers_import_each_name_from_where_it_is_loaded() -> None:
    tree = ast.parse(inspect.getsource(vde))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module is not None]
    seen = {
        alias.asname or alias.name: node.module.removeprefix("visualdl_embedding.")
        for node in imports
        for alias in node.names
        if node.module is not None and node.module.startswith("visualdl_embedding.")
    }
    assert seen == vde._MODULES
    assert sorted([*seen, "__version__"]) == sorted(vde.__all__)


@pytest.mark.parametrize("guide", ["docs/guide.md", "docs/guide.zh-CN.md"])
def test_the_guide_lists_the_public_names(guide: str) -> None:
    text = (ROOT / guide).read_text("utf-8")
    section = re.split(r"^## ", text, flags=re.M)
    (table,) = [part for part in section if part.startswith(("Python interface", "Python 接口"))]
    listed = [name for line in re.findall(r"^\| (`.*?) \|", table, re.M) for name in re.findall(r"`(\w+)`", line)]
    assert sorted(listed) == sorted(NAMES)


def library_errors() -> list[type[Exception]]:
    modules = [m.name for m in pkgutil.walk_packages(vde.__path__, "visualdl_embedding.") if "__main__" not in m.name]
    found = {
        value
        for name in modules
        for value in vars(importlib.import_module(name)).values()
        if inspect.isclass(value) and issubclass(value, Exception) and value.__module__.startswith("visualdl_embedding")
    }
    return sorted(found, key=lambda error: error.__name__)


@pytest.mark.parametrize("error", library_errors())
def test_an_error_has_the_base_class_and_a_built_in_kind(error: type[Exception]) -> None:
    assert issubclass(error, errors.EmbeddingError)
    kinds = [kind for kind in error.__mro__ if kind.__module__ == "builtins" and kind not in (Exception, BaseException)]
    assert len(kinds) > 1 or error is errors.EmbeddingError


def test_the_errors_module_and_the_package_offer_the_same_errors() -> None:
    assert [name for name in NAMES if name.endswith("Error")] == sorted(errors.__all__)
