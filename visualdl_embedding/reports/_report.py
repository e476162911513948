"""What a report holds."""

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
    """A table looked at: `visualdl_embedding.reports.report` makes it.

    Attributes
    ----------
    name
        Of the model, for people.
    source
        The model as it was given; ``"array"`` for an array.
    table
        The whole table.
    snapshot
        The n rows that are shown.
    analysis
        What `analyze` makes of the snapshot with `config`: neighbors in the original space (of finite rows only, whose
        positions they use), projections, metrics.
    config
        How it was analyzed; its specs are the projections, one for each method, number of components, parameter value
        and seed.
    study
        How far the projections agree, how stable each row's place is, clusters, and which of them are doubtful.
    findings
        What to look at, the gravest first.
    parameters
        All that `report` was told, plain values for JSON: the same call makes the same report.
    versions
        Of the libraries that made it.
    notes
        Sentences about what was lowered, left out or missing.
    seconds
        Time spent by part.
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
        """Numbers about the whole table, by name; empty for an array."""
        return self.snapshot.counters

    @property
    def clusters(self) -> NDArray[np.int32]:
        """``(n,)`` int32: clusters of the original space, -1 for rows of none."""
        return self.study.clusters

    @cached_property
    def views(self) -> tuple[View, ...]:
        """The projections of the analysis, each with what was measured of it."""
        return views_of(self.analysis, self.config)

    def view(self, key: str) -> View:
        """Look up a view.

        Raises
        ------
        ValueError
            There is none of this name; the message names those that there are.
        """
        for view in self.views:
            if view.key == key:
                return view
        raise ValueError(f"There is no view {key!r}; there are {', '.join(view.key for view in self.views)}.")

    @cached_property
    def colorings(self) -> dict[str, Coloring]:
        """What points can be colored by, besides each view's own trustworthiness."""
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
            # A column of the user's of the same name keeps it.
            name = coloring.name if coloring.name not in self.snapshot.rows.columns else f"{coloring.name} (computed)"
            found[name] = coloring
        return found

    @property
    def color(self) -> str:
        """The coloring that the pictures use: what was asked for, or else what tells most."""
        wish = self.parameters.get("color")
        return wish if wish == "trustworthiness" or wish in self.colorings else choose_coloring(self.colorings, None)

    @cached_property
    def representative(self) -> NDArray[np.float32]:
        """``(n,)`` float32: how well a row's label represents its surroundings; the highest are labeled on the maps.

        The mean of two ranks: how honestly the maps place the row (where its neighbors on the map are its neighbors in
        the original space, a label speaks for its surroundings), and how frequent it is, where that is known.
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
        """List everything known of every row, by column, in the order of `snapshot.rows`.

        Returns
        -------
        Arrays of n values: id, label, the vocabulary's columns, norm, cluster, agreement, stability, and each view's
        coordinates and trustworthiness, as ``tsne_x``, ``tsne_y``, ``tsne_trustworthiness``.
        """
        from visualdl_embedding.reports._tables import coordinate_columns

        return coordinate_columns(self)

    def to_frame(self) -> pandas.DataFrame:
        """Give `coordinates` as a pandas DataFrame.

        Raises
        ------
        ModuleNotFoundError
            pandas is not installed.
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
        """Draw a view for a notebook: hover shows label, id, group and the nearest neighbors with their cosine.

        Needs the extra ``notebook``.

        Parameters
        ----------
        view_key
            ``"tsne"``: one of the views' keys.
        color
            One of `colorings`, or ``"trustworthiness"``; the report's own if None.

        Raises
        ------
        ModuleNotFoundError
            plotly is not installed.
        """
        from visualdl_embedding.reports._figures import view_figure

        return view_figure(self, self.view(view_key), color=color)

    @cached_property
    def figures(self) -> dict[str, plotly.graph_objects.Figure]:
        """A figure for every view, by key; made when first asked for."""
        return {view.key: self.figure(view.key) for view in self.views}

    def write(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write the page, the pictures and the tables into a folder, all or nothing.

        A folder that holds nothing but an earlier report is replaced: reports are made again and again, and this one
        says all that made it. A folder that holds anything else is left alone.

        Parameters
        ----------
        folder
            Made where it does not exist.
        overwrite
            Write into a folder that holds other things too. Files with the names of a report's are replaced, all others
            stay.

        Returns
        -------
        The files written, ``report.html`` first. Where the page was not built at installation, that is left out, with a
        warning in the log.

        Raises
        ------
        FileExistsError
            The folder holds something else.
        PermissionError, NotADirectoryError
            It cannot be written.
        """
        from visualdl_embedding.reports._write import write_report

        return write_report(self, Path(folder), overwrite=overwrite)


def _rank(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks from 0 to 1, equal values the same; what is not finite ranks lowest."""
    known = np.where(np.isfinite(values), values, -np.inf)
    _, inverse = np.unique(known, return_inverse=True)
    return inverse / max(1, int(inverse.max()))
