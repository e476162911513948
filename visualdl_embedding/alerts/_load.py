"""Readers of rules from TOML and other forms."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeAlias

from visualdl_embedding.alerts._drift import DriftTowards
from visualdl_embedding.alerts._rule import Rule
from visualdl_embedding.alerts._space import Collapsed, GroupMixing, NonFinite, TailCrowding
from visualdl_embedding.alerts._thresholds import Above, Below, Changes
from visualdl_embedding.core.suggest import did_you_mean
from visualdl_embedding.core.toml import read_toml
from visualdl_embedding.errors import RulesError

__all__ = ["KINDS", "RulesLike", "default_rules", "load_rules", "read_rules", "stored_rules"]

KINDS: Mapping[str, type[Rule]] = {
    rule.kind: rule for rule in (Above, Below, Changes, GroupMixing, TailCrowding, DriftTowards, NonFinite, Collapsed)
}
"""Rule classes by their kind in TOML."""
RulesLike: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any] | Rule | Iterable[RulesLike]"
"""A TOML file, what such a file holds, a rule, or a list of all these."""


def default_rules() -> tuple[Rule, ...]:
    """Rules for any training: both report broken embeddings and require no knowledge of the data."""
    return (NonFinite(), Collapsed())


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


def load_rules(source: str | os.PathLike[str] | Mapping[str, Any]) -> tuple[Rule, ...]:
    """Read rules.

    Parameters
    ----------
    source
        Path of a TOML file, or its content: ``[[rule]]`` tables with ``kind`` and the values of that rule.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    RulesError
        If there are mistakes: a ValueError that lists each with the rule's number and name, the key, and the expected
        value.

    Examples
    --------
    >>> load_rules({"rule": [{"kind": "below", "metric": "tsne/trustworthiness", "value": 0.8}]})[0].name
    'tsne/trustworthiness below 0.8'
    """
    if isinstance(source, Mapping):
        return _build(source, "Rules")
    path = Path(source)
    where = f"Rules in {path}"
    try:
        found = read_toml(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no rules file {path}; pass the path of a TOML file.") from None
    except ValueError as error:
        raise RulesError(where, [str(error)]) from None
    except OSError as error:
        raise RulesError(where, [f"it cannot be read: {error.strerror}."]) from error
    return _build(found, where)


def stored_rules(stored: Mapping[str, Any]) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Read the rules that a run stores, which a newer version may have written.

    Returns
    -------
    The rules that this version knows, and a note for each other one, which is skipped: dropping an unknown key would
    change what the rule means.

    >>> rules, notes = stored_rules({"rule": [{"kind": "non_finite"}, {"kind": "outliers"}]})
    >>> [rule.kind for rule in rules], len(notes)
    (['non_finite'], 1)
    """
    mistakes: list[str] = []
    built = [_build_rule(table, number, mistakes) for number, table in enumerate(stored.get("rule", ()), 1)]
    notes = (
        f"A stored alert rule is not evaluated: {mistake} Upgrade visualdl-embedding if a newer version wrote it."
        for mistake in mistakes
    )
    return tuple(rule for rule in built if rule is not None), tuple(notes)


def _build(source: Mapping[str, Any], where: str) -> tuple[Rule, ...]:
    mistakes = [
        f"unknown key {key!r}; rules must be in [[rule]] tables, {did_you_mean(str(key), ['rule'])}"
        for key in source
        if key != "rule"
    ]
    tables = source.get("rule", [])
    if not isinstance(tables, list | tuple):
        mistakes.append("'rule' must be a list of tables: write [[rule]], with double brackets, above each rule.")
        tables = []
    elif not tables and not mistakes:
        mistakes.append("it has no rules; write at least one [[rule]] table.")
    rules: list[Rule] = []
    names: dict[str, int] = {}
    for number, table in enumerate(tables, 1):
        rule = _build_rule(table, number, mistakes)
        if rule is None:
            continue
        if rule.name in names:
            mistakes.append(
                f"rule {number} ({rule.name!r}), key 'name': rule {names[rule.name]} has the same name; "
                "rename one of them."
            )
        names.setdefault(rule.name, number)
        rules.append(rule)
    if mistakes:
        raise RulesError(where, mistakes)
    return tuple(rules)


def _build_rule(table: object, number: int, mistakes: list[str]) -> Rule | None:
    """Build one rule; on errors return None and append the mistakes to `mistakes`."""
    if not isinstance(table, Mapping):
        mistakes.append(f"rule {number} must be a table of keys and values, not {table!r}.")
        return None
    name = table.get("name")
    which = f"rule {number} ({name!r})" if isinstance(name, str) and name else f"rule {number}"
    kinds = list(KINDS)
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        hint = did_you_mean(kind, kinds) if isinstance(kind, str) else f"known are {', '.join(map(repr, kinds))}."
        given = "is missing" if "kind" not in table else f"{kind!r} is unknown"
        mistakes.append(f"{which}, key 'kind': {given}; {hint}")
        return None
    rule = KINDS[kind]
    known = {f.name: f for f in fields(rule)}
    before = len(mistakes)
    for key in table:
        if key != "kind" and key not in known:
            mistakes.append(f"{which}, key {key!r}: {kind!r} has no such key; {did_you_mean(str(key), list(known))}")
    for key, field in known.items():
        if field.default is MISSING and field.default_factory is MISSING and key not in table:
            mistakes.append(f"{which}, key {key!r}: is missing, but {kind!r} requires it.")
    if len(mistakes) > before:
        return None
    try:
        return rule(**{key: value for key, value in table.items() if key != "kind"})
    except (TypeError, ValueError) as error:
        sentence = str(error)
        mistakes.append(f"{which}, key {sentence.split(maxsplit=1)[0]!r}: {sentence}")
        return None
