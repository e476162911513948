"""Selection of the rows to watch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.columns import first_non_number, numbers
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.metrics.strata import STRATA, frequency_strata
from visualdl_embedding.vocabulary._picker import KEEP, Picker
from visualdl_embedding.vocabulary._text import first_few, in_order, sentence
from visualdl_embedding.vocabulary._vocabulary import Vocabulary

__all__ = ["RowsLike", "Stratified", "check_length", "select_rows"]


@dataclass(frozen=True, slots=True)
class Stratified:
    """Sample of `k` rows in equal parts from head, torso and tail of the frequencies; ``"stratified:k"`` for short.

    In order of frequency, the *head* is the rows that make up the first half of all occurrences, the *torso* those up
    to 90%, the *tail* the rest including rows that never occur. If a stratum has fewer rows than its part, the other
    strata fill the gap. The rows get a column ``"stratum"``.
    """

    k: int = 500

    def __post_init__(self) -> None:
        _check_count(self.k, "Stratified(k)")


RowsLike: TypeAlias = int | str | Stratified | Sequence[str | int] | Mapping[str, str | Iterable[str]]
"""Which rows: a number, ``"all"``, ``"stratified:500"``, labels and ids, or ``{column: values}``. See `select_rows`."""


def select_rows(
    vocabulary: Vocabulary,
    *,
    num_rows: int,
    rows: RowsLike = 500,
    watch: Iterable[str | int] = (),
    padding_idx: int | None = None,
    keep: Iterable[str] = (),
    random_state: int = 42,
    groups: Mapping[str, Iterable[str]] | None = None,
) -> Rows:
    """Select the rows of a table to watch.

    The padding row, ids without a label, special tokens and subword pieces (`token_kind`) are left out and counted by
    reason. Special tokens and pieces requested by label or id, in `rows` or `watch`, are kept. Rows without a label are
    never kept; the padding row only with ``keep``.

    A word that is not in the vocabulary, but can be composed of its tokens, becomes a composed row: the mean of the
    rows of its pieces. This applies to words requested by label, by `watch`, by `groups`, or as words of a group in
    `rows`. The column ``"pieces"`` then lists the pieces.

    Parameters
    ----------
    vocabulary
        Labels of the ids.
    num_rows
        V, the number of rows of the table.
    rows
        - an int k: the k most frequent rows if the vocabulary has a column ``"frequency"`` (unknown frequencies
          last), otherwise the first k by id;
        - ``"all"``;
        - a list of labels, of ids (ints), or of both; an ambiguous label is written as ``"label (id)"``;
        - ``{column: value}`` or ``{column: [values]}``, such as ``{"group": "positive"}``;
        - ``Stratified(k)`` or ``"stratified:k"``.

        Sets of rows are ordered by id, followed by composed words; a list keeps its order.
    watch
        Labels or ids that are added to `rows` and have their own scalars.
    padding_idx
        The table's padding row.
    keep
        Any of ``"special"``, ``"subword"``, ``"padding"``: kinds of rows to include.
    random_state
        Seed of the stratified sample.
    groups
        A lexicon ``{group: labels}``: its words are added to `rows` and get their group as column ``"group"``. Words
        that can be neither found nor composed are counted.

    Raises
    ------
    TypeError
        If an argument has an unsupported type.
    ValueError
        If the vocabulary is longer than the table, a label is unknown or ambiguous, an id is out of range, a column is
        missing, the number of rows is below 1, or no row is left to watch.

    >>> rows = select_rows(Vocabulary(("[PAD]", "高", "兴", "##跑")), num_rows=4, watch=["高兴"])
    >>> rows.labels, rows.ids.tolist(), dict(rows.left_out)
    (('高', '兴', '高兴'), [1, 2, -1], {'special token': 1, 'subword piece': 1})
    """
    if num_rows < 1:
        raise ValueError(f"num_rows must be at least 1, not {num_rows}.")
    check_length(vocabulary, num_rows)
    if padding_idx is not None and not 0 <= padding_idx < num_rows:
        raise ValueError(f"padding_idx must be a row of the table, 0 to {num_rows - 1}, or None, not {padding_idx}.")
    kept = _as_list(keep, "keep", "keep=('special',)")
    if unknown := [str(kind) for kind in kept if kind not in KEEP]:
        raise ValueError(f"keep has the unknown value {first_few(unknown)}; use any of {', '.join(map(repr, KEEP))}.")
    if groups is not None:
        groups = _lexicon(groups)
        vocabulary = vocabulary.with_columns({"group": groups})
    picker = Picker(vocabulary, num_rows, padding_idx=padding_idx, keep=frozenset(kept))
    phrases = [_take(picker, rows, random_state)]
    if groups is not None:
        picker.take_words(dict.fromkeys(label for labels in groups.values() for label in labels))
        phrases.append(f"the words of {len(groups)} groups")
    watched = picker.take_named(_as_list(watch, "watch", "watch=['加息']"), "watch", required=True)
    if watched:
        phrases.append(f"{len(watched)} watched")
    return picker.finish(watched, how=" and ".join(phrases))


def check_length(vocabulary: Vocabulary, num_rows: int) -> None:
    """Raise ValueError if a vocabulary has more ids than the table has rows."""
    if len(vocabulary) > num_rows:
        raise ValueError(
            f"{sentence(vocabulary.source)} has {len(vocabulary)} ids, but the table has only {num_rows} rows; pass "
            "the vocabulary that this table was trained with."
        )


def _check_count(count: Any, name: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int | np.integer):
        raise TypeError(f"{name} must be a whole number of rows, not {count!r}.")
    if count < 1:
        raise ValueError(f"{name} must be at least 1, not {count}.")
    return int(count)


def _as_list(values: Any, name: str, example: str) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list, such as {example}; {values!r} was passed.")
    return in_order(values)


def _lexicon(groups: Any) -> dict[str, list[str]]:
    if not isinstance(groups, Mapping):
        raise TypeError(f"groups must be a dict {{group: list of labels}}, not {type(groups).__name__}.")
    lexicon = {str(group): _as_list(labels, f"groups[{group!r}]", "['高兴']") for group, labels in groups.items()}
    for group, labels in lexicon.items():
        if wrong := [label for label in labels if not isinstance(label, str)]:
            raise TypeError(f"groups[{group!r}] must hold labels (strings), not {wrong[0]!r}.")
    return lexicon


def _take(picker: Picker, rows: Any, random_state: int) -> str:
    """Take the rows that `rows` requests, and return a phrase that describes them."""
    if isinstance(rows, str):
        if rows == "all":
            return _take_first(picker, picker.num_rows)
        name, _, count = rows.partition(":")
        if name != "stratified" or not (count.isascii() and count.isdigit()):
            raise ValueError(
                f"rows={rows!r} is unknown; a string must be 'all' or 'stratified:500'. Put a label in a list: "
                f"rows=[{rows!r}]."
            )
        rows = Stratified(int(count))
    if isinstance(rows, Stratified):
        return _take_stratified(picker, rows.k, random_state)
    if isinstance(rows, bool | int | float | np.number):
        return _take_first(picker, _check_count(rows, "rows"))
    if isinstance(rows, Mapping):
        return _take_group(picker, rows)
    asked = _as_list(rows, "rows", "500, ['加息', '讽刺'] or {'group': 'positive'}")
    if not asked:
        raise ValueError("rows is an empty list; pass labels or ids, or a number of rows.")
    picker.take_named(asked, "rows")
    return f"{len(picker.taken)} named"


def _take_first(picker: Picker, k: int) -> str:
    candidates = picker.sift(np.arange(picker.num_rows))
    frequencies = _frequencies(picker.vocabulary)
    if frequencies is not None:
        candidates = _by_frequency(candidates, frequencies)
    picker.take_ids(np.sort(candidates[:k]))
    if len(candidates) <= k:
        return f"all {len(candidates)}" + (f" ({k} requested)" if k < picker.num_rows else "")
    return f"the first {k}" if frequencies is None else f"the {k} most frequent"


def _take_stratified(picker: Picker, k: int, random_state: int) -> str:
    frequencies = _frequencies(picker.vocabulary)
    if frequencies is None:
        raise ValueError(
            f"A stratified sample requires a column 'frequency'; {picker.vocabulary.source} has "
            f"{first_few(list(picker.vocabulary.columns)) or 'no columns'}. Pass the frequencies as metadata."
        )
    ordered = _by_frequency(picker.sift(np.arange(picker.num_rows)), frequencies)
    stratum = frequency_strata(frequencies[ordered])
    members = [ordered[stratum == name] for name in STRATA]
    quotas = _share_out(k, [len(m) for m in members])
    rng = np.random.default_rng(random_state)
    chosen = [rng.choice(m, size=quota, replace=False) for m, quota in zip(members, quotas, strict=True)]
    picker.take_ids(np.sort(np.concatenate(chosen)))
    picker.strata = dict(zip(ordered.tolist(), stratum.tolist(), strict=True))
    parts = ", ".join(f"{quota} {name}" for quota, name in zip(quotas, STRATA, strict=True))
    return f"{sum(quotas)} stratified by frequency ({parts})"


def _share_out(k: int, sizes: list[int]) -> list[int]:
    """Split `k` into equal parts limited by `sizes`; what exceeds a size goes to the other parts."""
    parts = [0] * len(sizes)
    while (left := min(k, sum(sizes)) - sum(parts)) > 0:
        room = [i for i, size in enumerate(sizes) if parts[i] < size]
        share, rest = divmod(left, len(room))
        for n, i in enumerate(room):
            parts[i] = min(parts[i] + share + (n < rest), sizes[i])
    return parts


def _take_group(picker: Picker, rows: Mapping[Any, Any]) -> str:
    if len(rows) != 1:
        raise ValueError(
            f"rows as a dict must have one column, such as {{'group': 'positive'}}; {dict(rows)!r} has {len(rows)}."
        )
    ((column, values),) = rows.items()
    vocabulary = picker.vocabulary
    if column not in vocabulary.columns:
        known = first_few(list(vocabulary.columns)) or "no columns"
        raise ValueError(
            f"There is no column {column!r}; {vocabulary.source} has {known}. Pass the column as metadata."
        )
    single = isinstance(values, str) or not isinstance(values, Iterable)
    wanted = [str(value) for value in _as_list([values] if single else values, "rows", "{'group': ['positive']}")]
    cells = vocabulary.columns[column]
    words = [label for label, more in vocabulary.unmatched.items() if more.get(column) in wanted]
    known_values = dict.fromkeys([*cells, *(more.get(column, "") for more in vocabulary.unmatched.values())])
    known_values.pop("", None)
    if missing := [value for value in wanted if value not in known_values]:
        raise ValueError(
            f"Column {column!r} has no value {first_few(missing)}; its values are {first_few(list(known_values), 10)}."
        )
    among = set(wanted)
    picker.take_ids(picker.sift(np.array([i for i, cell in enumerate(cells) if cell in among], dtype=np.int64)))
    picker.take_words(words)
    return f"those of {column} {', '.join(wanted)}"


def _by_frequency(candidates: NDArray[np.int64], frequencies: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sort candidates by decreasing frequency, unknown frequencies last, ties by id."""
    falling = -np.nan_to_num(frequencies[candidates], nan=-1.0)
    return candidates[np.argsort(falling, kind="stable")]


def _frequencies(vocabulary: Vocabulary) -> NDArray[np.float64] | None:
    """``(len(vocabulary),)`` float64, NaN where unknown; None if no frequency is known."""
    cells = vocabulary.columns.get("frequency")
    if cells is None or not any(cells):
        return None
    if (wrong := first_non_number(cells)) is not None:
        raise ValueError(f"Column 'frequency' has {wrong!r}; numbers were expected.")
    values = numbers(cells)
    if np.isinf(values).any() or (values < 0).any():
        raise ValueError("Column 'frequency' has a negative or infinite value; counts or shares were expected.")
    return values
