"""Report on an embedding table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import Analysis, Config, Projection, ProjectionSpec
from visualdl_embedding.core.arrays import spread
from visualdl_embedding.core.neighbors import normalize
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.core.table import Table
from visualdl_embedding.figures import projection_name
from visualdl_embedding.findings import Finding
from visualdl_embedding.reports._colors import Coloring, choose_coloring, column_colorings, numeric
from visualdl_embedding.reports._study import ViewStudy

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects

T = TypeVar("T")

__all__ = ["Report", "View"]

NO_PICTURE = frozenset(
    {
        "misplaced",
        "rearranged",
        "rescaled",
        "basis_step",
        "basis_version",
        "method",
        "warm",
        "null_motion",
        "random_state",
        "redrawn",
    }
)
"""Parameters of a projection that are irrelevant for a single picture."""


@dataclass(frozen=True)
class View:
    """Projection of an analysis with its measurements.

    Attributes
    ----------
    spec
        Specification of the projection.
    projection
        Coordinates of all n rows, NaN for rows that are not usable.
    numbers
        Finite scalars by name: ``"trustworthiness"``, ``"continuity"``, ``"noise_floor"``, ``"explained_variance"``, …
    trustworthiness
        Trustworthiness of each row, ``(n,)`` float32, 0 to 1, higher is better.
    """

    spec: ProjectionSpec
    projection: Projection
    numbers: dict[str, float]
    trustworthiness: NDArray[np.float32]

    @property
    def key(self) -> str:
        """Key of the projection, used for the picture and for the columns of the coordinates."""
        return self.spec.key

    @property
    def title(self) -> str:
        """Display name, such as ``"t-SNE, perplexity 30"``."""
        words = [projection_name(self.spec.method, self.spec.n_components)]
        words += [f"{name.replace('_', ' ')} {value:g}" for name, value in self.spec.parameters.items()]
        return ", ".join([*words, *([f"seed {self.spec.random_state}"] if self.spec.repeat else [])])

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters to show next to the picture, with the seed last."""
        shown = {k: v for k, v in self.projection.parameters.items() if k not in NO_PICTURE}
        return shown if self.spec.method == "pca" else shown | {"random_state": self.spec.random_state}


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
    study: ViewStudy
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
        from visualdl_embedding.reports._show import summary_html

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
        return tuple(
            View(
                spec,
                self.analysis.projections[spec.key],
                self.analysis.numbers(spec.key),
                self.analysis.row_numbers(spec.key)["trustworthiness"],
            )
            for spec in self.config.specs
        )

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
        clusters = tuple("" if c < 0 else f"cluster {c + 1}" for c in self.clusters.tolist())
        ours = {"norm": numeric("norm", self.analysis.row_metrics["norm"])}
        if any(clusters):
            ours["cluster"] = Coloring("cluster", groups=clusters, derived=True)
        for name, values in (("agreement", self.study.agreement), ("stability", self.study.stability)):
            if values is not None and np.isfinite(values).any():
                ours[name] = Coloring(name, values=values.astype(np.float64))
        return column_colorings(self.snapshot.rows.columns) | self._beside_columns(ours)

    def _beside_columns(self, results: Mapping[str, T]) -> dict[str, T]:
        """Rename results that have the name of a column; columns of the user take precedence."""
        columns = self.snapshot.rows.columns
        return {f"{name} (computed)" if name in columns else name: value for name, value in results.items()}

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
        frequency = self.colorings.get("frequency", Coloring("frequency")).values
        ranks = [_rank(values) for values in (self.study.agreement, frequency) if values is not None]
        return np.asarray(np.mean(ranks or [np.zeros(len(self.snapshot.rows))], axis=0), dtype=np.float32)

    @cached_property
    def neighbors(self) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Neighbors in the original space as positions among all n rows, with cosines and distances.

        Neighbors, ``(n, k)`` int64, nearest first, -1 for rows that are not usable; their cosine similarities, -1 to 1,
        and their distances, both ``(n, k)`` float32, NaN for rows that are not usable.
        """
        graph, n = self.analysis.neighbors, len(self.snapshot.rows)
        positions = np.flatnonzero(self.snapshot.usable(graph.distance))
        indices = np.full((n, graph.n_neighbors), -1, dtype=np.int64)
        indices[positions] = positions[graph.indices]
        if graph.distance == "cosine":
            cosines = 1 - graph.distances
        else:
            unit = normalize(self.snapshot.vectors[positions])
            cosines = np.empty_like(graph.distances)
            for j, near in enumerate(graph.indices.T):
                cosines[:, j] = np.einsum("nd,nd->n", unit, unit[near])
        return indices, spread(cosines, positions, n), spread(graph.distances, positions, n)

    def coordinates(self) -> dict[str, NDArray[Any]]:
        """Return the data of every row by column, in the order of `snapshot.rows`.

        Returns
        -------
        Arrays of n values: id, label, the columns of the vocabulary, norm, cluster, agreement, stability, and for each
        view the coordinates and the trustworthiness, such as ``tsne_x``, ``tsne_y``, ``tsne_trustworthiness``.
        """
        rows, study = self.snapshot.rows, self.study
        ours: dict[str, NDArray[Any] | None] = {"norm": self.analysis.row_metrics["norm"], "cluster": self.clusters}
        ours |= {"agreement": study.agreement, "stability": study.stability}
        columns: dict[str, NDArray[Any]] = {"id": rows.ids, "label": np.array(rows.labels, dtype=object)}
        columns |= {name: np.array(cells, dtype=object) for name, cells in rows.columns.items()}
        columns |= {name: values for name, values in self._beside_columns(ours).items() if values is not None}
        for view in self.views:
            for axis, places in zip("xyz", view.projection.coordinates.T, strict=False):
                columns[f"{view.key}_{axis}"] = places
            columns[f"{view.key}_trustworthiness"] = view.trustworthiness
        return columns

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
        from visualdl_embedding.reports._show import view_figure

        return view_figure(self, self.view(view_key), color=color)

    @cached_property
    def figures(self) -> dict[str, plotly.graph_objects.Figure]:
        """Figures of all views by key, created at first access."""
        return {view.key: self.figure(view.key) for view in self.views}

    def write(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write the page, the pictures and the tables into a folder.

        All files are written to a temporary folder inside it first and moved when complete. A folder with only an
        earlier report is replaced. A folder with other files is unchanged, unless `overwrite` is true.

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
