"""A table of a stored run at a step: only its watched rows are there."""

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
from visualdl_embedding.vocabulary import KEEP, Vocabulary, select_rows

if TYPE_CHECKING:
    from visualdl_embedding.store import Run

__all__ = ["RunTable", "StoredStep"]


@dataclass(frozen=True, eq=False)
class StoredStep:
    """The snapshot of a table at a step of a run, read when it is asked for: row i is its i-th watched row."""

    run: Run
    name: str
    step: int

    @cached_property
    def table(self) -> Table:
        """The table that was watched, as it was during training."""
        return self.run.table(self.name).table

    @cached_property
    def snapshot(self) -> Snapshot:
        """What is stored."""
        return self.run.snapshot(self.name, self.step)

    def read_rows(self, ids: NDArray[np.int64], /) -> Floats:
        """Read watched rows by their positions: ``(m, d)`` float32."""
        return self.snapshot.vectors[ids]

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Read the watched rows in order: the position of a block's first, and ``(b, d)`` float32."""
        for start, stop in block_ranges(*self.snapshot.vectors.shape):
            yield start, self.snapshot.vectors[start:stop]


@dataclass(frozen=True, eq=False)
class RunTable(ModelTable):
    """The watched rows of a table at a step of a run, with the labels and columns that the run holds.

    Attributes
    ----------
    reader
        Reads the snapshot.
    """

    reader: StoredStep

    def __str__(self) -> str:
        return f"{self.table} at step {self.step}"

    @property
    def step(self) -> int:
        """Step of the snapshot."""
        return self.reader.step

    @property
    def _rows(self) -> Rows:
        return self.reader.snapshot.rows

    @property
    def num_rows(self) -> int:
        """Number of watched rows."""
        return len(self._rows)

    @property
    def has_words(self) -> bool:
        """True: a run holds the labels of its rows."""
        return True

    @cached_property
    def _read_words(self) -> tuple[Vocabulary, tuple[str, ...]]:
        source = f"step {self.step} of {self.reader.run.path.name!r}"
        return Vocabulary(self._rows.labels, self._rows.columns, source=source), ()

    def read_rows(self, ids: NDArray[np.int64], /) -> Floats:
        """Read watched rows by their ids: ``(m, d)`` float32.

        Raises
        ------
        ValueError
            An id that is not watched.
        """
        return self.reader.read_rows(np.array([self._position(int(i)) for i in ids], dtype=np.int64))

    def counters(self, *, on_progress: Progress = silent) -> dict[str, float]:
        """Return the counters that the run holds."""
        return dict(self.reader.snapshot.counters)

    def choose_rows(
        self,
        *,
        rows: Any = None,
        watch: Iterable[str | int] = (),
        groups: Mapping[str, Iterable[str]] | None = None,
        random_state: int = 42,
    ) -> Rows:
        """Choose among the watched rows; with ``rows=None`` all of them. Parameters are those of `ModelTable`."""
        return self._original(self._choose(rows, list(watch), groups, random_state))

    def snapshot(
        self,
        *,
        rows: Any = None,
        watch: Iterable[str | int] = (),
        groups: Mapping[str, Iterable[str]] | None = None,
        step: int = 0,
        random_state: int = 42,
        on_progress: Progress = silent,
    ) -> Snapshot:
        """Return the stored snapshot, or a part of its rows; `step` is not used, for the snapshot has its own."""
        stored, watch = self.reader.snapshot, list(watch)
        if rows is None and groups is None and not watch:
            return stored
        chosen = self._choose(rows, watch, groups, random_state)
        return replace(
            stored,
            rows=self._original(chosen),
            vectors=stored.vectors[chosen.ids],
            row_values={name: values[chosen.ids] for name, values in stored.row_values.items()},
            notes=self._notes_on(rows, chosen),
        )

    def _choose(self, rows: Any, watch: Sequence[str | int], groups: Any, random_state: int) -> Rows:
        """Choose rows, with positions in place of ids."""
        asked = [self._positional(word) for word in rows] if isinstance(rows, list | tuple) else rows
        own = [label for label in self._rows.watch if rows is None]
        chosen = select_rows(
            self.vocabulary,
            num_rows=self.num_rows,
            rows="all" if rows is None else asked,
            watch=list(dict.fromkeys([*own, *map(self._positional, watch)])),
            keep=KEEP,
            random_state=random_state,
            groups=groups,
        )
        return self._refuse_composed(chosen)

    def _original(self, chosen: Rows) -> Rows:
        """Put ids in the place of positions."""
        own, places = self._rows, chosen.ids.tolist()
        pieces = {i: own.pieces[place] for i, place in enumerate(places) if place in own.pieces}
        return replace(chosen, ids=own.ids[chosen.ids], pieces=pieces)

    def _refuse_composed(self, rows: Rows) -> Rows:
        """Refuse words composed of watched rows: the run may lack pieces that the whole table has."""
        if rows.pieces:
            names = "; ".join(self.vocabulary.suggest(rows.labels[i]) for i in rows.pieces)
            raise ValueError(f"The run watches no row with the label {names}.")
        return rows

    def _positional(self, word: str | int) -> str | int:
        return word if isinstance(word, str) else self._position(int(word))

    def _position(self, row_id: int) -> int:
        places = np.flatnonzero(self._rows.ids == row_id)
        if row_id < 0 or not len(places):
            raise ValueError(
                f"Row {row_id} is not watched in {self.reader.run.path}, which holds {self.num_rows:,} rows of table "
                f"{self.name!r}. Choose one of these, or open the saved model that has all rows."
            )
        return int(places[0])

    @cached_property
    def no_answer(self) -> NDArray[np.bool_]:
        """``(num_rows,)`` bool: none, for every watched row was chosen."""
        return np.zeros(self.num_rows, dtype=bool)

    def find(self, words: str | int | Sequence[str | int]) -> Rows:
        """Find watched rows, by label or id; the `ids` of the result are positions."""
        asked = [words] if isinstance(words, str | int) else words
        return self._refuse_composed(super().find([self._positional(word) for word in asked]))

    def known(self, labels: Iterable[str]) -> list[str]:
        """List the labels that are watched."""
        return [label for label in labels if len(self.vocabulary.find(label)) == 1]

    def id_of(self, row: int) -> int:
        """Return the id of a row that `find` found or that `blocks` counts; -1 for a composed one."""
        return int(self._rows.ids[row]) if row >= 0 else row
