"""Names of the keys of a parameter server's table."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from visualdl_embedding.vocabulary._text import cell_text, first_few, read_text, split_lines
from visualdl_embedding.vocabulary._vocabulary import Vocabulary

__all__ = ["name_keys"]


def name_keys(keys: Sequence[str], names: Any = None) -> Vocabulary:
    """Label the rows of a table by the names of their keys, and other rows by the keys themselves.

    Parameters
    ----------
    keys
        Keys in row order, as text.
    names
        ``{key: name}`` or ``{name: key}``, as a dict, a ``.json``, or a text file with one pair per line, separated by
        a tab or a blank. The side with more keys of the table is taken as the keys. None: no names.

    Returns
    -------
    A vocabulary whose words are never composed. Names of several keys are ``name [key]``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If `names` is neither a dict nor a path.
    ValueError
        If no key of the table has a name.

    >>> name_keys(["7", "12"], {"7": "手机"}).labels
    ('手机', '12')
    """
    if names is None:
        return Vocabulary(tuple(keys), source="the table's keys", composes=False)
    pairs, source, notes = _pairs(names)
    known = set(keys)
    if sum(first in known for first, _ in pairs) < sum(last in known for _, last in pairs):
        pairs = [(last, first) for first, last in pairs]
    shared = Counter(name for _, name in dict(pairs).items())
    # Count in all names: the label of a row must not depend on which other rows the table has on a day.
    named = {key: name if shared[name] == 1 else f"{name} [{key}]" for key, name in pairs if key in known and name}
    if not named:
        raise ValueError(
            f"{source[0].upper()}{source[1:]} has no name for a key of the table, whose keys begin "
            f"{first_few(list(keys[:3]))}; its entries begin {first_few([' '.join(pair) for pair in pairs[:3]])}. "
            "Give pairs of a key and a name."
        )
    if unnamed := len(known) - len(named):
        notes = (*notes, f"{unnamed:,} of {len(known):,} keys have no name in {source}; their label is the key.")
    return Vocabulary(tuple(named.get(key, key) for key in keys), source=source, notes=notes, composes=False)


def _pairs(names: Any) -> tuple[list[tuple[str, str]], str, tuple[str, ...]]:
    source = "the given vocabulary"
    notes: tuple[str, ...] = ()
    if isinstance(names, str | os.PathLike):
        path = Path(names)
        text, notes = read_text(path, what="file of key names")
        source = f"'{path}'"
        if path.suffix.lower() != ".json":
            split = (line.partition("\t" if "\t" in line else " ") for line in split_lines(text) if line.strip())
            return [(first.strip(), last.strip()) for first, _, last in split], source, notes
        try:
            names = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{source} is not JSON: {error}.") from None
    if not isinstance(names, Mapping):
        raise TypeError(
            f"The rows of a parameter server's table are found by key: a vocabulary must map keys to names, as a dict "
            f"or a file of pairs; {source} is a {type(names).__name__}."
        )
    return [(cell_text(key), cell_text(name)) for key, name in names.items()], source, notes
