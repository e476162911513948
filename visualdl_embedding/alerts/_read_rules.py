"""Reader of rules in any supported form."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from visualdl_embedding.alerts._load import default_rules, load_rules
from visualdl_embedding.alerts._rule import Rule

__all__ = ["RulesLike", "read_rules"]

RulesLike: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any] | Rule | Iterable[RulesLike]"
"""A TOML file, what such a file holds, a rule, or a list of all these."""


def read_rules(given: RulesLike | None) -> tuple[Rule, ...]:
    """Read rules from a TOML file, a mapping, a rule, or a list of all these; None for the default rules.

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        If an item is not a rule, or two rules have the same name.
    """
    if given is None:
        return default_rules()
    if isinstance(given, Rule):
        return (given,)
    if isinstance(given, str | os.PathLike | Mapping):
        return load_rules(given)
    try:
        items = list(given)
    except TypeError:
        raise TypeError(
            "alerts must be a TOML file, rules of visualdl_embedding.alerts, or a list of them, not "
            f"{type(given).__name__}."
        ) from None
    rules = tuple(rule for item in items for rule in read_rules(item) if item is not None)
    names = [rule.name for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"Two rules are named {twice[0]!r}; pass another name= for one of them.")
    return rules
