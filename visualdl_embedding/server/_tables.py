"""Answers about runs and tables: what there is, the rows, the numbers and alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visualdl_embedding.metrics import METRICS
from visualdl_embedding.server._endpoint import Answer
from visualdl_embedding.server._served import ServedTable
from visualdl_embedding.server._source import RunSource

__all__ = ["alerts", "curves", "metrics", "rows", "runs", "scalars", "status", "with_missing"]

Asked = Mapping[str, Any]


def with_missing(answer: dict[str, Any], missing: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Say what could not be read, where something could not."""
    return {**answer, "missing": list(missing)} if missing else answer


def status(source: RunSource, asked: Asked) -> Answer:
    """Tell cheaply whether anything changed."""
    view = source.view()
    return Answer(("status", view.revision), lambda: {"revision": view.revision, "runs": len(view.runs)})


def runs(source: RunSource, asked: Asked) -> Answer:
    """List runs, tables and steps."""
    view = source.view()
    tags = {name: source.curves(run).tags() for name, run in view.runs.items()}

    def make() -> dict[str, Any]:
        listed = []
        missing = list(view.missing)
        for name, run in view.runs.items():
            tables = []
            for table in run.tables.values():
                described, damaged = _describe(table)
                tables.append(described)
                missing += [f"{name}: {source.redact(text)}" for text in damaged]
            missing += [f"{name}: {text}" for text in run.missing]
            listed.append({"name": name, "tables": tables, "curves": tags[name]})
        return with_missing({"runs": listed}, missing)

    return Answer(("runs", view.revision, repr(tags)), make)


def _describe(table: ServedTable) -> tuple[dict[str, Any], list[str]]:
    description = table.reader.description
    missing = []
    n, columns = 0, list[str]()
    try:
        n, columns = table.outline()
    except (OSError, ValueError) as error:
        missing.append(f"metadata.tsv cannot be read ({type(error).__name__}).")
    projections: list[str] = []
    for step in reversed(table.analyzed):
        try:
            projections = list(table.header(step)["projections"])
            break
        except (OSError, ValueError, LookupError) as error:
            missing.append(str(error))
    return {
        "name": table.name,
        "dim": description.table.dim,
        "num_rows": description.table.num_rows,
        "n": n,
        "distance": description.config.distance,
        "n_neighbors": description.config.n_neighbors,
        "projections": projections,
        "columns": columns,
        "watch": list(description.watch),
        "steps": table.steps,
        "analyzed": table.analyzed,
        "rows_version": description.rows_version,
    }, missing


def rows(source: RunSource, asked: Asked) -> Answer:
    """Give the watched rows of a table."""
    table = source.table(asked["run"], asked["table"])
    version = table.reader.description.rows_version

    def make() -> dict[str, Any]:
        found = table.rows
        by_id = dict(zip(found.ids.tolist(), found.labels, strict=True))
        return {
            "ids": found.ids.tolist(),
            "labels": list(found.labels),
            "columns": {name: list(values) for name, values in found.columns.items()},
            "watch": list(found.watch),
            "pieces": {
                str(position): " ".join(by_id.get(piece, f"#{piece}") for piece in pieces)
                for position, pieces in found.pieces.items()
            },
            "version": version,
        }

    return Answer(("rows", *table.stamp(), version), make)


def scalars(source: RunSource, asked: Asked) -> Answer:
    """Give all scalars of a table over the steps."""
    table = source.table(asked["run"], asked["table"])

    def make() -> dict[str, Any]:
        headers, missing = table.headers()
        found: dict[str, dict[str, list[Any]]] = {}
        for step, header in headers.items():
            for key, value in header["scalars"].items():
                series = found.setdefault(key, {"steps": [], "values": []})
                series["steps"].append(step)
                series["values"].append(value)
        return with_missing({"scalars": found}, [source.redact(text) for text in missing])

    return Answer(("scalars", str(table.reader.folder), table.listing.stamp), make)


def metrics(source: RunSource, asked: Asked) -> Answer:
    """Say what every metric means."""
    names = ("low", "high", "higher_is_better", "description", "description_zh", "reference")
    known = {name: {field: getattr(metric, field) for field in names} for name, metric in METRICS.items()}
    return Answer(("metrics",), lambda: {"metrics": known})


def curves(source: RunSource, asked: Asked) -> Answer:
    """Give what others logged in VisualDL's file of a run."""
    run = source.run(asked["run"])
    found = source.curves(run)
    return Answer(("curves", run.name, repr(found.stamp)), found.answer)


def alerts(source: RunSource, asked: Asked) -> Answer:
    """Give the alerts of a table."""
    table = source.table(asked["run"], asked["table"])
    stamp = table.listing.others.get("alerts.jsonl")
    return Answer(("alerts", str(table.reader.folder), stamp), lambda: {"alerts": table.reader.alerts()})
