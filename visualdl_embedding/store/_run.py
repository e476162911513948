"""Read access to the log directory of a training."""

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
from visualdl_embedding.core.stamps import file_stamp
from visualdl_embedding.errors import DamagedFileError, NewerFormatError, NotAnalyzedError
from visualdl_embedding.projection import Basis
from visualdl_embedding.store import _frames
from visualdl_embedding.store._description import Description, read_description
from visualdl_embedding.store._table_reader import TableReader, table_folder

__all__ = ["Run", "is_run", "nearest_steps", "open_run", "read_projection"]

_SHOWN = 10


def is_run(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the log directory of a run, and not a saved model."""
    return bool(_table_files(Path(path)))


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a log directory with snapshots of a finished or running training. The directory is not modified.

    Parameters
    ----------
    path
        The ``log_dir`` of a training.

    Raises
    ------
    FileNotFoundError
        If there is no such run; the message names runs next to it or below it.

    Examples
    --------
    >>> run = open_run("runs/a")                                          # doctest: +SKIP
    >>> run.projection("embedding", 100, "tsne").coordinates.shape        # doctest: +SKIP
    (500, 2)
    """
    return Run(path)


class Run:
    """Read access to the log directory of one training.

    Every call reads from disk, so a running training is shown in its current state.

    Attributes
    ----------
    path
        The ``log_dir`` of a training.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not _table_files(self.path):
            raise FileNotFoundError(_no_run(self.path))
        self._readers: dict[str, tuple[object, TableReader]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def tables(self) -> list[str]:
        """List the names of the tables, sorted. A table that cannot be read is skipped with a warning.

        Raises
        ------
        DamagedFileError, NewerFormatError
            If no table can be read.
        """
        found: list[str] = []
        damaged: list[DamagedFileError | NewerFormatError] = []
        for path in _table_files(self.path):
            try:
                found.append(read_description(path).table.name)
            except (DamagedFileError, NewerFormatError) as error:
                damaged.append(error)
        if damaged and not found:
            raise damaged[0]
        _warn(f"The tables of {self.path}", damaged)
        return sorted(found)

    def table(self, table: str) -> Description:
        """Return the description of a table: shape, configuration, choice of rows, versions of the libraries."""
        return self.reader(table).description

    def rows(self, table: str, version: str | None = None) -> Rows:
        """Read the watched rows of a table, by default those of the current version."""
        return self.reader(table).read_rows(version)

    def steps(self, table: str, *, analyzed: bool = False, analysed: bool | None = None) -> list[int]:
        """List the stored steps of a table, ascending.

        Parameters
        ----------
        table
            Name of the table.
        analyzed
            Only those with an analysis.
        analysed
            Old spelling of `analyzed`.
        """
        if analysed is not None:
            warnings.warn("steps(analysed=) is now steps(analyzed=).", DeprecationWarning, stacklevel=2)
            analyzed = analysed
        return self.reader(table).steps(analyzed=analyzed)

    def snapshot(self, table: str, step: int) -> Snapshot:
        """Read the vectors of the watched rows at a step.

        Raises
        ------
        ValueError
            If there is no such table or step; the message suggests the nearest. `DamagedFileError` if the file is
            invalid.
        """
        return self._reader_at(table, step).read_snapshot(step)

    def analysis(self, table: str, step: int) -> Analysis:
        """Read the analysis of the snapshot at a step as stored.

        Raises
        ------
        NotAnalyzedError
            If the step has a snapshot but no analysis.
        ValueError
            As in `snapshot`.
        """
        return self._reader_analyzed(table, step).read_analysis(step)

    def projection(
        self, table: str, step: int, method: str, *, n_components: int = 2, reproject: bool = True
    ) -> Projection:
        """Read the coordinates of a snapshot by one method.

        PCA is projected onto the newest basis of the run, so that all steps are comparable.
        ``parameters["basis_version"]`` is the version of that basis.

        Parameters
        ----------
        table, step
            Table name and step of the snapshot.
        method
            ``"pca"``, ``"tsne"`` or ``"umap"``; or the key of any stored projection, such as ``"tsne_perplexity5"``.
        n_components
            2 or 3, of a method.
        reproject
            If False, return the PCA that was stored when the step was analyzed.

        Raises
        ------
        NotAnalyzedError
            If the step has a snapshot but no analysis.
        ValueError
            If no such projection is stored (the message lists the stored projections), or as in `snapshot`.
        """
        reader = self._reader_analyzed(table, step)
        return read_projection(reader, step, projection_key(method, n_components), reproject=reproject)

    def scalars(self, table: str) -> dict[str, dict[int, float]]:
        """Read all scalars of a table, by key (see `visualdl_embedding.core.names.scalar_key`) and step.

        Only the headers of the files are read. Files that cannot be read are skipped with a warning.
        """
        reader = self.reader(table)
        found: dict[str, dict[int, float]] = {}
        damaged: list[DamagedFileError | NewerFormatError] = []
        for step in reader.steps(analyzed=True):
            try:
                header = _frames.read_header(reader.path("analysis", step))
            except FileNotFoundError:
                continue  # removed by thinning since it was listed
            except (DamagedFileError, NewerFormatError) as error:
                damaged.append(error)
                continue
            for key, value in header["scalars"].items():
                found.setdefault(key, {})[step] = value
        _warn(f"Scalars of {table!r}", damaged)
        return found

    def alerts(self, table: str) -> list[dict[str, Any]]:
        """Read the alerts of a table, oldest first."""
        return self.reader(table).alerts()

    def reader(self, table: str) -> TableReader:
        """Open the reader of a table.

        Raises
        ------
        ValueError
            If there is no such table; the message lists the tables.
        """
        seen = file_stamp(table_folder(self.path, table) / "table.json")
        if seen is None:
            known = ", ".join(map(repr, self.tables())) or "none"
            raise ValueError(f"{self.path} has no table {table!r}; its tables are {known}.")
        # A resumed training rewrites table.json. Rows never change, so the reader keeps them.
        if table not in self._readers or self._readers[table][0] != seen:
            self._readers[table] = (seen, TableReader.open(self.path, table))
        return self._readers[table][1]

    def _reader_at(self, table: str, step: int) -> TableReader:
        reader = self.reader(table)
        if not reader.path("snapshot", step).exists():
            raise ValueError(f"Table {table!r} has no snapshot at step {step}; {nearest_steps(reader.steps(), step)}.")
        return reader

    def _reader_analyzed(self, table: str, step: int) -> TableReader:
        reader = self._reader_at(table, step)
        if not reader.path("analysis", step).exists():
            raise NotAnalyzedError(
                f"Step {step} of table {table!r} has a snapshot but is not analyzed; "
                f"{nearest_steps(reader.steps(analyzed=True), step, 'analyzed')}. "
                f"Run `visualdl-embedding analyze {self.path}` to fill the gaps."
            )
        return reader


def read_projection(reader: TableReader, step: int, key: str, *, reproject: bool = True) -> Projection:
    """Read a projection by its key; PCA is projected onto the newest basis of the run if `reproject`."""
    stored = _frames.read_projection(reader.path("analysis", step), key)
    newest = _newest_pca(reader, step, key) if stored.method == "pca" and reproject else None
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
    """Find the newest basis of a run and its projection; None if the step itself uses that basis."""
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


def _warn(what: str, damaged: Sequence[Exception]) -> None:
    """Warn the caller of a method that its result lacks the damaged files, if there are any."""
    if damaged:
        more = f" ({len(damaged) - 1} more could not be read)" if len(damaged) > 1 else ""
        warnings.warn(f"{what} are incomplete: {damaged[0]}{more}", stacklevel=3)


def _table_files(path: Path) -> list[Path]:
    return sorted((path / "embeddings").glob("*/table.json"))


def nearest_steps(steps: Sequence[int], step: int, what: str = "stored") -> str:
    """Describe the steps nearest to a missing one.

    >>> nearest_steps([0, 50, 100], 60)
    'the nearest stored are 50 and 100 (3 in all)'
    """
    if not steps:
        return f"no steps are {what}"
    i = bisect_left(steps, step)
    near = sorted({*steps[max(i - 1, 0) : i + 1]})
    verb = "is" if len(near) == 1 else "are"
    return f"the nearest {what} {verb} {' and '.join(map(str, near))} ({len(steps)} in all)"


def _no_run(path: Path) -> str:
    if not path.exists():
        message = f"There is no directory {path}."
    elif not path.is_dir():
        message = f"{path} is a file; open_run expects the log directory of a training."
    elif any(path.glob("*vdlrecords*.log")):
        message = (
            f"{path} holds a VisualDL log but no embeddings/*/table.json; train with an EmbeddingCallback to write one."
        )
    else:
        message = f"{path} is not a run: it has no embeddings/*/table.json."
    for place, folder in (("It contains", path), ("Beside it are", path.parent)):
        if folder.is_dir():
            runs = [str(child) for child in sorted(folder.iterdir()) if child.is_dir() and _table_files(child)]
            if runs:
                more = f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
                return f"{message} {place} the runs {', '.join(runs[:_SHOWN])}{more}."
    return message
