"""Report on an embedding table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Analysis, Config
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.findings import Finding
from visualdl_embedding.reports._colors import Coloring, choose_coloring, column_colorings, numeric
from visualdl_embedding.reports._study import Study
from visualdl_embedding.reports._views import View, views_of

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects

__all__ = ["Report"]


@dataclass(frozen=True, repr=False)
class Report:
    """Report on an embedding table, made by `visualdl_embedding.reports.report`.

    Attributes
    ----------
    name
        Display name of the model.
    source
        Source of the model as given; ``"array"`` for an array.
    table
        Description of the whole table.
    snapshot
        Snapshot of the n selected rows.
    analysis
        Result of `analyze` for the snapshot and `config`: neighbors in the original space, projections and metrics. The
        neighbors are positions among the usable rows.
    config
        Parameters of the analysis, with one spec per method, number of components, parameter value and seed.
    study
        Agreement of the projections, stability of the rows, clusters, and doubtful clusters.
    findings
        Findings, most severe first.
    parameters
        Arguments of `report` as plain values for JSON; equal arguments make equal reports.
    versions
        Versions of the libraries.
    notes
        Sentences about reduced parameters, excluded rows and missing data.
    seconds
        Time by part, in seconds.
    """

    name: str
    source: str
    table: Table
    snapshot: Snapshot
    analysis: Analysis
    config: Config
    study: Study
    findings: tuple[Finding, ...]
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        views = ", ".join(view.key for view in self.views)
        return (
            f"<Report of {self.table.name!r}: {len(self.snapshot.rows):,} of {self.table.num_rows:,} rows, "
            f"views {views}; {len(self.findings)} findings>"
        )

    def _repr_html_(self) -> str:
        from visualdl_embedding.reports._notebook import summary_html

        return summary_html(self)

    @property
    def counters(self) -> Mapping[str, float]:
        """Counters of the whole table by name; empty for an array."""
        return self.snapshot.counters

    @property
    def clusters(self) -> NDArray[np.int32]:
        """Cluster numbers in the original space, ``(n,)`` int32; -1 for rows without a cluster."""
        return self.study.clusters

    @cached_property
    def views(self) -> tuple[View, ...]:
        """Projections of the analysis with their measurements."""
        return views_of(self.analysis, self.config)

    def view(self, key: str) -> View:
        """Return the view with a key.

        Raises
        ------
        ValueError
            If there is no such view; the message lists the available keys.
        """
        for view in self.views:
            if view.key == key:
                return view
        raise ValueError(f"There is no view {key!r}; there are {', '.join(view.key for view in self.views)}.")

    @cached_property
    def colorings(self) -> dict[str, Coloring]:
        """Colorings of the points by name, except for the trustworthiness of each view."""
        found = column_colorings(self.snapshot.rows.columns)
        study = self.study
        clusters = tuple("" if c < 0 else f"cluster {c + 1}" for c in study.clusters.tolist())
        ours = [numeric("norm", self.analysis.row_metrics["norm"])] if "norm" in self.analysis.row_metrics else []
        if any(clusters):
            ours.append(Coloring("cluster", groups=clusters, derived=True))
        for name, values in (("agreement", study.agreement), ("stability", study.stability)):
            if values is not None and np.isfinite(values).any():
                ours.append(Coloring(name, values=values.astype(np.float64)))
        for coloring in ours:
            # Columns of the user take precedence over results with the same name.
            name = coloring.name if coloring.name not in self.snapshot.rows.columns else f"{coloring.name} (computed)"
            found[name] = coloring
        return found

    @property
    def color(self) -> str:
        """Name of the coloring of the pictures: the requested one, or the default of `choose_coloring`."""
        wish = self.parameters.get("color")
        return wish if wish == "trustworthiness" or wish in self.colorings else choose_coloring(self.colorings, None)

    @cached_property
    def representative(self) -> NDArray[np.float32]:
        """Rank of each row for the choice of labels on the maps, ``(n,)`` float32, 0 to 1, highest first.

        This is the mean of two ranks: the agreement of the maps, and the frequency, if known. A row with high agreement
        has the same neighbors on the maps as in the original space, so its label represents its surroundings.
        """
        ranks = []
        honest = self.study.agreement
        if honest is not None:
            ranks.append(_rank(honest))
        frequency = self.colorings.get("frequency")
        if frequency is not None and frequency.values is not None:
            ranks.append(_rank(frequency.values))
        if not ranks:
            return np.zeros(len(self.snapshot.rows), np.float32)
        mean: NDArray[np.float32] = np.asarray(np.mean(ranks, axis=0), dtype=np.float32)
        return mean

    def coordinates(self) -> dict[str, NDArray[Any]]:
        """Return the data of every row by column, in the order of `snapshot.rows`.

        Returns
        -------
        Arrays of n values: id, label, the columns of the vocabulary, norm, cluster, agreement, stability, and for each
        view the coordinates and the trustworthiness, such as ``tsne_x``, ``tsne_y``, ``tsne_trustworthiness``.
        """
        from visualdl_embedding.reports._tables import coordinate_columns

        return coordinate_columns(self)

    def to_frame(self) -> pandas.DataFrame:
        """Return `coordinates` as a pandas DataFrame.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "Report.to_frame needs pandas: pip install pandas. Without it, Report.coordinates() gives the same "
                "columns as arrays."
            ) from None
        return pandas.DataFrame(self.coordinates())

    def figure(self, view_key: str, *, color: str | None = None) -> plotly.graph_objects.Figure:
        """Draw a view as a Plotly figure for notebooks.

        Hover text shows the label, id, group and nearest neighbors with their cosine similarities. This requires the
        extra ``notebook``.

        Parameters
        ----------
        view_key
            Key of a view, such as ``"tsne"``.
        color
            Name in `colorings`, or ``"trustworthiness"``; the coloring of the report if None.

        Raises
        ------
        ModuleNotFoundError
            If plotly is not installed.
        """
        from visualdl_embedding.reports._figures import view_figure

        return view_figure(self, self.view(view_key), color=color)

    @cached_property
    def figures(self) -> dict[str, plotly.graph_objects.Figure]:
        """Figures of all views by key, created at first access."""
        return {view.key: self.figure(view.key) for view in self.views}

    def write(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write the page, the pictures and the tables into a folder.

        All files are written to a temporary folder first and moved when complete. A folder with only an earlier report
        is replaced. A folder with other files is unchanged, unless `overwrite` is true.

        Parameters
        ----------
        folder
            Destination; created if it does not exist.
        overwrite
            Whether to write into a folder with other files. Files with the names of report files are replaced, and
            all others are kept.

        Returns
        -------
        Paths of the written files, ``report.html`` first. If the page was not built at installation, that file is
        omitted and a warning is logged.

        Raises
        ------
        FileExistsError
            If the folder contains other files.
        PermissionError, NotADirectoryError
            If the folder cannot be written.
        """
        from visualdl_embedding.reports._write import write_report

        return write_report(self, Path(folder), overwrite=overwrite)


def _rank(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return ranks from 0 to 1, equal for equal values and lowest for values that are not finite."""
    known = np.where(np.isfinite(values), values, -np.inf)
    _, inverse = np.unique(known, return_inverse=True)
    return inverse / max(1, int(inverse.max()))
