"""A run, to read: what a training left, or is leaving, in its log directory."""

from __future__ import annotations

import os
import warnings
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from visualdl_embedding.analysis import Analysis, Projection, projection_key
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.rows import Rows
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.projection import Basis
from visualdl_embedding.store import _frames
from visualdl_embedding.store._description import Description, read_description
from visualdl_embedding.store._folder import folder_name
from visualdl_embedding.store._format import DamagedFileError, NotAnalyzedError
from visualdl_embedding.store._table_reader import TableReader

__all__ = ["Run", "open_run"]

_SHOWN = 10


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a log directory that holds snapshots, finished or still growing. Nothing in it is changed.

    Parameters
    ----------
    path
        The ``log_dir`` of a training.

    Raises
    ------
    FileNotFoundError
        If it is no such directory; runs found beside or below it are named.

    Examples
    --------
    >>> run = open_run("runs/a")                                          # doctest: +SKIP
    >>> run.projection("embedding", 100, "tsne").coordinates.shape        # doctest: +SKIP
    (500, 2)
    """
    return Run(path)


class Run:
    """One training's log directory, to read.

    Every call looks at the disk, so that a run that is still growing shows what it holds at the moment.

    Parameters
    ----------
    path
        The ``log_dir`` of a training.

    Attributes
    ----------
    path
        The same.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not _table_files(self.path):
            raise FileNotFoundError(_no_run(self.path))
        self._readers: dict[str, tuple[object, TableReader]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def tables(self) -> list[str]:
        """List the names of the tables, sorted."""
        return sorted(read_description(path).table.name for path in _table_files(self.path))

    def table(self, table: str) -> Description:
        """Say what is known of a table: its shape, configuration, choice of rows, versions of the libraries."""
        return self.reader(table).description

    def rows(self, table: str, version: str | None = None) -> Rows:
        """Read the watched rows of a table; those of an older `version` where one is given."""
        return self.reader(table).read_rows(version)

    def steps(self, table: str, *, analyzed: bool = False) -> list[int]:
        """List the stored steps of a table, ascending.

        Parameters
        ----------
        table
            Its name.
        analyzed
            Only those with an analysis.
        """
        return self.reader(table).steps(analyzed=analyzed)

    def snapshot(self, table: str, step: int) -> Snapshot:
        """Read the watched rows' vectors at a step.

        Raises
        ------
        ValueError
            If there is no such table or step; the message names those nearest. `DamagedFileError` if the file is
            not what it should be.
        """
        reader = self._reader_at(table, step)
        return reader.read_snapshot(step)

    def analysis(self, table: str, step: int) -> Analysis:
        """Read everything computed of the snapshot at a step, as it was stored.

        Raises
        ------
        NotAnalyzedError
            If the step has a snapshot only.
        ValueError
            As `snapshot`.
        """
        return self._reader_analyzed(table, step).read_analysis(step)

    def projection(
        self, table: str, step: int, method: str, *, n_components: int = 2, reproject: bool = True
    ) -> Projection:
        """Read the coordinates of a snapshot by one method.

        PCA is seen through the newest basis of the run, so that all steps compare; ``parameters["basis_version"]``
        says which one that is.

        Parameters
        ----------
        table, step
            Of the snapshot.
        method
            ``"pca"``, ``"tsne"`` or ``"umap"``; or the key of any stored projection, such as ``"tsne_perplexity5"``.
        n_components
            2 or 3, of a method.
        reproject
            False gives PCA as it was when the step was analyzed.

        Raises
        ------
        NotAnalyzedError
            If the step has a snapshot only.
        ValueError
            If no such projection is stored (the message lists those that are), or as `snapshot`.
        """
        reader = self._reader_analyzed(table, step)
        key = projection_key(method, n_components)
        stored = _frames.read_projection(reader.path("analysis", step), key)
        if stored.method != "pca" or not reproject:
            return stored
        return _through_newest_basis(reader, step, key, stored)

    def scalars(self, table: str) -> dict[str, dict[int, float]]:
        """Read all scalars of a table, by key (see `visualdl_embedding.core.names.scalar_key`) and step.

        Only the headers of the files are read. One that cannot be read is passed over with a warning.
        """
        reader = self.reader(table)
        found: dict[str, dict[int, float]] = {}
        damaged: list[str] = []
        for step in reader.steps(analyzed=True):
            try:
                header = _frames.read_header(reader.path("analysis", step))
            except FileNotFoundError:
                continue  # thinned since it was listed
            except DamagedFileError as error:
                damaged.append(str(error))
                continue
            for key, value in header["scalars"].items():
                found.setdefault(key, {})[step] = value
        if damaged:
            more = f" ({len(damaged) - 1} more could not be read)" if len(damaged) > 1 else ""
            warnings.warn(f"Scalars of {table!r} are incomplete: {damaged[0]}{more}", stacklevel=2)
        return found

    def alerts(self, table: str) -> list[dict[str, Any]]:
        """Read the alerts of a table, oldest first."""
        return self.reader(table).alerts()

    def reader(self, table: str) -> TableReader:
        """Open the folder of a table.

        Raises
        ------
        ValueError
            If there is no such table; the message lists those that there are.
        """
        folder = self.path / "embeddings" / folder_name(table)
        try:
            stat = (folder / "table.json").stat()
        except FileNotFoundError:
            known = ", ".join(map(repr, self.tables())) or "none"
            raise ValueError(f"{self.path} has no table {table!r}; its tables are {known}.") from None
        # A resumed training writes table.json anew; rows, which never change, are kept with the reader.
        seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if table not in self._readers or self._readers[table][0] != seen:
            self._readers[table] = (seen, TableReader.open(self.path, table))
        return self._readers[table][1]

    def _reader_at(self, table: str, step: int) -> TableReader:
        reader = self.reader(table)
        if not reader.path("snapshot", step).exists():
            raise ValueError(f"Table {table!r} has no snapshot at step {step}; {_nearest(reader.steps(), step)}.")
        return reader

    def _reader_analyzed(self, table: str, step: int) -> TableReader:
        reader = self._reader_at(table, step)
        if not reader.path("analysis", step).exists():
            raise NotAnalyzedError(
                f"Step {step} of table {table!r} has a snapshot but is not analyzed; "
                f"{_nearest(reader.steps(analyzed=True), step, 'analyzed')}. "
                f"Run `visualdl-embedding analyze {self.path}` to fill the gaps."
            )
        return reader


def _through_newest_basis(reader: TableReader, step: int, key: str, stored: Projection) -> Projection:
    newest = _newest_pca(reader, step, key)
    if newest is None:
        return stored
    basis, seen = newest
    snapshot = reader.read_snapshot(step)
    usable = snapshot.usable(reader.description.config.distance)
    placed = basis.transform(snapshot.vectors[usable], stored.n_components)
    return replace(
        stored,
        coordinates=spread(placed, usable, len(snapshot.rows)),
        parameters={**stored.parameters, "basis_version": basis.version, "basis_step": basis.step},
        axes=seen.axes,
        axes_version=seen.axes_version,
    )


def _newest_pca(reader: TableReader, step: int, key: str) -> tuple[Basis, Projection] | None:
    """Find the newest basis of a run, with its projection; None where the step itself uses that basis."""
    own = _frames.read_basis(reader.path("analysis", step))
    if own is None:
        return None
    for other in reversed(reader.steps(analyzed=True)):
        path = reader.path("analysis", other)
        try:
            basis = _frames.read_basis(path)
            if basis is None or basis.mean.shape != own.mean.shape:
                continue
            if (basis.version, basis.step) == (own.version, own.step):
                return None
            return basis, _frames.read_projection(path, key)
        except (OSError, ValueError):
            continue
    return None


def _table_files(path: Path) -> list[Path]:
    return sorted((path / "embeddings").glob("*/table.json"))


def _nearest(steps: Sequence[int], step: int, what: str = "stored") -> str:
    if not steps:
        return f"no step is {what}"
    i = bisect_left(steps, step)
    near = sorted({*steps[max(i - 1, 0) : i + 1]})
    verb = "is" if len(near) == 1 else "are"
    return f"the nearest {what} {verb} {' and '.join(map(str, near))} ({len(steps)} in all)"


def _no_run(path: Path) -> str:
    if not path.exists():
        message = f"There is no directory {path}."
    elif not path.is_dir():
        message = f"{path} is a file; open_run takes the log directory of a training."
    elif any(path.glob("*vdlrecords*.log")):
        message = (
            f"{path} holds a log of VisualDL but no embeddings/*/table.json: no EmbeddingCallback has written there."
        )
    else:
        message = f"{path} is no run: it has no embeddings/*/table.json."
    for place, folder in (("It contains", path), ("Beside it are", path.parent)):
        if folder.is_dir():
            runs = [str(child) for child in sorted(folder.iterdir()) if child.is_dir() and _table_files(child)]
            if runs:
                more = f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
                return f"{message} {place} the runs {', '.join(runs[:_SHOWN])}{more}."
    return message
