"""Endpoints of one step: coordinates and metrics of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding import page
from visualdl_embedding.analysis import split_key
from visualdl_embedding.server._endpoint import Answer, Asked, NotFound
from visualdl_embedding.server._source import RunSource
from visualdl_embedding.server._tables import with_missing
from visualdl_embedding.store import TensorFile

__all__ = ["float32_bytes", "frame", "frame_info", "row", "row_metric", "row_metrics"]


def float32_bytes(values: NDArray[np.float32]) -> bytes:
    """Serialize float32 for the page: little-endian, row by row."""
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


def frame(source: RunSource, asked: Asked) -> Answer:
    """Coordinates of all rows at a step."""
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
    """Parameters, quality and noise of a frame."""
    table, step = source.table_at(asked, analyzed=True)
    projection = asked["projection"]

    def make() -> dict[str, Any]:
        found = table.projection(step, projection)
        header = table.header(step)
        return page.frame_info(found, projection, scalars=header["scalars"], previous_step=header["previous_step"])

    return Answer(table.frame_stamp(step, projection), make)


def row_metrics(source: RunSource, asked: Asked) -> Answer:
    """Names of the metrics of single rows at a step."""
    table, step = source.table_at(asked, analyzed=True)
    return Answer(table.stamp(step), lambda: {"names": list(table.header(step)["row_metrics"])})


def row_metric(source: RunSource, asked: Asked) -> Answer:
    """One metric of every row at a step."""
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
    """All metrics of one row at a step, read without the other rows."""
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
