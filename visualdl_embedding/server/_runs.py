"""Endpoints of runs, tables and steps."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import page
from visualdl_embedding.analysis import Config, split_key
from visualdl_embedding.core.palette import page_palette
from visualdl_embedding.core.snapshot import Snapshot
from visualdl_embedding.findings import find
from visualdl_embedding.metrics import agreement
from visualdl_embedding.server._http import Answer, Asked, NotFound
from visualdl_embedding.server._served import ServedTable
from visualdl_embedding.server._source import RunSource
from visualdl_embedding.store import TensorFile

__all__ = [
    "alerts",
    "clusters",
    "curves",
    "findings",
    "float32_bytes",
    "frame",
    "frame_info",
    "metrics",
    "row",
    "row_metric",
    "row_metrics",
    "rows",
    "runs",
    "scalars",
    "status",
    "with_missing",
]

NO_CLUSTER = -1

_studying = threading.Lock()
"""Detectors and clustering take seconds and hundreds of megabytes: one at a time."""


def with_missing(answer: dict[str, Any], missing: list[str]) -> dict[str, Any]:
    """Add the errors of unreadable files, if any."""
    return {**answer, "missing": missing} if missing else answer


def status(source: RunSource, asked: Asked) -> Answer:
    """Revision, which changes with any run."""
    view = source.view()
    return Answer(view.revision, lambda: {"revision": view.revision, "runs": len(view.runs)})


def runs(source: RunSource, asked: Asked) -> Answer:
    """Runs, tables and steps."""  # noqa: D401
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
            if projections:  # a frame with too few usable rows has none
                break
        except (OSError, ValueError, LookupError) as error:
            missing.append(str(error))
    described = page.table_info(
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
    return Answer(table.stamp(), lambda: page.rows_answer(table.rows, version=version))


def scalars(source: RunSource, asked: Asked) -> Answer:
    """All scalars of a table by step."""
    table = source.table(asked["run"], asked["table"])

    def make() -> dict[str, Any]:
        headers, missing = table.headers()
        found = page.scalar_series({step: header["scalars"] for step, header in headers.items()})
        return with_missing({"scalars": found}, [source.redact(text) for text in missing])

    return Answer((*table.stamp(), table.listing.stamp), make)


def metrics(source: RunSource, asked: Asked) -> Answer:
    """Descriptions of all metrics."""
    return Answer("metrics", lambda: {"metrics": page.metric_infos()})


def curves(source: RunSource, asked: Asked) -> Answer:
    """Scalars of other writers in VisualDL's log of a run."""
    found = source.curves(source.run(asked["run"]))
    return Answer(found.stamp, found.answer)


def alerts(source: RunSource, asked: Asked) -> Answer:
    """Alerts of a table, oldest first."""
    table = source.table(asked["run"], asked["table"])
    stamp = table.listing.others.get("alerts.jsonl")
    return Answer((*table.stamp(), stamp), lambda: {"alerts": table.reader.alerts()})


def float32_bytes(values: NDArray[np.float32]) -> bytes:
    """Serialize float32 for the page: little-endian, row by row."""
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


def frame(source: RunSource, asked: Asked) -> Answer:
    """Coordinates of all rows: float32, row by row."""
    table, step = source.table_at(asked, analyzed=True)
    projection = asked["projection"]
    table.check_projection(step, projection)
    _, n_components = split_key(projection)
    return Answer(
        table.frame_stamp(step, projection),
        lambda: float32_bytes(table.projection(step, projection).coordinates),
        n_components,
    )


def frame_info(source: RunSource, asked: Asked) -> Answer:
    """Parameters and quality of a frame."""
    table, step = source.table_at(asked, analyzed=True)
    projection = asked["projection"]

    def make() -> dict[str, Any]:
        found = table.projection(step, projection)
        header = table.header(step)
        return page.frame_info(found, projection, scalars=header["scalars"], previous_step=header["previous_step"])

    return Answer(table.frame_stamp(step, projection), make)


def row_metrics(source: RunSource, asked: Asked) -> Answer:
    """Names of the metrics of single rows."""
    table, step = source.table_at(asked, analyzed=True)
    return Answer(table.stamp(step), lambda: {"names": list(table.header(step)["row_metrics"])})


def row_metric(source: RunSource, asked: Asked) -> Answer:
    """One metric of every row: float32."""
    table, step = source.table_at(asked, analyzed=True)
    name = asked["name"]
    known = table.header(step)["row_metrics"]
    if name not in known:
        raise NotFound(
            f"Step {step} of table {table.name!r} has no row metric {name!r}; stored are {', '.join(known)}."
        )

    def make() -> bytes:
        with TensorFile(table.reader.path("analysis", step)) as file:
            values = file.read(f"row_metrics/{name}")
        return float32_bytes(table.in_order(step, values))

    return Answer(table.stamp(step), make, 1)


def row(source: RunSource, asked: Asked) -> Answer:
    """All metrics of one row."""
    table, step = source.table_at(asked, analyzed=True)
    position = asked["row"]
    label = table.label(position)

    def make() -> dict[str, Any]:
        names = table.header(step)["row_metrics"]
        order = table.order(step)
        own = position if order is None else int(order[position])
        answer = {"row": position, "label": label, "metrics": dict.fromkeys(names)}
        if own < 0:
            return with_missing(answer, [f"{label!r} was not watched at step {step}."])
        with TensorFile(table.reader.path("analysis", step)) as file:
            values = {name: file.read_number(f"row_metrics/{name}", own) for name in names}
        return answer | {"metrics": values}

    return Answer(table.stamp(step), make)


def findings(source: RunSource, asked: Asked) -> Answer:
    """Findings of a snapshot."""  # noqa: D401
    table, step = source.table_at(asked, analyzed=True)

    def make() -> dict[str, Any]:
        with _studying:
            found = find(table.reader.read_snapshot(step), table.reader.read_analysis(step))
        listed = [finding.to_dict() for finding in found]
        order = table.order(step)
        if order is not None:
            newest = {int(own): position for position, own in enumerate(order) if own >= 0}
            for finding in listed:
                finding["row_indices"] = [newest[row] for row in finding["row_indices"] if row in newest]
        return {"findings": listed}

    return Answer(table.stamp(step), make)


def clusters(source: RunSource, asked: Asked) -> Answer:
    """Clusters of the rows in the original space."""
    table, step = source.table_at(asked)

    def make() -> dict[str, Any]:
        with _studying:
            found = cluster_rows(table.reader.read_snapshot(step), table.reader.description.config)
        n_clusters = int(found.max(initial=NO_CLUSTER)) + 1
        found = table.in_order(step, found, missing=NO_CLUSTER)
        return {"step": step, "clusters": found.tolist(), "n_clusters": n_clusters}

    # Without the stamp of the analysis, which clusters do not depend on.
    return Answer((*table.stamp(), table.listing.snapshots[step]), make)


def cluster_rows(snapshot: Snapshot, config: Config) -> NDArray[np.int32]:
    """Cluster the usable rows of a snapshot by the distance of its table.

    Returns
    -------
    ``(n,)`` int32: clusters from 0, largest first; -1 for rows in no cluster and for rows that are not usable.
    """
    found = np.full(len(snapshot.labels), NO_CLUSTER, dtype=np.int32)
    usable = snapshot.usable(config.distance)
    if snapshot.is_measurable(config.distance):
        # Intermediate values overflow for vectors near the limit of float32 (1e38).
        with np.errstate(all="ignore"):
            found[usable] = agreement.clusters(
                snapshot.vectors[usable], distance=config.distance, random_state=config.random_state
            )
    return found
