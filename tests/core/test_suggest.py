"""Suggestions for unknown names."""

from __future__ import annotations

import ast
from pathlib import Path

import visualdl_embedding
from visualdl_embedding.core.suggest import did_you_mean


def test_the_nearest_names_are_suggested_in_order() -> None:
    assert did_you_mean("hapy", ["happy", "sad", "apply"]) == "did you mean 'happy'?"
    assert did_you_mean("hapy", ["happy", "sad", "apply"], limit=2) == "did you mean 'happy' or 'apply'?"


def test_without_a_similar_name_all_are_listed_unless_another_clause_is_given() -> None:
    assert did_you_mean("zzz", iter(["a", "b"])) == "known are 'a', 'b'."
    assert did_you_mean("zzz", ["a", "b"], otherwise="nothing like it") == "nothing like it"


def test_suggestions_are_made_in_one_place() -> None:
    package = Path(visualdl_embedding.__file__).parent
    users = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            imported = node.module if isinstance(node, ast.ImportFrom) else None
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [imported]
            if "difflib" in names:
                users.add(path.relative_to(package).as_posix())
    assert users == {"core/suggest.py"}
