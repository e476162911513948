"""Labels of the rows of a table without a vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["NumberIndex", "RowNumbers"]

_LABEL = re.compile(r"row (0|[1-9]\d{0,17})", re.ASCII)


@dataclass(frozen=True)
class RowNumbers(Sequence[str]):
    """Labels ``row 0``, ``row 1``, …, created on access: 10,000,000 strings would take 1.2 GB.

    >>> list(RowNumbers(3))
    ['row 0', 'row 1', 'row 2']
    """

    num_rows: int

    def __len__(self) -> int:
        return self.num_rows

    def __getitem__(self, index: Any) -> Any:
        numbers = range(self.num_rows)[index]
        return tuple(f"row {i}" for i in numbers) if isinstance(numbers, range) else f"row {numbers}"


@dataclass(frozen=True)
class NumberIndex(Mapping[str, int]):
    """Row by label of `RowNumbers`.

    >>> NumberIndex(RowNumbers(3))["row 2"], NumberIndex(RowNumbers(3)).get("row 3")
    (2, None)
    """

    labels: RowNumbers

    def __getitem__(self, label: str) -> int:
        found = _LABEL.fullmatch(label)
        if found is None or int(found[1]) >= len(self.labels):
            raise KeyError(label)
        return int(found[1])

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)
