"""Answers that a picture is drawn from: coordinates and numbers of single rows, as float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visualdl_embedding.analysis import split_key
from visualdl_embedding.server._endpoint import Answer
from visualdl_embedding.server._served import NotFound, ServedTable
from visualdl_embedding.server._source import RunSource
from visualdl_embedding.store import TensorFile

__all__ = ["frame", "frame_info", "frame_key", "pack", "row_metric", "row_metrics"]

Asked = Mapping[str, Any]


def pack(values: NDArray[np.float32]) -> bytes:
    """Lay out float32 as the page reads it: little-endian, row by row."""
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


def frame_key(table: ServedTable, step: int, projection: str) -> tuple[Any, ...]:
    """All that a frame depends on. PCA is seen through the newest basis, hence through the newest analysis."""
    newest = table.newest()
    seen_through = [newest] if projection.startswith("pca") and newest is not None else []
    return (*table.stamp(step, *seen_through), table.reader.description.rows_version, step, projection)


def frame(source: RunSource, asked: Asked) -> Answer:
    """Give the coordinates of all rows at a step."""
    table = source.table(asked["run"], asked["table"])
    step, projection = asked["step"], asked["projection"]
    table.check_step(step, analyzed=True)
    n_components = _components(table, step, projection)

    def make() -> bytes:
        return pack(table.projection(step, projection).coordinates)

    return Answer(("frame", *frame_key(table, step, projection)), make, n_components)


def _components(table: ServedTable, step: int, projection: str) -> int:
    stored = table.header(step)["projections"]
    if projection not in stored:
        known = ", ".join(stored) or "none"
        raise NotFound(f"Step {step} of table {table.name!r} has no projection {projection!r}; stored are {known}.")
    return split_key(projection)[1]


def frame_info(source: RunSource, asked: Asked) -> Answer:
    """Say how a frame was made, how true it is, and how much of its motion is noise."""
    table = source.table(asked["run"], asked["table"])
    step, projection = asked["step"], asked["projection"]
    table.check_step(step, analyzed=True)

    def make() -> dict[str, Any]:
        found = table.projection(step, projection)
        header = table.header(step)
        scalars = header["scalars"]
        parameters = {k: v for k, v in found.parameters.items() if k not in ("method", "random_state")}
        return {
            "method": found.method,
            "parameters": parameters,
            "random_state": found.parameters.get("random_state"),
            "axes": found.axes.tolist(),
            "axes_version": found.axes_version,
            "basis_version": found.parameters.get("basis_version"),
            "noise_floor": found.noise_floor,
            "trustworthiness": scalars.get(f"{projection}/trustworthiness"),
            "continuity": scalars.get(f"{projection}/continuity"),
            "motion": scalars.get(f"{projection}/motion"),
            "analyzed_against": header["previous_step"],
        }

    return Answer(("frame-info", *frame_key(table, step, projection)), make)


def row_metrics(source: RunSource, asked: Asked) -> Answer:
    """List the numbers that single rows have at a step."""
    table = source.table(asked["run"], asked["table"])
    step = asked["step"]
    table.check_step(step, analyzed=True)
    return Answer(("row-metrics", *table.stamp(step)), lambda: {"names": list(table.header(step)["row_metrics"])})


def row_metric(source: RunSource, asked: Asked) -> Answer:
    """Give one number of every row at a step."""
    table = source.table(asked["run"], asked["table"])
    step, name = asked["step"], asked["name"]
    table.check_step(step, analyzed=True)
    known = table.header(step)["row_metrics"]
    if name not in known:
        raise NotFound(
            f"Step {step} of table {table.name!r} has no row metric {name!r}; stored are {', '.join(known)}."
        )

    def make() -> bytes:
        with TensorFile(table.reader.path("analysis", step)) as file:
            values = file.read(f"row_metrics/{name}")
        return pack(table.in_order(step, values))

    key = ("row-metric", *table.stamp(step), table.reader.description.rows_version, name)
    return Answer(key, make, 1)
