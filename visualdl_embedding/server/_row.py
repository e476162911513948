"""All numbers of one row, read from the places where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from visualdl_embedding.server._endpoint import Answer
from visualdl_embedding.server._source import RunSource
from visualdl_embedding.server._tables import with_missing
from visualdl_embedding.store import TensorFile

__all__ = ["row"]

Asked = Mapping[str, Any]


def row(source: RunSource, asked: Asked) -> Answer:
    """Give every number that the analysis of a step has of one row."""
    table = source.table(asked["run"], asked["table"])
    step, position = asked["step"], asked["row"]
    table.check_step(step, analyzed=True)
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

    return Answer(("row", *table.stamp(step), table.reader.description.rows_version, position), make)
