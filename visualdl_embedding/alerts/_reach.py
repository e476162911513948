"""Refusal of rules that can never fire, before anything is computed or written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from visualdl_embedding.alerts._drift import DriftTowards, out_of_reach
from visualdl_embedding.alerts._rule import Rule, matches
from visualdl_embedding.alerts._space import GroupMixing
from visualdl_embedding.alerts._thresholds import Above, Below, Changes
from visualdl_embedding.core.names import escape
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.suggest import did_you_mean
from visualdl_embedding.drift import smallest_p_value

__all__ = ["names_in_metrics", "require_reachable"]


def names_in_metrics(rules: Iterable[Rule], part: str) -> list[str]:
    """Escaped names of one part, ``"watch"`` or ``"group"``, in the scalar keys that rules refer to."""
    keys = (rule.metric.split("/") for rule in rules if isinstance(rule, Above | Below | Changes))
    return [levels[1] for levels in keys if levels[0] == part]


def require_reachable(
    rules: Iterable[Rule],
    tables: Mapping[str, Sequence[Rows]],
    *,
    others: Mapping[str, Sequence[Rows]] | None = None,
    null_pairs: int = 0,
    single: bool = False,
    complete: bool = False,
) -> None:
    """Raise ValueError for a rule that cannot fire for these tables.

    Parameters
    ----------
    rules
        Rules; those that match none of the tables are ignored, unless `complete`.
    tables
        Rows of each table, the newest first. Words and groups of earlier rows, or of a baseline, may be missing among
        the newest: this is a gap.
    others
        Rows of other tables of the run, which may have the words and groups instead.
    null_pairs
        Number of pairs without a change for p-values.
    single
        Whether the rules are evaluated once (CI); the level of drift is then not tested, because a verdict reports it.
    complete
        Whether `tables` are all tables of the run; a rule that matches none of them is then refused.

    Raises
    ------
    ValueError
        If no table watches a word of the rule, none has its group, no p-value can reach its level, or no table has its
        name.
    """
    for rule in rules:
        matched = {name: rows for name, rows in tables.items() if matches(rule, name)}
        if complete and not matched:
            raise ValueError(
                f"The rule {rule.name!r} cannot fire: no table matches {rule.tables!r}; "
                f"{did_you_mean(rule.tables, list(tables))} Correct its 'tables'."
            )
        if isinstance(rule, DriftTowards) and not single:
            for name, of in matched.items():
                if _watched(of) & set(rule.words or of[0].watch):
                    _require_level(rule, name, of[0], null_pairs)
        elsewhere = [of for name, of in (others or {}).items() if matches(rule, name)]
        known = [rows for of in (*matched.values(), *elsewhere) for rows in of]
        if matched and (reason := next(_missing(rule, known), None)):
            raise ValueError(f"The rule {rule.name!r} cannot fire for {', '.join(map(repr, matched))}: {reason}")


def _require_level(rule: DriftTowards, table: str, rows: Rows, null_pairs: int) -> None:
    n, level = len(rule.words or rows.watch), rule.level(1)
    smallest = smallest_p_value((len(rows) - len(rows.watch)) * (1 + null_pairs))
    if n * smallest > level:
        raise ValueError(f"The rule {rule.name!r} cannot fire for {table!r}: {out_of_reach(n, smallest, level).en}")


def _watched(known: Iterable[Rows]) -> set[str]:
    return {label for rows in known for label in rows.watch}


def _missing(rule: Rule, known: Sequence[Rows]) -> Iterator[str]:
    """Sentences on words and groups of a rule that no rows have. Scalar keys escape them, drift does not."""
    watched, labels = _watched(known), {label for rows in known for label in rows.labels}
    cells = (cell.strip() for rows in known for cell in rows.columns.get("group", ()))
    groups = set(cells) - {""}
    if isinstance(rule, DriftTowards):
        if not watched:
            yield "no word is watched. Watch its words (watch=[…], --watch)."
        yield from (_unwatched(word, watched, labels) for word in rule.words if word not in watched)
    elif words := names_in_metrics([rule], "watch"):
        sides = [dict.fromkeys(map(escape, of)) for of in (watched, labels)]
        yield from (_unwatched(word, *map(set, sides)) for word in words if word not in sides[0])
    give = "Give the column 'group' (metadata=[…], --metadata), or correct the rule."
    if isinstance(rule, DriftTowards | GroupMixing):
        if not groups:
            yield f"it needs groups, but the rows have none. {give}"
        if rule.group is not None and rule.group not in groups:
            yield f"no row is in the group {rule.group!r}; {did_you_mean(rule.group, sorted(groups))} {give}"
        if isinstance(rule, DriftTowards) and len(groups) == 1:
            yield f"all groups are {rule.group!r}, but drift is measured against other groups. {give}"
    else:
        known_groups = {escape(group) for group in groups}
        for group in names_in_metrics([rule], "group"):
            if group not in known_groups:
                yield f"no row is in the group {group!r}; {did_you_mean(group, sorted(known_groups))} {give}"


def _unwatched(word: str, watched: Collection[str], labels: Collection[str]) -> str:
    names = sorted(watched)
    few = f"watched are {', '.join(map(repr, names[:10]))}{', …' * (len(names) > 10)}." if names else "no word is."
    if word in labels:
        return f"{word!r} is not watched; {few} Watch it too (watch=[…], --watch), or correct the rule."
    near = did_you_mean(word, dict.fromkeys([*names, *sorted(labels)]), limit=3, otherwise=few)
    return f"{word!r} is neither watched nor among the rows; {near} Correct the rule, or watch it (watch=[…], --watch)."
