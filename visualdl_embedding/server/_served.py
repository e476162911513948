"""Table of a run as the endpoints read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Projection, split_key
from visualdl_embedding.core.pairing import pair_labels, positions_of
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.errors import DamagedFileError, NewerFormatError
from visualdl_embedding.server._files import Listing
from visualdl_embedding.server._http import Cache, NotFound
from visualdl_embedding.store import Description, TableReader, nearest_steps, parse_rows, read_header, read_projection

__all__ = ["BoundedReader", "ServedTable"]


class BoundedReader(TableReader):
    """Reader of a table that keeps rows in a bounded cache."""

    def __init__(self, folder: Path, description: Description, *, cache: Cache) -> None:
        super().__init__(folder, description)
        self._cache = cache

    def read_rows(self, version: str | None = None) -> Rows:
        """Read the rows of a version; None for the newest."""
        wanted = version or self.description.rows_version
        # The version is a hash of the content; the selection holds what may change without it, such as watched labels.
        return self._cache.get(
            ("rows-of", str(self.folder), wanted, repr(self.description.selections.get(wanted))),
            lambda: TableReader(self.folder, self.description).read_rows(wanted),
            size=lambda rows: 100 * len(rows) * (3 + len(rows.columns)),
        )


@dataclass(frozen=True)
class ServedTable:
    """Table of a run, with the content of its folder and a cache of values that are slow to read.

    Positions of rows refer to the newest rows, also for steps that were stored with other rows.
    """

    run_name: str
    reader: TableReader
    listing: Listing
    cache: Cache = field(repr=False)

    @property
    def name(self) -> str:
        """Name of the table."""
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
        """Newest rows."""
        return self.reader.read_rows()

    def outline(self) -> tuple[int, list[str]]:
        """Count the newest rows and name their columns.

        Counts the lines of the file: parsing 50,000 rows takes 0.15 s and 20 MB, too much for a list of 100 runs.
        """
        path = self.reader.folder / "metadata.tsv"

        def read() -> tuple[int, list[str]]:
            content = path.read_bytes()
            heading, _, _ = content.partition(b"\n")
            return content.count(b"\n") - 1, list(parse_rows(heading.decode("utf-8")).columns)

        return self.cache.get(("outline", str(path), self.listing.others.get(path.name)), read, size=lambda _: 500)

    def stamp(self, *steps: int) -> tuple[Any, ...]:
        """State of ``table.json``, which holds the version of the rows, and of the files of some steps."""
        listing = self.listing
        stamps = [(step, listing.snapshots.get(step), listing.analyses.get(step)) for step in steps]
        return (str(self.reader.folder), listing.others.get("table.json"), *stamps)

    def frame_stamp(self, step: int, projection: str) -> tuple[Any, ...]:
        """State of everything that a frame is read from. PCA uses the newest readable basis, hence all analyses."""
        others = self.listing.analyses_stamp if split_key(projection)[0] == "pca" else ""
        return (*self.stamp(step), others, projection)

    def positions(self) -> Mapping[str, int]:
        """Positions of the newest rows by label."""
        key = ("positions", str(self.reader.folder), self.reader.description.rows_version)
        rows = self.rows
        return self.cache.get(key, lambda: positions_of(rows.labels), size=lambda found: 150 * len(found))

    def label(self, row: int) -> str:
        """Label of a row. Raise `NotFound` if there is no such row."""
        rows = self.rows
        if row >= len(rows):
            raise NotFound(f"There is no row {row}: table {self.name!r} has the rows 0 to {len(rows) - 1}.")
        return rows.labels[row]

    def check_step(self, step: int, *, analyzed: bool = False) -> None:
        """Raise `NotFound` if a step is not stored, or not analyzed; the message names the nearest steps."""
        if step not in self.listing.snapshots:
            raise NotFound(
                f"Table {self.name!r} of run {self.run_name!r} has no snapshot at step {step}; "
                f"{nearest_steps(self.steps, step)}."
            )
        if analyzed and step not in self.listing.analyses:
            raise NotFound(
                f"Step {step} of table {self.name!r} is not analyzed yet; "
                f"{nearest_steps(self.analyzed, step, 'analyzed')}. `visualdl-embedding analyze` fills the gaps."
            )

    def check_projection(self, step: int, key: str) -> None:
        """Raise `NotFound` if an analyzed step has no such projection; the message lists its projections."""
        header = self.header(step)
        stored = header["projections"]
        if key not in stored:
            why = "" if stored else "".join(f" {note}" for note in header["notes"])
            raise NotFound(
                f"Step {step} of table {self.name!r} has no projection {key!r}; stored are "
                f"{', '.join(stored) or 'none'}.{why}"
            )

    def header(self, step: int) -> Mapping[str, Any]:
        """Read the metadata of an analysis."""
        self.check_step(step, analyzed=True)
        key = ("header", str(self.reader.folder), step, self.listing.analyses[step])
        # The demo's headers have 9 kB as text and about five times that as objects.
        return self.cache.get(key, lambda: read_header(self.reader.path("analysis", step)), size=lambda _: 50_000)

    def headers(self) -> tuple[dict[int, Mapping[str, Any]], list[str]]:
        """Read the metadata of all analyses; the second value lists errors of unreadable ones."""
        found, missing = {}, []
        for step in self.analyzed:
            try:
                found[step] = self.header(step)
            except FileNotFoundError:
                continue  # thinned after the folder was listed
            except (DamagedFileError, NewerFormatError) as error:
                missing.append(str(error))
        return found, missing

    def projection(self, step: int, key: str) -> Projection:
        """Read a projection, with its coordinates in the order of the newest rows."""
        self.check_projection(step, key)
        found = read_projection(self.reader, step, key)
        return replace(found, coordinates=self.in_order(step, found.coordinates))

    def order(self, step: int) -> NDArray[np.intp] | None:
        """Position of each of the newest rows among the rows of a step, -1 if absent; None if the rows are equal."""
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

    def in_order(self, step: int, values: NDArray[Any], *, missing: float = np.nan) -> NDArray[Any]:
        """Reorder values of a step's rows to the newest rows; `missing` for new rows."""
        order = self.order(step)
        if order is None:
            return values
        found = values[np.maximum(order, 0)].copy()
        found[order < 0] = missing
        return found
