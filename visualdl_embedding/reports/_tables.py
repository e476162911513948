"""Tables of a report: coordinates by row, neighbors by pair, and all other data as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.core.jsonable import dumps
from visualdl_embedding.core.text import spreadsheet_cell
from visualdl_embedding.page import neighbor_table

if TYPE_CHECKING:
    from visualdl_embedding.reports._report import Report

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "coordinate_columns",
    "coordinates_csv",
    "neighbors_tsv",
    "report_json",
]

FORMAT = "visualdl-embedding report"
"""Format name in ``report.json``, which identifies the folder of a report."""
FORMAT_VERSION = 1


def coordinate_columns(report: Report) -> dict[str, NDArray[Any]]:
    """Return the data of every row by column; see `Report.coordinates`."""
    rows, study = report.snapshot.rows, report.study
    columns: dict[str, NDArray[Any]] = {"id": rows.ids, "label": np.array(rows.labels, dtype=object)}
    for name, cells in rows.columns.items():
        columns[name] = np.array(cells, dtype=object)
    ours: dict[str, NDArray[Any] | None] = {
        "norm": report.analysis.row_metrics.get("norm"),
        "cluster": study.clusters,
        "agreement": study.agreement,
        "stability": study.stability,
    }
    for name, values in ours.items():
        if values is not None:
            columns[name if name not in columns else f"{name} (computed)"] = values
    for view in report.views:
        for axis, places in zip("xyz", view.projection.coordinates.T, strict=False):
            columns[f"{view.key}_{axis}"] = places
        columns[f"{view.key}_trustworthiness"] = view.trustworthiness
    return columns


def coordinates_csv(report: Report) -> str:
    """Return `Report.coordinates` as CSV, with an apostrophe before text that spreadsheets read as a formula."""
    columns = coordinate_columns(report)
    cells = [_cells(values) for values in columns.values()]
    return _table([spreadsheet_cell(name) for name in columns], zip(*cells, strict=True), delimiter=",")


def neighbors_tsv(report: Report) -> str:
    """Return the neighbors in the original space as TSV: row, rank, neighbor, cosine, and any other distance."""
    indices, cosines, distances = neighbor_table(report.snapshot, report.analysis)
    labels = [spreadsheet_cell(label) for label in report.snapshot.rows.labels]
    euclidean = report.analysis.neighbors.distance == "euclidean"

    def lines() -> Iterator[list[str]]:
        for i, row in enumerate(indices.tolist()):
            for rank, j in enumerate(row):
                if j >= 0:
                    line = [labels[i], str(rank + 1), labels[j], f"{cosines[i, rank]:.4f}"]
                    yield [*line, f"{distances[i, rank]:.6g}"] if euclidean else line

    header = ["row", "rank", "neighbor", "cosine", *(["distance"] if euclidean else [])]
    return _table(header, lines(), delimiter="\t")


def report_json(report: Report, files: Sequence[str]) -> str:
    """Return all data except rows as JSON: metrics, findings, parameters, seeds and versions."""
    rows, table = report.snapshot.rows, report.table
    study = report.study
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": report.name,
        "source": report.source,
        "table": {
            "name": table.name,
            "num_rows": table.num_rows,
            "dim": table.dim,
            "dtype": table.dtype,
            "padding_idx": table.padding_idx,
        },
        "rows": {
            "number": len(rows),
            "how": rows.how,
            "left_out": dict(rows.left_out),
            "watch": list(rows.watch),
            "version": rows.version,
        },
        "parameters": dict(report.parameters),
        "metrics": dict(report.analysis.scalars),
        "counters": dict(report.counters),
        "views": [
            {
                "key": view.key,
                "method": view.spec.method,
                "n_components": view.spec.n_components,
                "parameters": view.parameters,
                "metrics": view.numbers,
                "doubtful_rows": int(study.doubtful_rows(view.key).sum()),
            }
            for view in report.views
        ],
        "clusters": {
            "number": int(study.clusters.max(initial=-1)) + 1,
            "rows_in_none": int((study.clusters < 0).sum()),
        },
        "findings": [finding.to_dict() for finding in report.findings],
        "notes": list(report.notes),
        "versions": dict(report.versions),
        "files": list(files),
    }
    return dumps(content, indent=2) + "\n"


def _cells(values: NDArray[Any]) -> list[str]:
    if values.dtype == object:
        return [spreadsheet_cell(str(value)) for value in values]
    if values.dtype.kind == "f":
        return ["" if value != value else f"{value:.7g}" for value in values.tolist()]
    return [str(value) for value in values.tolist()]


def _table(header: list[str], lines: Iterable[Sequence[str]], *, delimiter: str) -> str:
    text = io.StringIO()
    if delimiter == ",":
        writer = csv.writer(text, lineterminator="\n")
    else:
        # Tabs and line ends inside cells are already escaped, so a TSV needs no quotes.
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue()
