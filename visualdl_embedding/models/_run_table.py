"""Table of a stored run at a step, limited to its watched rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table, block_ranges
from visualdl_embedding.models._table import Floats, ModelTable, Progress, silent
from visualdl_embedding.vocabulary import RowsLike, Vocabulary

if TYPE_CHECKING:
    from visualdl_embedding.store import Run

__all__ = ["RunTable", "StoredStep"]


@dataclass(frozen=True, eq=False)
class StoredStep:
    """Snapshot of a table at a step of a run, read on first use. Row i is its i-th watched row."""

    run: Run
    name: str
    step: int

    @cached_property
    def table(self) -> Table:
        """Watched table, without a padding row: a watched padding row is a row like others."""
        return replace(self.run.table(self.name).table, padding_idx=None)

    @cached_property
    def snapshot(self) -> Snapshot:
        """Stored snapshot."""
        return self.run.snapshot(self.name, self.step)

    @property
    def num_rows(self) -> int:
        """Number of watched rows."""
        return len(self.snapshot.rows)

    @property
    def vocabulary(self) -> Vocabulary:
        """Labels and columns of the watched rows. It composes no words, because the run may lack their pieces."""
        rows = self.snapshot.rows
        source = f"step {self.step} of {self.run.path.name!r}"
        return Vocabulary(rows.labels, rows.columns, source=source, composes=False)

    def read_rows(self, ids: NDArray[np.int64], /) -> Floats:
        """Read watched rows by position: ``(m, d)`` float32."""
        return self.snapshot.vectors[ids]

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Read the watched rows in blocks: the position of the first row, and ``(b, d)`` float32."""
        for start, stop in block_ranges(*self.snapshot.vectors.shape):
            yield start, self.snapshot.vectors[start:stop]


@dataclass(frozen=True, eq=False)
class RunTable(ModelTable):
    """Watched rows of a table at a step of a run, with stored labels, columns and counters.

    `find` and `blocks` number rows by position; `id_of` returns their ids. With ``rows=None``, `snapshot` returns the
    stored snapshot.
    """

    reader: StoredStep

    def __str__(self) -> str:
        return f"{self.table} at step {self.reader.step}"

    def read_rows(self, ids: NDArray[np.int64], /) -> Floats:
        """Read watched rows by id, ``(m, d)`` float32; ValueError for an id that is not watched."""
        return self.reader.read_rows(np.array(self._positions(ids.tolist()), dtype=np.int64))

    def counters(self, *, on_progress: Progress = silent) -> dict[str, float]:
        """Return the stored counters."""
        return dict(self.reader.snapshot.counters)

    def choose_rows(self, **choice: Any) -> Rows:
        """Choose among the watched rows; parameters as in `ModelTable.choose_rows`."""
        return self.snapshot(**choice).rows

    def snapshot(
        self,
        *,
        rows: RowsLike | None = None,
        watch: Iterable[str | int] = (),
        groups: Mapping[str, Iterable[str]] | None = None,
        random_state: int = 42,
        **others: Any,
    ) -> Snapshot:
        """Return the stored snapshot, or a part of its rows; parameters as in `ModelTable.snapshot`."""
        stored, watch = self.reader.snapshot, list(watch)
        if rows is None and groups is None and not watch:
            return stored
        own = stored.rows.watch if rows is None else ()
        chosen = super().choose_rows(
            rows="all" if rows is None else self._positions(rows),
            watch=list(dict.fromkeys([*own, *self._positions(watch)])),
            groups=groups,
            random_state=random_state,
        )
        places = chosen.ids.tolist()
        pieces = {i: stored.rows.pieces[place] for i, place in enumerate(places) if place in stored.rows.pieces}
        return replace(
            stored,
            rows=replace(chosen, ids=stored.rows.ids[places], pieces=pieces),
            vectors=stored.vectors[places],
            row_values={name: values[places] for name, values in stored.row_values.items()},
            notes=self._notes_on(rows, chosen),
        )

    def has(self, label: str | int) -> bool:
        """Whether a row is watched."""
        return super().has(label) if isinstance(label, str) else label in self.reader.snapshot.ids

    def find(self, words: str | int | Sequence[str | int]) -> Rows:
        """Find watched rows by label or id; the `ids` of the result are positions."""
        return super().find(self._positions([words] if isinstance(words, str | int) else words))

    def id_of(self, row: int) -> int:
        """Id of a row from `find` or `blocks`; -1 for a composed word."""
        return int(self.reader.snapshot.ids[row])

    def _positions(self, words: Any) -> Any:
        """Replace ids in a list with positions; keep labels and other choices of rows."""
        if isinstance(words, str | Mapping) or not isinstance(words, Iterable):
            return words
        places = {row_id: place for place, row_id in enumerate(self.reader.snapshot.ids.tolist()) if row_id >= 0}
        asked = list(words)
        if missing := [word for word in asked if not isinstance(word, str) and word not in places]:
            raise ValueError(
                f"Row {missing[0]} is not watched in {self.reader.run.path}, which holds {self.num_rows:,} rows of "
                f"table {self.name!r}. Choose one of these, or open the saved model, which has all rows."
            )
        return [word if isinstance(word, str) else places[word] for word in asked]
