"""One table of a run, as the answers read it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Analysis, Projection
from visualdl_embedding.core.pairing import pair_labels, positions_of
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.server._cache import Cache
from visualdl_embedding.server._listing import Listing
from visualdl_embedding.store import (
    DamagedFileError,
    Description,
    NewerFormatError,
    Run,
    TableReader,
    parse_rows,
    read_header,
)

__all__ = ["BoundedReader", "NotFound", "OneTable", "ServedTable"]


class NotFound(LookupError):
    """What was asked for is not there; the message says what is."""


class BoundedReader(TableReader):
    """A table's folder, whose rows are kept within the bound of the cache and not for ever."""

    def __init__(self, folder: Path, description: Description, *, cache: Cache) -> None:
        super().__init__(folder, description)
        self._cache = cache

    def read_rows(self, version: str | None = None) -> Rows:
        """Read the rows of a version; None for that of newer snapshots."""
        wanted = version or self.description.rows_version
        # The version is a hash of the content, so nothing else needs to stand in the key.
        return self._cache.get(
            ("rows-of", str(self.folder), wanted),
            lambda: TableReader(self.folder, self.description).read_rows(wanted),
            size=lambda rows: 100 * len(rows) * (3 + len(rows.columns)),
        )


class OneTable(Run):
    """A run that reads one of its tables by a reader that is given."""

    def __init__(self, path: Path, reader: TableReader) -> None:
        super().__init__(path)
        self._reader = reader

    def reader(self, table: str) -> TableReader:
        """Give the reader."""
        return self._reader


@dataclass(frozen=True)
class ServedTable:
    """A table.

    Positions of rows are those of its newest rows, whatever rows a step was stored with.

    Attributes
    ----------
    run_name
        Of its run.
    run, reader
        To read it; the run has this table only.
    listing
        What its folder holds.
    cache
        For what is costly to read.
    """

    run_name: str
    run: Run
    reader: TableReader
    listing: Listing
    cache: Cache = field(repr=False)

    def at(self, listing: Listing) -> ServedTable:
        """Go on with what the folder holds now."""
        return replace(self, listing=listing)

    @property
    def name(self) -> str:
        """Of the table."""
        return self.reader.description.table.name

    @property
    def steps(self) -> list[int]:
        """Stored steps."""
        return list(self.listing.snapshots)

    @property
    def analyzed(self) -> list[int]:
        """Steps with an analysis."""
        return list(self.listing.analyses)

    @property
    def rows(self) -> Rows:
        """The newest rows."""
        return self.reader.read_rows()

    def outline(self) -> tuple[int, list[str]]:
        """Count the newest rows and name their columns, from the lines of their file alone.

        Reading 50,000 rows takes 0.15 s and 20 MB, which a list of a hundred runs must not.
        """
        path = self.reader.folder / "metadata.tsv"

        def read() -> tuple[int, list[str]]:
            content = path.read_bytes()
            heading, _, _ = content.partition(b"\n")
            return content.count(b"\n") - 1, list(parse_rows(heading.decode("utf-8")).columns)

        return self.cache.get(("outline", str(path), self.listing.others.get(path.name)), read, size=lambda _: 500)

    def stamp(self, *steps: int) -> tuple[Any, ...]:
        """All that answers about these steps depend on: part of every key in the cache."""
        listing = self.listing
        stamps = [(listing.snapshots.get(step), listing.analyses.get(step)) for step in steps]
        return (str(self.reader.folder), listing.others.get("table.json"), *stamps)

    def positions(self) -> Mapping[str, int]:
        """Position by label, of the newest rows."""
        key = ("positions", str(self.reader.folder), self.reader.description.rows_version)
        rows = self.rows
        return self.cache.get(key, lambda: positions_of(rows.labels), size=lambda found: 150 * len(found))

    def label(self, row: int) -> str:
        """Label of a row.

        Raises
        ------
        NotFound
            If there is no such row.
        """
        rows = self.rows
        if row >= len(rows):
            raise NotFound(f"There is no row {row}: table {self.name!r} has the rows 0 to {len(rows) - 1}.")
        return rows.labels[row]

    def check_step(self, step: int, *, analyzed: bool = False) -> None:
        """Make sure that a step is there.

        Raises
        ------
        NotFound
            Naming the nearest.
        """
        if step not in self.listing.snapshots:
            raise NotFound(
                f"Table {self.name!r} of run {self.run_name!r} has no snapshot at step {step}; "
                f"{_nearest(self.steps, step, 'stored')}."
            )
        if analyzed and step not in self.listing.analyses:
            raise NotFound(
                f"Step {step} of table {self.name!r} is not analyzed yet; {_nearest(self.analyzed, step, 'analyzed')}. "
                "`visualdl-embedding analyze` fills the gaps."
            )

    def snapshot(self, step: int) -> Snapshot:
        """Read the vectors of a step, in the order of the rows that it was stored with."""
        self.check_step(step)
        return self.reader.read_snapshot(step)

    def header(self, step: int) -> Mapping[str, Any]:
        """Read what an analysis holds beside its arrays."""
        self.check_step(step, analyzed=True)
        key = ("header", str(self.reader.folder), step, self.listing.analyses[step])
        # A header of the demo's has 9 kB as text and about five times that as objects.
        return self.cache.get(key, lambda: read_header(self.reader.path("analysis", step)), size=lambda _: 50_000)

    def headers(self) -> tuple[dict[int, Mapping[str, Any]], list[str]]:
        """Read the headers of all analyses that can be read, and say of which it cannot be done."""
        found, missing = {}, []
        for step in self.analyzed:
            try:
                found[step] = self.header(step)
            except FileNotFoundError:
                continue  # thinned since it was listed
            except (DamagedFileError, NewerFormatError) as error:
                missing.append(str(error))
        return found, missing

    def analysis(self, step: int) -> Analysis:
        """Read an analysis whole."""
        self.check_step(step, analyzed=True)
        return self.reader.read_analysis(step)

    def projection(self, step: int, key: str) -> Projection:
        """Read a projection by its key; its coordinates in the order of the newest rows.

        Raises
        ------
        NotFound
            Naming those that there are.
        """
        known = self.header(step)["projections"]
        if key not in known:
            stored = ", ".join(known) or "none"
            raise NotFound(f"Step {step} of table {self.name!r} has no projection {key!r}; stored are {stored}.")
        found = self.run.projection(self.name, step, key)
        return replace(found, coordinates=self.in_order(step, found.coordinates))

    def order(self, step: int) -> NDArray[np.intp] | None:
        """For each of the newest rows, its position in a step's own rows, -1 where it had none; None: the same."""
        description = self.reader.description
        if len(description.selections) < 2:
            return None

        def find() -> NDArray[np.intp] | None:
            own = self.reader.read_snapshot(step).rows
            if own.version == description.rows_version:
                return None
            order = np.full(len(self.rows), -1, dtype=np.intp)
            newest, at_step = pair_labels(self.rows.labels, own.labels)
            order[newest] = at_step
            return order

        key = ("order", str(self.reader.folder), description.rows_version, step, self.listing.snapshots.get(step))
        return self.cache.get(key, find, size=lambda order: 100 if order is None else order.nbytes)

    def in_order(self, step: int, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring values of a step's own rows into the order of the newest; NaN where a row is new."""
        order = self.order(step)
        if order is None:
            return values
        found = values[np.maximum(order, 0)].copy()
        found[order < 0] = np.nan
        return found

    def newest(self) -> int | None:
        """Find the last analyzed step."""
        return self.analyzed[-1] if self.listing.analyses else None


def _nearest(steps: Sequence[int], step: int, what: str) -> str:
    if not steps:
        return f"no step is {what} yet"
    i = bisect_left(steps, step)
    near = sorted({*steps[max(i - 1, 0) : i + 1]})
    return f"the nearest {what} {'is' if len(near) == 1 else 'are'} {' and '.join(map(str, near))}"
