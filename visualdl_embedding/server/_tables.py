"""Endpoints of runs and tables: lists, rows, scalars and alerts."""

from __future__ import annotations

from typing import Any

from visualdl_embedding.core.palette import page_palette
from visualdl_embedding.page import metric_infos, rows_answer, scalar_series, table_info
from visualdl_embedding.server._endpoint import Answer, Asked
from visualdl_embedding.server._served import ServedTable
from visualdl_embedding.server._source import RunSource

__all__ = ["alerts", "curves", "metrics", "rows", "runs", "scalars", "status", "with_missing"]


def with_missing(answer: dict[str, Any], missing: list[str]) -> dict[str, Any]:
    """Add the errors of unreadable files, if any."""
    return {**answer, "missing": missing} if missing else answer


def status(source: RunSource, asked: Asked) -> Answer:
    """Revision of everything, without reading a file."""
    view = source.view()
    return Answer(view.revision, lambda: {"revision": view.revision, "runs": len(view.runs)})


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
        return with_missing({"runs": listed, "palette": page_palette()}, missing)

    return Answer((view.revision, repr(tags)), make)


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
    described = table_info(
        description.table,
        distance=description.config.distance,
        n_neighbors=description.config.n_neighbors,
        n=n,
        columns=columns,
        projections=projections,
        watch=description.watch,
        steps=table.steps,
        analyzed=table.analyzed,
        rows_version=description.rows_version,
    )
    return described, missing


def rows(source: RunSource, asked: Asked) -> Answer:
    """Watched rows of a table."""
    table = source.table(asked["run"], asked["table"])
    version = table.reader.description.rows_version
    return Answer(table.stamp(), lambda: rows_answer(table.rows, version=version))


def scalars(source: RunSource, asked: Asked) -> Answer:
    """All scalars of a table by step."""
    table = source.table(asked["run"], asked["table"])

    def make() -> dict[str, Any]:
        headers, missing = table.headers()
        found = scalar_series({step: header["scalars"] for step, header in headers.items()})
        return with_missing({"scalars": found}, [source.redact(text) for text in missing])

    return Answer((*table.stamp(), table.listing.stamp), make)


def metrics(source: RunSource, asked: Asked) -> Answer:
    """Descriptions of all metrics."""
    return Answer("metrics", lambda: {"metrics": metric_infos()})


def curves(source: RunSource, asked: Asked) -> Answer:
    """Scalars of other writers in VisualDL's log of a run."""
    found = source.curves(source.run(asked["run"]))
    return Answer(found.stamp, found.answer)


def alerts(source: RunSource, asked: Asked) -> Answer:
    """Alerts of a table."""
    table = source.table(asked["run"], asked["table"])
    stamp = table.listing.others.get("alerts.jsonl")
    return Answer((*table.stamp(), stamp), lambda: {"alerts": table.reader.alerts()})
