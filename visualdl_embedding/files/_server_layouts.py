"""Layouts of parameter-server rows: the numbers after a key, by the table's accessor and optimizer rules.

Read from Paddle's source (``paddle/fluid/distributed/ps/table/*_accessor.cc``, ``ParseToString``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from visualdl_embedding.core.suggest import did_you_mean, listed
from visualdl_embedding.errors import UnreadableModelError

__all__ = ["ACCESSORS", "Accessor", "RowLayout", "choose_layout", "describe"]


@dataclass(frozen=True, slots=True)
class _Order:
    """Order of the fields: those before and after the state of ``embed_w``; whether embedx follows its own state."""

    before: tuple[str, ...]
    after: tuple[str, ...] = ()
    state_first: bool = False


_COUNTED = ("unseen_days", "delta_score", "show", "click", "embed_w")
_COMMON = _Order(("slot", *_COUNTED))
ACCESSORS = {
    "SparseAccessor": _COMMON,
    "CtrCommonAccessor": _COMMON,
    "CtrDoubleAccessor": _Order(_COUNTED, ("slot",), state_first=True),
    "CtrDymfAccessor": _Order(_COUNTED, ("slot", "mf_dim"), state_first=True),
}
_RULES = {
    "SparseNaiveSGDRule": (0, 0, 0),
    "SparseAdaGradSGDRule": (1, 0, 1),
    "StdAdaGradSGDRule": (1, 1, 0),
    "SparseAdamSGDRule": (4, 2, 2),
    "SparseSharedAdamSGDRule": (4, 0, 4),
}
"""Numbers of state by rule: of ``embed_w``, and a and b of the a·d + b numbers of the d columns of embedx."""
_ONE_RULE = {"CtrDoubleAccessor": "SparseAdaGradSGDRule"}
_PULLED = {"SparseAccessor": 1}
"""Columns of a pulled row beside embedx: ``embed_w``; also show and click (3) with the other accessors."""

_SETTINGS = ("*.yaml", "*.yml", "*.prototxt")
_MAX_SETTINGS = 2**20
_LINE = re.compile(r"\s*(?:- )?[\"']?(\w+)[\"']?\s*[:{]\s*[\"']?([\w.]*)")
_PARENTS = 4
"""Folders above a table that are searched: ``<out>/<day>/<pass>/<table>``."""


@dataclass(frozen=True, slots=True)
class Accessor:
    """What is known about a table: class of the accessor, rules of ``embed_w`` and embedx, columns of embedx."""

    name: str = ""
    embed_rule: str = ""
    embedx_rule: str = ""
    embedx_dim: int | None = None
    source: str = "the arguments"


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Positions of the numbers of a row."""

    accessor: str
    embed_rule: str
    embedx_rule: str
    embedx_dim: int
    fields: tuple[str, ...] = field(repr=False)
    begin: int
    width: int

    @property
    def short(self) -> int:
        """Width of a row without embedx, which the server has not admitted yet."""
        return len(self.fields)

    @property
    def dim(self) -> int:
        """Columns of the table: ``embed_w``, then embedx."""
        return 1 + self.embedx_dim

    def __str__(self) -> str:
        rules = " and ".join(dict.fromkeys((self.embed_rule, self.embedx_rule)))
        return f"{self.accessor} with {rules}, embedx_dim {self.embedx_dim}"

    def contradiction(self, numbers: list[float]) -> str:
        """Describe a value of an admitted row that this layout cannot have; ``""`` if there is none."""
        for name, value in zip(self.fields, numbers, strict=False):
            impossible = (name in ("slot", "mf_dim") and value % 1 != 0) or (name in ("show", "click") and value < 0)
            if impossible or (name == "mf_dim" and value != self.embedx_dim):
                return f"{name} would be {value:g}"
        return ""


def _heads(known: Accessor) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """Accessors with the rules of embed_w and embedx, and the fields before embedx, that agree with what is known."""
    for name, order in ACCESSORS.items():
        for rule in _RULES if known.name in ("", name) else ():
            embed = known.embed_rule or known.embedx_rule or rule
            embedx = known.embedx_rule or known.embed_rule or rule
            # Without rules, both are taken to be the same.
            if rule == embedx and _ONE_RULE.get(name, rule) == rule:
                yield name, embed, embedx, (*order.before, *["state"] * _RULES[embed][0], *order.after)


def _layouts(width: int, known: Accessor) -> Iterator[RowLayout]:
    """Layouts of rows of `width` numbers that agree with what is known."""
    for name, embed, embedx, fields in _heads(known):
        _, factor, constant = _RULES[embedx]
        dim, rest = divmod(width - len(fields) - constant, 1 + factor)
        if not rest and dim > 0 and known.embedx_dim in (None, dim):
            begin = len(fields) + (factor * dim + constant if ACCESSORS[name].state_first else 0)
            yield RowLayout(name, embed, embedx, dim, fields, begin, width)


def choose_layout(
    counts: Counter[int], rows: Iterable[list[float]], known: list[Accessor], *, path: Path
) -> tuple[RowLayout, Accessor]:
    """Choose the layout that explains most rows: those of its width, and those that end before embedx.

    Parameters
    ----------
    counts
        Number of rows by width, in a sample.
    rows
        Numbers of some rows, which a layout must not contradict.
    known
        Descriptions of the table; the one that fits is used.
    path
        Table, for messages.

    Raises
    ------
    UnreadableModelError
        If no or several layouts fit. The widths alone never decide: they fit several accessors.
    """
    named = [one for one in known if one.name]
    possible = {layout: one for one in named or [Accessor()] for width in counts for layout in _layouts(width, one)}
    pairs = ((layout, row) for row in rows for layout in possible if len(row) == layout.width)
    wrong = {layout: reason for layout, row in pairs if (reason := layout.contradiction(row))}
    explained = {layout: counts[layout.width] + counts[layout.short] for layout in possible if layout not in wrong}
    best = [layout for layout, count in explained.items() if count == max(explained.values())]
    waiting = {len(fields) for one in named if one.embedx_dim is None for *_, fields in _heads(one)}
    if named and len(best) < 2 and waiting.issuperset(counts):
        reason = f"its rows end after {', '.join(map(str, counts))} numbers: the server has admitted none of them"
        raise UnreadableModelError(path, reason, advice="Give a later save")
    if len(best) == 1 and named:
        return best[0], possible[best[0]]
    width = counts.most_common(1)[0][0] if not best else best[0].width
    if not named:
        raise _unknown(path, f"its rows have {width} numbers, and nothing names its accessor", best)
    source = f"by {named[0].source}"
    if best:
        raise _unknown(path, f"{source}, its rows of {width} numbers have several layouts", best)
    if wrong:
        layout, reason = next(iter(wrong.items()))
        raise _unknown(path, f"{source}, its rows are of {layout}, but then {reason}", ())
    others = [layout for width in counts for layout in _layouts(width, Accessor())]
    raise _unknown(path, f"its rows have {width} numbers, which do not fit {named[0].name} {source}", others)


def _unknown(path: Path, reason: str, layouts: Sequence[RowLayout]) -> UnreadableModelError:
    return UnreadableModelError(
        path,
        f"it is a table of a parameter server; {reason}",
        advice="Put the training's .yaml, whose table_parameters name the accessor, next to the table, or a file "
        "accessor.yaml with two lines, such as 'accessor_class: SparseAccessor' and 'embedx_dim: 8'",
        details=f"Layouts that fit:\n{listed(layouts)}" if layouts else "",
    )


def describe(folder: Path, accessor: str | None, dim: int | None) -> list[Accessor]:
    """Describe a table by arguments of `open_tables`, or by a configuration; `dim` is 1 + embedx_dim."""
    known = _beside(folder) if accessor is None else [Accessor(accessor)]
    if accessor is not None and accessor not in ACCESSORS:
        hint = did_you_mean(accessor, ACCESSORS, limit=1, otherwise="there is no similar one")
        raise ValueError(f"accessor={accessor!r} is not supported ({hint}). Supported are {', '.join(ACCESSORS)}.")
    return known if dim is None else [replace(one, embedx_dim=dim - 1) for one in known]


def _beside(folder: Path) -> list[Accessor]:
    """Read the descriptions of tables in the nearest configuration: in a table's folder, or up to four above."""
    for place in list((folder.absolute() / "_").parents)[: _PARENTS + 1]:
        files = [file for pattern in _SETTINGS for file in sorted(place.glob(pattern)) if file.is_file()]
        found = [one for file in files[:20] for one in _described(file)]
        if found:
            return list({(one.name, one.embed_rule, one.embedx_rule, one.embedx_dim): one for one in found}.values())
    return []


def _described(file: Path) -> list[Accessor]:
    """Find the accessors in a file of YAML or of protobuf's text, by its lines."""
    try:
        if file.stat().st_size > _MAX_SETTINGS:
            return []
        text = file.read_text("utf-8", errors="replace")
    except OSError:
        return []
    blocks: list[dict[str, str]] = [{}]
    part = ""
    for line in text.splitlines():
        match = _LINE.match(line.partition("#")[0])
        if match is None:
            continue
        key, value = match.groups()
        if key == "accessor":
            blocks.append({})
        elif key in ("embed_sgd_param", "embedx_sgd_param"):
            part = key
        elif key == "name" and value in _RULES:
            blocks[-1].setdefault(part, value)
        elif value:
            blocks[-1].setdefault(key, value)
    return [
        Accessor(
            name,
            block.get("embed_sgd_param", ""),
            block.get("embedx_sgd_param", ""),
            _embedx_dim(block, name),
            f"'{file.name}'",
        )
        for block in blocks
        if (name := block.get("accessor_class", "")) in ACCESSORS
    ]


def _embedx_dim(block: dict[str, str], accessor: str) -> int | None:
    if block.get("embedx_dim", "").isdigit():
        return int(block["embedx_dim"])
    return int(block["fea_dim"]) - _PULLED.get(accessor, 3) if block.get("fea_dim", "").isdigit() else None
